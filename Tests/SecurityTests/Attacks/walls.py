# Put in front of attacks that say `# include: walls`. A line BREACH on standard output is a wall that fell.
import ctypes
import errno
import json
import os
import signal
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

NOWHERE = 0xDEAD0000
BLOCKED = ("EPERM", "EACCES", "ENOSYS", "SIGSYS")


def breach(what):
    print("BREACH", what, flush=True)


def held():
    print("held", flush=True)


def facts():
    """What the test tells about the host: ports, paths, names."""
    return json.loads(sys.stdin.read() or "{}")


def system_call(number, *arguments):
    """Returns the result and the name of the error, which is empty on success."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(argument) for argument in arguments])
    return result, errno.errorcode.get(ctypes.get_errno(), "?") if result == -1 else ""


def in_child(function, seconds=10):
    """Runs a function in a child and returns what it returned, or the signal that ended it, as text."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(seconds)
            os.write(writing, str(function()).encode()[:4000])
        except BaseException as error:
            os.write(writing, repr(error).encode()[:4000])
        os._exit(0)
    os.close(writing)
    answer = b""
    while piece := os.read(reading, 4096):
        answer += piece
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return answer.decode(errors="replace")


def call_in_child(number, *arguments):
    """The name of the error, the signal, or `ret=N`, of a system call made in a child of its own."""

    def call():
        result, error = system_call(number, *arguments)
        return error or f"ret={result}"

    return in_child(call)


def expect_blocked(what, answer, blocked=BLOCKED):
    if answer not in blocked:
        breach(f"{what}: {answer}")


def attempt(what, function, allowed=OSError):
    """A breach when the function succeeds; `allowed` errors are the wall."""
    try:
        result = function()
    except allowed:
        return
    breach(f"{what}: {result!r}")


def status(pid="self"):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return {line.split(":", 1)[0]: line.split(":", 1)[1].strip() for line in lines if ":" in line}
