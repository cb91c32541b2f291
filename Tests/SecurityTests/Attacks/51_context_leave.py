# 51: leaves a trace everywhere in its interpreter; no later context may find any
# include: walls
# expect: cell companion
import builtins
import math
import resource

canary = os.environ["FACTS"].replace("|", "")
builtins.canary = canary
math.pi = 3
os.environ["CANARY"] = canary
sys.modules["canary"] = math
sys.path.insert(0, canary)
os.chdir("/tmp")
os.umask(0)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
block = (canary * 1_000_000).encode()
get_ipython().user_ns["canary"] = canary  # noqa: F821
held()
