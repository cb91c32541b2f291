# 13: finds no shared object of the other sandbox
# include: walls
# timeout: 20000
# expect: companion
for path in ("/dev/shm/attack13", "/tmp/attack13", "/workspace/attack13"):
    if os.path.exists(path):
        breach(path)
attempt("abstract socket", lambda: socket.socket(socket.AF_UNIX).connect("\0attack13"))
attempt("TCP port", lambda: socket.create_connection(("127.0.0.1", 31313), 2))
for name in ("shmget", "semget", "msgget"):
    arguments = (1313, 0) if name == "msgget" else (1313, 0, 0)
    if getattr(libc, name)(*arguments) >= 0:
        breach(name)
if libc.syscall(240, ctypes.create_string_buffer(b"attack13"), 2, 0, 0) >= 0:
    breach("message queue")
for table in ("shm", "sem", "msg"):
    try:
        if len(open(f"/proc/sysvipc/{table}").read().splitlines()) > 1:
            breach(f"/proc/sysvipc/{table}")
    except OSError:
        pass
attempt("inotify on the other's folder", lambda: os.listdir("/proc/1/root/workspace"))
held()
