# 12: the interpreter's file, the library and the runtime cannot be changed through any door
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
import subprocess

mapped = {line.split()[-1] for line in open("/proc/self/maps") if "/" in line}
doors = {"/proc/self/exe", "/proc/self/root" + sys.executable, "/proc/thread-self/exe"}
for path in mapped | doors | {os.path.realpath(sys.executable), "/opt/code-interpreter/runtime/child.py"}:
    if not path.startswith(("/workspace", "/home/user", "/tmp", "/dev/shm", "/memfd")):
        for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
            attempt(f"opening {path} with {flags:#x}", lambda: os.open(path, flags))
        attempt(f"chmod {path}", lambda: os.chmod(path, 0o777))
        attempt(f"removing {path}", lambda: os.unlink(os.path.realpath(path)))
# A descriptor opened as a path and again through /proc is another way that runc once missed.
handle = os.open("/proc/self/exe", os.O_PATH)
attempt("reopening the executable for writing", lambda: os.open(f"/proc/self/fd/{handle}", os.O_WRONLY))
# A program in memory may run, but under the same walls.
try:
    memory = os.memfd_create("program", 0)
    os.write(memory, open("/bin/cat", "rb").read())
    result = subprocess.run(
        [f"/proc/self/fd/{memory}", "/proc/self/status"], pass_fds=[memory], capture_output=True, text=True
    )
    if result.returncode == 0 and ("Seccomp:\t2" not in result.stdout or "NoNewPrivs:\t1" not in result.stdout):
        breach("a program in memory has fewer walls")
except OSError:
    # Where no control group counts memory, files in memory are refused altogether.
    pass
held()
