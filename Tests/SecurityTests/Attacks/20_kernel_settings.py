# 20: no setting of the kernel can be changed, no control group moved, made or mounted
# include: walls
# timeout: 60000
# expect: reason=exit exit=0 last=held
opened = 0
for top in ("/proc/sys", "/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/driver", "/proc/acpi"):
    for root, folders, files in os.walk(top):
        for name in files:
            opened += 1
            attempt(f"{root}/{name} for writing", lambda: os.open(os.path.join(root, name), os.O_WRONLY))
print("settings tried:", opened)
for kind in (b"cgroup", b"cgroup2", b"proc", b"sysfs", b"tmpfs", b"overlay", b"bpf", b"debugfs", b"devpts", b"fuse"):
    os.makedirs("/tmp/mount", exist_ok=True)
    name = ctypes.create_string_buffer(kind)
    target = ctypes.create_string_buffer(b"/tmp/mount")
    expect_blocked(
        f"mount {kind}",
        call_in_child(165, ctypes.addressof(name), ctypes.addressof(target), ctypes.addressof(name), 0, 0),
    )
    expect_blocked(f"fsopen {kind}", call_in_child(430, ctypes.addressof(name), 0))
for line in open("/proc/self/cgroup"):
    path = line.strip().split(":")[2]
    if path.strip("/").count("/") or "code-interpreter" in path:
        breach(f"the control group shows its place on the host: {path}")
for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"):
    attempt(f"a control group in {path}", lambda: os.mkdir(f"{path}/x"))
for name in ("oom_score_adj", "coredump_filter", "timerslack_ns", "loginuid", "projid_map", "uid_map"):
    if name in ("loginuid", "projid_map", "uid_map"):
        attempt(f"/proc/self/{name}", lambda: [open(f"/proc/self/{name}", "w").write("0 0 1")])
held()
