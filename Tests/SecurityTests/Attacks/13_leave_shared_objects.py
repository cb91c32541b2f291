# 13: holds every kind of shared object while another sandbox looks for it
# include: walls
# timeout: 50000
# expect: companion
import fcntl
import mmap
from multiprocessing import shared_memory

block = shared_memory.SharedMemory(name="attack13", create=True, size=4096)
abstract = socket.socket(socket.AF_UNIX)
try:
    abstract.bind("\0attack13")
    abstract.listen()
except OSError:
    pass
tcp = socket.create_server(("0.0.0.0", 31313))
libc.shmget(1313, 4096, 0o1666)
libc.semget(1313, 1, 0o1666)
libc.msgget(1313, 0o1666)
libc.syscall(240, ctypes.create_string_buffer(b"attack13"), 0o102, 0o666, 0)
for path in ("/tmp/attack13", "/workspace/attack13", "/dev/shm/attack13"):
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o666)
    fcntl.flock(handle, fcntl.LOCK_EX)
print("ready", flush=True)
time.sleep(45)
