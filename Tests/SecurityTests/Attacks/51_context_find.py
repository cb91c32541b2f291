# 51: finds nothing that a deleted context left
# include: walls
# expect: cell companion
import builtins
import math
import resource

# The word itself stands in this cell's own memory: its parts are put together only for the comparison.
parts = os.environ["FACTS"].split("|")
if hasattr(builtins, "canary") or math.pi == 3 or "canary" in sys.modules or "CANARY" in os.environ or "canary" in globals():
    breach("globals, modules or environment of another context")
if os.getcwd() != "/home/user" or parts[0] in "".join(sys.path):
    breach(f"folder {os.getcwd()} or path")
if (mask := os.umask(0o22)) == 0:
    breach(f"umask {mask:o}")
if resource.getrlimit(resource.RLIMIT_NOFILE)[1] == 200:
    breach("limits")
if signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL or signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, []):
    breach("signal handlers")
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
            breach(f"the other context's memory at {span}")
            break
        position = memory.find(parts[0].encode(), position + 1)
held()
