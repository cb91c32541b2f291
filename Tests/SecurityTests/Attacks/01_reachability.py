# 01: what the kernel lets a sandboxed program reach
# include: walls
# timeout: 60000
# expect: reason=exit exit=0 last=held
#
# Every call is made in a child of its own with arguments that change nothing. "Blocked" is EPERM, EACCES, ENOSYS or SIGSYS before the
# kernel looked at the arguments; any other error means that it did.
A = NOWHERE
NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME = (
    0x20000,
    0x2000000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
    0x80,
)
CALLS = {
    "bpf": (321, 0, A, 128),
    "bpf_prog": (321, 5, A, 128),
    "io_uring_setup": (425, 1, A),
    "io_uring_enter": (426, -1, 0, 0, 0, 0),
    "io_uring_register": (427, -1, 0, A, 0),
    "userfaultfd": (323, 0),
    "userfaultfd_user": (323, 1),
    "perf_event_open": (298, A, 0, -1, -1, 0),
    "keyctl_get": (250, 0, -3, 0),
    "keyctl_join": (250, 1, A),
    "keyctl_read": (250, 11, -3, A, 10),
    "add_key": (248, A, A, A, 1, -3),
    "request_key": (249, A, A, A, -3),
    "ptrace_attach": (101, 16, 1, 0, 0),
    "ptrace_seize": (101, 0x4206, 1, 0, 0),
    "ptrace_peek": (101, 1, 1, A, A),
    "process_vm_readv": (310, 1, A, 1, A, 1, 0),
    "process_vm_writev": (311, 1, A, 1, A, 1, 0),
    "process_madvise": (440, -1, A, 1, 4, 0),
    "kcmp": (312, 1, 1, 0, 0, 0),
    "pidfd_getfd": (438, -1, 0, 0),
    "mount": (165, A, A, A, 0, 0),
    "umount2": (166, A, 0),
    "pivot_root": (155, A, A),
    "fsopen": (430, A, 0),
    "fsconfig": (431, -1, 1, A, A, 0),
    "fsmount": (432, -1, 0, 0),
    "fspick": (433, -100, A, 0),
    "open_tree": (428, -100, A, 0),
    "open_tree_clone": (428, -100, A, 1),
    "open_tree_attr": (467, -100, A, 1, A, 32),
    "move_mount": (429, -1, A, -1, A, 0),
    "mount_setattr": (442, -100, A, 0, A, 32),
    "statmount": (457, A, A, 64, 0),
    "listmount": (458, A, A, 8, 0),
    "chroot": (161, A),
    "open_by_handle_at": (304, -100, A, 0),
    "name_to_handle_at": (303, -100, A, A, A, 0),
    "setns": (308, -1, 0),
    "clone3": (435, A, 88),
    "unshare_user": (272, NEWUSER),
    "unshare_ns": (272, NEWNS),
    "unshare_net": (272, NEWNET),
    "unshare_pid": (272, NEWPID),
    "unshare_ipc": (272, NEWIPC),
    "unshare_uts": (272, NEWUTS),
    "unshare_cgroup": (272, NEWCGROUP),
    "unshare_time": (272, NEWTIME),
    "clone_user": (56, NEWUSER | 17, 0, 0, 0, 0),
    "clone_ns": (56, NEWNS | 17, 0, 0, 0, 0),
    "clone_net": (56, NEWNET | 17, 0, 0, 0, 0),
    "clone_pid": (56, NEWPID | 17, 0, 0, 0, 0),
    "init_module": (175, A, 1, A),
    "finit_module": (313, -1, A, 0),
    "delete_module": (176, A, 0),
    "create_module": (174, A, 1),
    "kexec_load": (246, 0, 0, A, 0),
    "kexec_file_load": (320, -1, -1, 0, A, 0),
    "swapon": (167, A, 0),
    "swapoff": (168, A),
    "acct": (163, A),
    "quotactl": (179, A, A, 0, 0),
    "quotactl_fd": (443, -1, 0, 0, 0),
    "reboot": (169, 0, 0, 0, 0),
    "iopl": (172, 3),
    "ioperm": (173, 0x80, 1, 1),
    "modify_ldt": (154, 0, A, 0),
    "settimeofday": (164, A, 0),
    "clock_settime": (227, 0, A),
    "clock_adjtime": (305, 0, A),
    "adjtimex": (159, A),
    "sethostname": (170, A, 1),
    "setdomainname": (171, A, 1),
    "syslog": (103, 3, A, 1),
    "personality_no_random": (135, 0x0040000),
    "personality_read_implies_exec": (135, 0x0400000),
    "personality_32": (135, 8),
    "vmsplice": (278, -1, A, 1, 0),
    "mbind": (237, A, 0, 0, A, 0, 0),
    "set_mempolicy": (238, 0, A, 0),
    "move_pages": (279, 0, 1, A, A, A, 0),
    "migrate_pages": (256, 0, 0, A, A),
    "set_mempolicy_home_node": (450, A, 0, 0, 0),
    "fanotify_init": (300, 0, 0),
    "fanotify_mark": (301, -1, 0, 0, -1, A),
    "lookup_dcookie": (212, 0, A, 1),
    "uselib": (134, A),
    "_sysctl": (156, A),
    "ustat": (136, 0, A),
    "sysfs": (139, 3),
    "nfsservctl": (180, 0, A, A),
    "vhangup": (153,),
    "seccomp_listener": (317, 1, 8, A),
    "memfd_secret": (447, 0),
    "mknod_block": (133, A, 0o60600, 0x800),
    "x32_getpid": (0x40000000 | 39,),
    "x32_openat": (0x40000000 | 257, -100, A, 0),
    "get_kernel_syms": (177, A),
    "query_module": (178, A, 0, A, 0, A),
    "process_mrelease": (448, -1, 0),
    "landlock_add_rule": (445, -1, 1, A, 0),
}
# Reading the list of mounts of the own namespace, or narrowing the own rights further, gives nobody anything.
HARMLESS = {"landlock_add_rule", "statmount", "listmount", "name_to_handle_at"}

