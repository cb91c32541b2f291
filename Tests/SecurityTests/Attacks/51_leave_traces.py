# 51: leaves a trace everywhere it can; no later run may find any
# stdin: facts
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
import builtins
import locale
import math
import resource
import threading

canary = "".join(facts()["canary"])
builtins.canary = canary
math.pi = 3
os.environ["CANARY"] = canary
sys.modules["canary"] = math
sys.path.insert(0, canary)
json.dumps = lambda *_: canary
for place in ("/tmp", "/dev/shm", "/workspace"):
    try:
        os.makedirs(f"{place}/{canary}")
        open(f"{place}/{canary}/file", "w").write(canary)
    except OSError:
        pass
os.chdir("/tmp")
os.umask(0)
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
block = (canary * 100_000).encode()
libc.prctl(15, canary[:15].encode(), 0, 0, 0)
queue = libc.mq_open if hasattr(libc, "mq_open") else None
for key in range(1, 20):
    libc.shmget(key, 4096, 0o1666)
    libc.semget(key, 1, 0o1666)
    libc.msgget(key, 0o1666)
libc.syscall(240, ctypes.create_string_buffer(canary.encode()), 0o100 | 2, 0o666, 0)
held()
