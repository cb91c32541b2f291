# 10: a crash leaves no core file and nobody may say where one goes
# include: walls
# timeout: 20000
# expect: reason=signal exit=139 files=none last=held
import resource

if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0):
    breach(f"core limit {resource.getrlimit(resource.RLIMIT_CORE)}")
attempt(
    "raising the core limit",
    lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)),
    (OSError, ValueError),
)
attempt("core_pattern", lambda: open("/proc/sys/kernel/core_pattern", "w").write("|/workspace/x"))
before = set(os.listdir("/workspace")) | set(os.listdir("/tmp"))
in_child(lambda: ctypes.string_at(0))
after = set(os.listdir("/workspace")) | set(os.listdir("/tmp"))
if after - before:
    breach(f"core files {after - before}")
held()
ctypes.string_at(0)