reachable = {}
for name, (number, *arguments) in CALLS.items():
    answer = call_in_child(number, *arguments)
    if answer not in BLOCKED and not (name.startswith("clone_") and answer == ""):
        reachable[name] = answer
serious = sorted(set(reachable) - HARMLESS)
print("reachable calls:", reachable)
if len(serious) > 3:
    breach(f"{len(serious)} system calls of {len(CALLS)}: {serious}")

if call_in_child(435, A, 88) != "ENOSYS":
    breach("clone3 must be ENOSYS, so that the C library falls back to clone")

UNIX, INET, INET6 = 1, 2, 10
families = set()
for family in range(1, 46):
    for kind in (1, 2, 3, 4, 5):

        def make(family=family, kind=kind):
            try:
                socket.socket(family, kind, 0).close()
                return "made"
            except OSError as error:
                return errno.errorcode.get(error.errno, "?")

        if in_child(make) == "made":
            families.add((family, kind))
print("sockets:", sorted(families))
wanted = {(UNIX, 1), (UNIX, 2), (UNIX, 5), (UNIX, 3), (INET, 1), (INET, 2), (INET6, 1), (INET6, 2)}
for extra in sorted(families - wanted):
    breach(f"socket family {extra[0]} type {extra[1]}")
for missing in {(UNIX, 1), (INET, 1), (INET6, 1)} - families:
    breach(f"socket family {missing[0]} type {missing[1]} cannot be made, programs need it")

PROTOCOLS = [
    ("ping", INET, 2, 1),
    ("ping6", INET6, 2, 58),
    ("raw tcp", INET, 3, 6),
    ("raw ip", INET, 3, 255),
    ("raw6", INET6, 3, 58),
    ("sctp", INET, 1, 132),
    ("sctp seq", INET, 5, 132),
    ("mptcp", INET, 1, 262),
    ("mptcp6", INET6, 1, 262),
    ("udplite", INET, 2, 136),
    ("dccp", INET, 6, 33),
    ("l2tp", INET, 2, 115),
    ("smc", 43, 1, 0),
    ("smc6", 43, 1, 1),
    ("netlink route", 16, 3, 0),
    ("netlink netfilter", 16, 3, 12),
    ("netlink xfrm", 16, 3, 6),
    ("netlink audit", 16, 3, 9),
    ("netlink uevent", 16, 3, 15),
    ("netlink generic", 16, 3, 16),
    ("packet", 17, 3, 0x300),
    ("packet dgram", 17, 2, 0x300),
    ("alg", 38, 5, 0),
    ("vsock", 40, 1, 0),
    ("key", 15, 3, 2),
    ("xdp", 44, 3, 0),
    ("bluetooth", 31, 3, 1),
    ("bluetooth l2cap", 31, 5, 0),
    ("can raw", 29, 3, 1),
    ("tipc", 30, 5, 0),
    ("rds", 21, 5, 0),
    ("kcm", 41, 5, 0),
    ("qipcrtr", 42, 2, 0),
    ("phonet", 35, 2, 0),
]
for name, family, kind, protocol in PROTOCOLS:

    def make():
        try:
            socket.socket(family, kind, protocol).close()
            return "made"
        except OSError as error:
            return errno.errorcode.get(error.errno, "?")

    if in_child(make) == "made":
        breach(f"socket {name}")
