# 51: the process this one was forked from cannot be reached
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
if os.getppid() not in (0, 1):
    breach(f"parent {os.getppid()}")
for pid in {os.getppid(), 0, 1} - {os.getpid()}:
    if pid:
        attempt(f"signal to {pid}", lambda: os.kill(pid, signal.SIGTERM))
        attempt(f"memory of {pid}", lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY))
# Writable pages that are still shared with the other children would carry data from run to run.
for line in open("/proc/self/maps"):
    span, flags, offset, device, inode, *path = line.split(None, 5)
    if flags[1] == "w" and flags[3] == "s":
        breach(f"shared writable memory {line.strip()}")
held()
