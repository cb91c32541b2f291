# 33: no descriptor of the server is inherited: 0, 1 and 2, and the channel in the interpreter itself
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
import subprocess

own = {int(name) for name in os.listdir("/proc/self/fd")}
own = {number for number in own if os.path.lexists(f"/proc/self/fd/{number}")}
if own - {0, 1, 2, 900}:
    breach(f"descriptors {sorted(own)}: {[os.readlink(f'/proc/self/fd/{number}') for number in sorted(own)]}")
child = subprocess.run(
    ["/bin/sh", "-c", "ls /proc/self/fd"], capture_output=True, text=True, close_fds=False
).stdout.split()
if set(child) - {"0", "1", "2", "3"}:
    breach(f"descriptors of a program: {child}")
for number in (0, 1, 2):
    kind = os.readlink(f"/proc/self/fd/{number}")
    if not kind.startswith(("pipe:", "/dev/null", "socket:", "/memfd", "/dev/")):
        breach(f"descriptor {number} is {kind}")
for number in range(3, 2000):
    try:
        kind = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue
    if number != 900:
        breach(f"descriptor {number} is {kind}")
# Descriptors through which a folder of the host could be left.
for number in own:
    attempt(f"openat through {number}", lambda: os.open("..", os.O_RDONLY, dir_fd=number))
held()