attempt("socketpair of TIPC", lambda: socket.socketpair(30, 5))

READ = [
    "/proc/1/environ",
    "/proc/1/cmdline",
    "/proc/1/maps",
    "/proc/1/mem",
    "/proc/1/root/etc",
    "/proc/1/cwd",
    "/proc/1/fd",
    "/proc/1/ns/net",
    "/proc/1/auxv",
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/vmallocinfo",
    "/proc/slabinfo",
    "/proc/pagetypeinfo",
    "/proc/kpageflags",
    "/proc/kpagecount",
    "/proc/config.gz/x",
    "/proc/latency_stats",
    "/proc/scsi/scsi",
    "/proc/acpi",
    "/proc/asound",
    "/sys",
    "/sys/kernel",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/firmware",
    "/sys/class",
    "/sys/class/dmi/id/product_uuid",
    "/sys/fs/cgroup",
    "/sys/fs/bpf",
    "/sys/module",
    "/dev/mem",
    "/dev/port",
    "/dev/kmsg",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/vda",
    "/dev/sda",
    "/dev/loop0",
    "/dev/loop-control",
    "/dev/mapper",
    "/dev/dri",
    "/dev/input",
    "/dev/vhost-net",
    "/dev/vsock",
    "/dev/hpet",
    "/dev/rtc0",
    "/dev/tty0",
    "/dev/console",
    "/dev/btrfs-control",
    "/dev/userfaultfd",
    "/dev/cpu/0/msr",
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/systemd",
    "/run/dbus/system_bus_socket",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/machine-id",
    "/etc/ssh",
    "/etc/sudoers",
    "/etc/hostname",
    "/etc/fstab",
    "/etc/crontab",
    "/root",
    "/root/.ssh",
    "/home/ubuntu",
    "/var/lib",
    "/var/log",
    "/srv",
    "/mnt",
    "/media",
    "/boot",
    "/lost+found",
    "/.dockerenv",
]
for path in READ:

    def read():
        try:
            found = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            return errno.errorcode.get(error.errno, "?")
        try:
            return f"{len(os.listdir(found))} entries"
        except NotADirectoryError:
            pass
        try:
            return f"{len(os.read(found, 64))} bytes"
        except OSError as error:
            return errno.errorcode.get(error.errno, "?")

    answer = in_child(read)
    if answer.endswith("bytes") or (answer.endswith("entries") and answer != "0 entries"):
        breach(f"{path}: {answer}")

WRITE = [
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/hostname",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/irq/default_smp_affinity",
    "/proc/self/uid_map",
    "/proc/self/gid_map",
    "/proc/self/setgroups",
    "/proc/self/attr/current",
    "/proc/mtrr",
    "/proc/bus/pci/00",
    "/sys/kernel/uevent_helper",
    "/sys/fs/cgroup/release_agent",
    "/sys/fs/cgroup/memory/release_agent",
    "/sys/fs/cgroup/cgroup.procs",
    "/dev/mem",
    "/dev/kmsg",
]
for path in WRITE:

    def write():
        try:
            os.close(os.open(path, os.O_WRONLY))
            return "opened"
        except OSError as error:
            return errno.errorcode.get(error.errno, "?")

    answer = in_child(write)
    # A map that was written once can be opened by its owner and refuses every further write.
    if answer == "opened" and not path.endswith(("_map", "setgroups", "attr/current")):
        breach(f"{path} can be opened for writing")
for path, line in (
    ("uid_map", b"0 0 1"),
    ("gid_map", b"0 0 1"),
    ("setgroups", b"allow"),
    ("attr/current", b"unconfined"),
):
    attempt(f"writing {line} to {path}", lambda: os.write(os.open(f"/proc/self/{path}", os.O_WRONLY), line))

if os.access("/proc/kallsyms", os.R_OK):
    addresses = [line.split()[0] for line in open("/proc/kallsyms").read(4096).splitlines() if line]
    if any(address.strip("0") for address in addresses):
        breach("/proc/kallsyms shows addresses")
held()
