# 11: no other process can be seen, read or traced
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
visible = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
if set(visible) - {os.getpid()}:
    breach(f"visible processes {visible}")
if os.getpid() > 50:
    breach(f"own number {os.getpid()}: not a namespace of its own")
for pid in [1, os.getppid(), *range(2, 60)]:
    if pid in (0, os.getpid()):
        continue
    for name in (
        "mem",
        "maps",
        "environ",
        "cmdline",
        "fd/0",
        "root/etc/passwd",
        "cwd/x",
        "exe",
        "ns/pid",
        "stack",
        "syscall",
        "io",
        "auxv",
        "pagemap",
        "task/1/mem",
    ):
        attempt(f"/proc/{pid}/{name}", lambda: os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
    for request in (16, 0x4206):
        result, error = system_call(101, request, pid, 0, 0)
        if result == 0:
            breach(f"ptrace {request} of {pid}")
for name in ("mem", "pagemap", "clear_refs", "stack", "syscall"):
    try:
        found = os.open(f"/proc/self/{name}", os.O_RDONLY)
        if name == "pagemap":
            entry = int.from_bytes(os.pread(found, 8, ctypes.addressof(ctypes.c_char()) // 4096 * 8), "little")
            if entry & ((1 << 55) - 1):
                breach("physical addresses in /proc/self/pagemap")
    except OSError:
        pass
command = open("/proc/self/cmdline").read()
if "/tmp" in command or "storage" in command:
    breach(f"own command line {command!r}")
held()
