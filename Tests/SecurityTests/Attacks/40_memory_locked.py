# 40: memory cannot be locked beyond a small limit
# include: walls
# timeout: 30000
# expect: reason=exit|memory
import mmap

block = mmap.mmap(-1, 512 << 20)
address = ctypes.addressof(ctypes.c_char.from_buffer(block))
if libc.mlock(ctypes.c_void_p(address), ctypes.c_size_t(512 << 20)) == 0:
    breach("512 MiB locked")
if libc.mlockall(3) == 0:
    try:
        extra = mmap.mmap(-1, 512 << 20)
        breach("mlockall and 512 MiB more")
    except (OSError, MemoryError):
        pass
held()
