# 51: finds nothing that an earlier run left
# stdin: facts
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
import builtins
import locale
import math
import resource
import threading

# The word itself may stand in this program's own memory: its parts are put together only for the comparison.
parts = facts()["canary"]
if hasattr(builtins, "canary") or math.pi == 3 or "canary" in sys.modules or "CANARY" in os.environ:
    breach("globals, modules or environment of another run")
if json.dumps([1]) != "[1]":
    breach("a changed library")
for place in ("/tmp", "/dev/shm", "/workspace", "/home/user"):
    left = [name for name in os.listdir(place) if name not in ("__main__.py", "matplotlib") and parts[0] in name]
    if left:
        breach(f"files in {place}: {left}")
if os.getcwd() != "/workspace":
    breach(f"folder {os.getcwd()}")
mask = os.umask(0o22)
if mask not in (0o22, 0o77, 0o2, 0o27):
    breach(f"umask {mask:o}")
if resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 20:
    breach("limits")
if signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL or signal.getsignal(signal.SIGINT) != signal.default_int_handler:
    breach("signal handlers")
if signal.pthread_sigmask(signal.SIG_BLOCK, []):
    breach("blocked signals")
if threading.active_count() != 1:
    breach("threads")
for key in range(1, 20):
    if libc.shmget(key, 0, 0) >= 0 or libc.semget(key, 0, 0) >= 0 or libc.msgget(key, 0) >= 0:
        breach(f"shared memory {key}")
for line in open("/proc/self/maps"):
    span, flags, *rest = line.split(None, 5)
    if flags[0] != "r" or "[v" in line:
        continue
    start, end = (int(number, 16) for number in span.split("-"))
    if end - start > 256 << 20:
        continue
    memory = ctypes.string_at(start, end - start)
    position = memory.find(parts[0].encode())
    while position >= 0:
        if memory[position + len(parts[0]) :].startswith(parts[1].encode()):
            breach(f"the other run's memory at {span}")
            break
        position = memory.find(parts[0].encode(), position + 1)
held()
