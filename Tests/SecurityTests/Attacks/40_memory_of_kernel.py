# 40: memory that the kernel holds for a program is limited: pipes, sockets, epoll, inotify, timers
# include: walls
# timeout: 40000
# expect: reason=exit|memory|cpu|signal
import select

held_handles = []
counts = {}


def use_up(name, make, most):
    made = 0
    try:
        for made in range(most):
            held_handles.append(make())
    except (OSError, MemoryError) as error:
        counts[name] = (made, str(error))
        return
    counts[name] = (made, "no limit met")


def full_pipe():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(65536))
    except BlockingIOError:
        return reading, writing


def full_sockets():
    left, right = socket.socketpair()
    left.setblocking(False)
    try:
        while True:
            left.send(bytes(65536))
    except BlockingIOError:
        return left, right


use_up("pipes", full_pipe, 20_000)
for first, second in held_handles:
    os.close(first)
    os.close(second)
held_handles.clear()
use_up("sockets", full_sockets, 20_000)
held_handles.clear()
use_up("epoll", select.epoll, 20_000)
held_handles.clear()
use_up("inotify", lambda: libc.inotify_init1(0), 300)
timers = 0
while timers < 100_000:
    identity = ctypes.c_int()
    if libc.syscall(222, 1, 0, ctypes.byref(identity)) != 0:
        break
    timers += 1
counts["timers"] = timers
print(counts)
if timers >= 100_000:
    breach("a hundred thousand kernel timers")
held()
