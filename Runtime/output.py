"""The three ways out of a context, used in an exact order: the channel and the pipes of standard output and error.

The server emits what it reads in the order it reads it. So before something is written to one of the three, the others
must have been read empty; nothing has to be numbered, and C code and subprocesses, which write to the pipes
themselves, stand where they belong.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import posix
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import frames

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: The three ways out; the pipes are named by the descriptors they become.
CHANNEL, STDOUT, STDERR = 0, 1, 2

#: Where the context keeps pipes of its own, so that code that closes or redirects 1 and 2 does not silence it.
_OWN_PIPES = {STDOUT: 901, STDERR: 902}
_NAMES = {STDOUT: "<stdout>", STDERR: "<stderr>"}

#: ioctl(2) requests: bytes in a pipe, asked at its write end, and bytes of a socket that its peer has not read.
_FIONREAD, _SIOCOUTQ = 0x541B, 0x5411
_NOTHING = bytes(4)

#: How waiting goes on: first by giving up the processor, then by ever longer naps.
_YIELDS, _SHORT_NAPS = 20, 200
_SHORT_NAP, _LONG_NAP = 2e-5, 1e-3

#: Signals whose handlers could raise in the middle of a frame. The others end the process or are ignored.
_HANDLED = (
    *(signal.SIGHUP.value, signal.SIGINT.value, signal.SIGQUIT.value, signal.SIGUSR1.value, signal.SIGUSR2.value),
    *(signal.SIGALRM.value, signal.SIGTERM.value, signal.SIGCHLD.value, signal.SIGVTALRM.value, signal.SIGPROF.value),
    *(signal.SIGIO.value, signal.SIGWINCH.value, signal.SIGTSTP.value, signal.SIGCONT.value),
)
_EBADF = errno.EBADF
_BLOCK, _SET_MASK = signal.SIG_BLOCK.value, signal.SIG_SETMASK.value

#: The streams that were made: one that is collected would take its writer along.
_kept: list[io.TextIOWrapper] = []

# Bound now: user code may replace the functions of these modules.
_close = posix.close
_dup2 = posix.dup2
_exit = posix._exit
_ioctl: Callable[[int, int, bytes], bytes] = fcntl.ioctl
_mask_signals: Callable[[int, Iterable[int]], Iterable[int]] = getattr(sys.modules["_signal"], "pthread_sigmask")
_new_lock = threading.RLock
_poll = select.poll
_WRITABLE = select.POLLOUT
_sleep = time.sleep
_write = posix.write
_yield = posix.sched_yield


class Outlets:
    """The three ways out."""

    __slots__ = ("_channel", "_channel_fd", "_lock", "_pipes", "_writers", "is_main")

    def __init__(self, channel: frames.Channel, channel_fd: int) -> None:
        """Begin with the channel alone, which is `channel_fd`."""
        self._channel = channel
        self._channel_fd = channel_fd
        self._lock = _new_lock()
        self._pipes: dict[int, int] = {}
        self._writers: dict[int, PipeWriter] = {}
        #: False in processes that the context forked: they speak for nobody.
        self.is_main = True

    def open(self, pipes: list[int]) -> None:
        """Make `pipes`, which are closed thereby, descriptors 1 and 2, and have `sys.stdout` and `sys.stderr` there."""
        for number, descriptor in zip((STDOUT, STDERR), pipes, strict=True):
            _dup2(descriptor, number)
            _dup2(descriptor, _OWN_PIPES[number], False)
            self._pipes[number] = _OWN_PIPES[number]
            _close(descriptor)
            self._writers[number] = PipeWriter(self, number, _NAMES[number])
        sys.stdout = sys.__stdout__ = _open_stream(self._writers[STDOUT])  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = _open_stream(self._writers[STDERR])  # type: ignore[misc]
        sys.stdin = sys.__stdin__ = _open_input()  # type: ignore[misc]

    def repair(self) -> None:
        """Replace standard streams that user code has deleted, detached or otherwise broken."""
        for number, name in ((STDOUT, "stdout"), (STDERR, "stderr")):
            try:
                getattr(sys, name).flush()
            except Exception:  # noqa: BLE001 - it is user code
                setattr(sys, name, _open_stream(self._writers[number]))

    def turn_to(self, outlet: int) -> None:
        """Wait until what was written elsewhere was read. Signals interrupt it; the end of the server ends it all."""
        with self._lock:
            if self.is_main:
                for pipe, descriptor in self._pipes.items():
                    if pipe != outlet:
                        self._wait(descriptor, _FIONREAD)
                if outlet != CHANNEL:
                    self._wait(self._channel_fd, _SIOCOUTQ)
            for pipe, writer in self._writers.items():
                writer.set_turn(pipe == outlet)

    def send(self, body: bytes) -> None:
        """Send one frame, whole or not at all. Ends the process when the server is gone."""
        with self._lock:
            if not self.is_main:
                return
            self.turn_to(CHANNEL)
            # One call sends all of a frame unless a signal comes to this thread.
            before = _mask_signals(_BLOCK, _HANDLED)
            try:
                self._channel.send_encoded(body)
            except OSError:
                _exit(0)
            finally:
                _mask_signals(_SET_MASK, before)

    def leave(self) -> None:
        """Be one of the processes that the context forks: what they print is in no order, and they send nothing."""
        self._lock = _new_lock()
        self.is_main = False

    def _wait(self, descriptor: int, request: int) -> None:
        """Wait until nothing unread is in a pipe or a socket."""
        rounds = 0
        while True:
            try:
                if _ioctl(descriptor, request, _NOTHING) == _NOTHING:
                    return
            except OSError:
                # User code closed it.
                return
            if rounds < _YIELDS:
                _yield()
            elif rounds < _SHORT_NAPS:
                _sleep(_SHORT_NAP)
            else:
                _sleep(_LONG_NAP)
                self._end_without_server()
            rounds += 1

    def _end_without_server(self) -> None:
        poller = _poll()
        poller.register(self._channel_fd, 0)
        if poller.poll(0):
            _exit(0)


class PipeWriter(io.RawIOBase):
    """Writes to one of the pipes, at once and whole; what is under `sys.stdout` and `sys.stderr`.

    `write` is an attribute of the object: the quick way while this outlet was used last, else the one that waits.
    """

    def __init__(self, outlets: Outlets, outlet: int, name: str) -> None:
        """Write to `outlet`."""
        self._outlet = outlet
        self._descriptor = _OWN_PIPES[outlet]
        self.name = name
        self.mode = "wb"

        def write_at_once(data: Any) -> int:
            try:
                written = _write(self._descriptor, data)
            except OSError:
                written = 0
            return written if written == len(data) else self._write_rest(data, written)

        def write_in_turn(data: Any) -> int:
            outlets.turn_to(outlet)
            return write_at_once(data)

        self._at_once, self._in_turn = write_at_once, write_in_turn
        self.set_turn(False)

    def set_turn(self, is_last: bool) -> None:
        """Know whether this outlet is the one that was used last."""
        self.__dict__["write"] = self._at_once if is_last else self._in_turn

    def _write_rest(self, data: Any, written: int) -> int:
        """Write what one call did not: after a signal, to a pipe without room that does not block, to a closed one."""
        rest = memoryview(data).cast("B")
        length = len(rest)
        while written < length:
            try:
                written += _write(self._descriptor, rest[written:])
            except BlockingIOError:
                # A program that shares the pipe has made it so.
                poller = _poll()
                poller.register(self._descriptor, _WRITABLE)
                poller.poll()
            except OSError as error:
                if error.errno != _EBADF or self._descriptor == self._outlet:
                    raise
                # User code closed ours; the standard one may still be there.
                self._descriptor = self._outlet
        return length

    def fileno(self) -> int:
        """Return the descriptor that subprocesses inherit."""
        return self._outlet

    def writable(self) -> bool:
        """Return True."""
        return True

    def close(self) -> None:
        """Do nothing: the next cell prints, too."""


class _Stream(io.TextIOWrapper):
    """What `sys.stdout` and `sys.stderr` are."""

    def close(self) -> None:
        """Flush: the next cell prints, too."""
        self.flush()


def _open_stream(writer: Any) -> _Stream:
    """Make one of the streams. Every write reaches the pipe before it returns, so nothing is lost with the process."""
    stream = _Stream(writer, "utf-8", "backslashreplace", "\n", write_through=True)
    stream.__dict__["mode"] = "w"
    _kept.append(stream)
    return stream


def _open_input() -> io.TextIOWrapper:
    """Make standard input, over whatever is at descriptor 0."""
    stream = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), "utf-8")
    _kept.append(stream)
    return stream
