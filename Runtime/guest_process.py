"""The processes of a guest: forks them, and relays their channel, input and outputs.

A child speaks over three ways, and what it says must reach the server in the order in which it said it, given that it
waits until the other ways were read empty before it uses one (see output.py). So whatever is read is put into the
guest's one queue at once, and nothing is read that may not be sent.
"""

from __future__ import annotations

import array
import fcntl
import gc
import os
import select
import signal
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import child
import frames
import guest_stream
import settled
from guest_counters import Counters, count_others, is_alive
from guest_identity import Identity

#: How much is read at once.
CHUNK = 64 << 10
_FIONREAD = 0x541B
_CHANNEL, _STDOUT, _STDERR = guest_stream.DATA, guest_stream.STDOUT, guest_stream.STDERR
_ENDED_BY_US = settled.NOT_SERVED << 8


class Loop(Protocol):
    """What a process needs of the guest."""

    out: guest_stream.Outgoing
    counters: Counters
    identity: Identity
    serve: settled.Serve
    kind: str

    def watch(self, descriptor: int, events: int, handler: Callable[[], None]) -> None:
        """Have `handler` called when something happens; `events` of 0 ends it."""

    def finish(self, stream: int) -> None:
        """Forget a stream that is over."""

    def has_children(self) -> bool:
        """Whether a process is left that the guest is or became the parent of."""


class _Way:
    """One of the ways a child speaks."""

    __slots__ = ("descriptor", "due", "is_ended", "kind")

    def __init__(self, kind: int, descriptor: int) -> None:
        self.kind = kind
        self.descriptor = descriptor
        self.is_ended = False
        #: How much of what was there when the child ended is unread.
        self.due = 0


class _Sink:
    """What the server sends to a child, until the child takes it."""

    __slots__ = ("descriptor", "is_ending", "pending")

    def __init__(self, descriptor: int) -> None:
        #: -1 where nobody reads.
        self.descriptor = descriptor
        self.pending: deque[memoryview] = deque()
        self.is_ending = False

    def write(self) -> int:
        """Write what is taken; return how many bytes are here no more."""
        done = 0
        while self.pending:
            piece = self.pending[0]
            if self.descriptor >= 0:
                try:
                    written = os.write(self.descriptor, piece)
                except BlockingIOError:
                    return done
                except OSError:
                    # The other end is closed: from here on all is thrown away.
                    written = len(piece)
            else:
                written = len(piece)
            done += written
            if written < len(piece):
                self.pending[0] = piece[written:]
            else:
                self.pending.popleft()
        return done


class Process:
    """One process and its stream."""

    def __init__(self, loop: Loop, stream: int, cpu_milliseconds: int | None) -> None:
        """Take over the stream; `start` makes the process."""
        self._loop = loop
        self.stream = stream
        self._cpu_milliseconds = cpu_milliseconds
        self._credit = guest_stream.Credit(loop.out, stream)
        self._ways: list[_Way] = []
        #: What rides on the first byte to the child.
        self._ends: list[int] = []
        self._channel = _Sink(-1)
        self._input = _Sink(-1)
        self._usage: dict[str, int] = {}
        self._kills: int | None = None
        self._cpu: int | None = None
        #: CPU time of the container at which all is to be killed, in microseconds.
        self.cpu_limit: int | None = None
        self.pid = 0
        self._status: int | None = None
        self._has_begun = self._told_exit = False
        #: What came before `start`.
        self._early: list[tuple[int, bytes]] | None = []

    # Beginning

    def start(self) -> None:
        """Fork; where that fails the process is one that has ended at once."""
        self._kills = self._loop.counters.kills()
        try:
            self._fork()
        except OSError as error:
            self._refuse(error)
        early, self._early = self._early or [], None
        for kind, payload in early:
            self.receive(kind, payload)

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            ours.setblocking(False)
            channel = ours.detach()
            self._ways.append(_Way(_CHANNEL, channel))
            self._channel.descriptor = channel
            self._open_pipes()
            pid = os.fork()
            if pid == 0:
                self._be_child(theirs.detach())
        self.pid = pid
        self._refresh()

    def _open_pipes(self) -> None:
        if self._loop.kind != settled.NOTEBOOK:
            reading, writing = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(writing, False)
            self._ends.append(reading)
            self._input.descriptor = writing
        for kind in (_STDOUT, _STDERR):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reading, False)
            self._ends.append(writing)
            self._ways.append(_Way(kind, reading))

    def rehearse(self) -> None:
        """Go from the first data to the end, without a child."""
        self._early = None
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            with theirs:
                ours.setblocking(False)
                self._channel.descriptor = ours.detach()
                self._ways.append(_Way(_CHANNEL, self._channel.descriptor))
                self._open_pipes()
                os.write(self._ends[-2], b"x")
                self.receive(_CHANNEL, b"x")
                theirs.send(b"x")
                self._use_channel()
        except OSError:
            # It matters to nobody.
            pass
        self.note_end(0)

    def _be_child(self, channel: int) -> NoReturn:
        """Nothing of the guest's may go on in a child, whatever happens."""
        try:
            try:
                self._loop.identity.confine(channel)
                gc.enable()
            except BaseException as error:  # noqa: BLE001 - there is nobody else to tell
                child.tell_failure(frames.Channel(settled.CHANNEL), self._loop.kind, error)
                os._exit(settled.NOT_SERVED)
            self._loop.serve(settled.CHANNEL, self._loop.kind)
        finally:
            os._exit(settled.NOT_SERVED)

    def _refuse(self, error: OSError) -> None:
        """Answer as a child would that could not be what it is for."""
        body = b'{"type":"failed","step":-1,"errno":%d,"message":"fork"}' % (error.errno or 0)
        frame = struct.pack("<I", len(body)) + body
        self._loop.out.send(_CHANNEL, self.stream, frame)
        self._credit.sendable -= len(frame)
        told = {way.kind for way in self._ways}
        for kind in (_STDOUT, _STDERR):
            if kind not in told:
                self._loop.out.send(kind, self.stream)
        self.note_end(_ENDED_BY_US)

    # What the server says

    def receive(self, kind: int, payload: bytes) -> None:
        """Take a packet of this stream. Raises `PacketError`."""
        if self._early is not None:
            self._early.append((kind, payload))
        elif kind == guest_stream.CREDIT:
            self._credit.add(payload)
        elif kind == guest_stream.DATA:
            self._credit.receive(len(payload))
            self._pass(self._channel, payload)
        elif kind == guest_stream.INPUT:
            if self._input.is_ending:
                raise guest_stream.PacketError("input after its end")
            self._credit.receive(len(payload))
            self._pass(self._input, payload)
        elif kind == guest_stream.END:
            self._input.is_ending = True
            self._use_input()
        elif kind == guest_stream.SIGNAL:
            self._signal(payload[0])
        else:
            raise guest_stream.PacketError(f"a packet of kind {kind} for a process")
        if self._early is None:
            self._refresh()

    def _pass(self, sink: _Sink, payload: bytes) -> None:
        if sink is self._channel and not self._has_begun:
            payload = self._begin(payload)
        if payload:
            sink.pending.append(memoryview(payload))
        self._credit.pass_on(sink.write())

    def _begin(self, payload: bytes) -> bytes:
        """Send the first bytes, with the descriptors; return what is left."""
        self._has_begun = True
        self._cpu = self._loop.counters.cpu_microseconds()
        if self._cpu is not None and self._cpu_milliseconds is not None:
            self.cpu_limit = self._cpu + self._cpu_milliseconds * 1000
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", self._ends))] if self._ends else []
        sent = 0
        if self._channel.descriptor >= 0:
            channel = socket.socket(fileno=self._channel.descriptor)
            try:
                sent = channel.sendmsg([payload], rights, socket.MSG_NOSIGNAL)
            except OSError:
                # The child is gone, and reads nothing.
                sent = len(payload)
            finally:
                channel.detach()
        self._close_ends()
        self._credit.pass_on(sent)
        return payload[sent:]

    def _signal(self, number: int) -> None:
        if number not in signal.valid_signals():
            raise guest_stream.PacketError(f"signal {number}")
        if self._status is not None or self.pid == 0:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            # It has not made its group yet, but is not buried either.
            os.kill(self.pid, number)

    # What the child says

    def _refresh(self) -> None:
        """Watch what can be used now."""
        may_read = self._credit.sendable > 0
        for way in self._ways:
            if way.descriptor < 0:
                continue
            events = select.POLLIN if may_read and not way.is_ended and self._is_open(way) else 0
            if way.kind == _CHANNEL:
                if self._channel.pending:
                    events |= select.POLLOUT
                self._loop.watch(way.descriptor, events, self._use_channel)
            else:
                self._loop.watch(way.descriptor, events, self._use_stdout if way.kind == _STDOUT else self._use_stderr)
        if self._input.descriptor >= 0:
            self._loop.watch(self._input.descriptor, select.POLLOUT if self._input.pending else 0, self._use_input)

    def _is_open(self, way: _Way) -> bool:
        """Whether something can come: through a pipe only when the child has it."""
        return way.kind == _CHANNEL or not self._ends

    def _use_channel(self) -> None:
        if self._channel.pending:
            self._credit.pass_on(self._channel.write())
        # What was printed before it was said goes first.
        if self._catch_up(1) and self._catch_up(2):
            self._use(0)
        else:
            self._refresh()

    def _use_stdout(self) -> None:
        self._use(1)

    def _use_stderr(self) -> None:
        self._use(2)

    def _use(self, index: int) -> None:
        if index < len(self._ways):
            self._read(self._ways[index])
            self._go_on()

    def _catch_up(self, index: int) -> bool:
        """Read what a way has; False where that cannot be sent yet."""
        if index >= len(self._ways):
            return True
        way = self._ways[index]
        if self._status is None and not way.is_ended:
            way.due = _unread(way.descriptor)
        while way.due > 0 and self._read(way):
            pass
        return way.due <= 0

    def _use_input(self) -> None:
        self._credit.pass_on(self._input.write())
        if self._input.is_ending and not self._input.pending and self._input.descriptor >= 0:
            self._close_input()
        self._refresh()

    def _read(self, way: _Way) -> bool:
        """Read once; return whether there may be more that can be sent."""
        out, credit = self._loop.out, self._credit
        if way.is_ended or out.is_full or credit.sendable <= 0:
            return False
        try:
            data = os.read(way.descriptor, min(CHUNK, credit.sendable))
        except BlockingIOError:
            way.due = 0
            return False
        except OSError:
            data = b""
        if data:
            way.due -= len(data)
            credit.sendable -= len(data)
            out.send(way.kind, self.stream, data)
            return True
        way.is_ended, way.due = True, 0
        if way.kind != _CHANNEL:
            # Before the end that may be the last thing the server waits for.
            self._tell_usage()
            out.send(way.kind, self.stream)
        return False

    def _tell_usage(self) -> None:
        """Tell what a program used once nobody prints any longer: mostly it then says that it is done, and ends."""
        if self._status is None and all(way.is_ended or way.kind == _CHANNEL for way in self._ways):
            self._loop.out.send_object(guest_stream.USAGE, self.stream, self._measure())

    # The end

    def note_end(self, status: int) -> None:
        """Know that the process has ended; `exit` is told when what it left behind was sent."""
        self._usage = self._measure()
        self.cpu_limit = None
        self._close_ends()
        for index in reversed(range(len(self._ways))):
            if self._catch_up(index) and index > 0:
                # Mostly it was the last to hold it, and the end is there already.
                self._read(self._ways[index])
        self._status = status
        self._go_on()

    def _go_on(self) -> None:
        """Tell `exit` when it is time, end the stream when that was all, and watch the rest."""
        if self._status is not None and not self._told_exit and all(way.due <= 0 for way in self._ways):
            self._told_exit = True
            self._loop.out.send_object(guest_stream.EXIT, self.stream, {"status": self._status, "usage": self._usage})
        if self._told_exit and all(way.is_ended or way.kind == _CHANNEL for way in self._ways):
            self._close()
            self._loop.finish(self.stream)
        else:
            self._refresh()

    def _measure(self) -> dict[str, int]:
        counters = self._loop.counters
        values: dict[str, int | None] = {
            "cpu_us": _difference(counters.cpu_microseconds(), self._cpu),
            "memory_peak": counters.memory_peak(),
            "oom_kills": _difference(counters.kills(), self._kills),
            "processes": self._count_others(),
        }
        return {name: value for name, value in values.items() if value is not None}

    def _count_others(self) -> int:
        """Count the processes alive besides the guest and this one."""
        if not self._loop.has_children():
            return 0
        others = count_others()
        # Looked at afterwards: one that ends in between is counted once too often, and nobody is overlooked.
        return others - 1 if self.pid and self._status is None and is_alive(self.pid) else others

    def _close(self) -> None:
        self._close_ends()
        self._close_input()
        for way in self._ways:
            self._loop.watch(way.descriptor, 0, self._go_on)
            os.close(way.descriptor)
        self._ways = []
        self._channel.descriptor = -1

    def _close_ends(self) -> None:
        while self._ends:
            os.close(self._ends.pop())

    def _close_input(self) -> None:
        if self._input.descriptor >= 0:
            self._loop.watch(self._input.descriptor, 0, self._go_on)
            os.close(self._input.descriptor)
            self._input.descriptor = -1


def rehearse(counters: Counters, identity: Identity, serve: settled.Serve, kind: str) -> None:
    """Take the path of a program once, with nobody at its other end.

    After a fork parent and child share their pages, and whoever writes to one first waits for its copy: of 120 on this
    path 20 are left to wait for when the program comes.
    """
    stage = _Stage(counters, identity, serve, kind)
    Process(stage, 0, None).rehearse()


class _Stage:
    """Stands in for the guest."""

    def __init__(self, counters: Counters, identity: Identity, serve: settled.Serve, kind: str) -> None:
        self.out = guest_stream.Outgoing()
        self.counters = counters
        self.identity = identity
        self.serve = serve
        self.kind = kind
        self._poller = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, events: int, handler: Callable[[], None]) -> None:
        if events:
            self._handlers[descriptor] = handler
            self._poller.register(descriptor, events)
        elif self._handlers.pop(descriptor, None) is not None:
            self._poller.unregister(descriptor)

    def finish(self, stream: int) -> None:
        pass

    def has_children(self) -> bool:
        return False


def _unread(descriptor: int) -> int:
    """Return how many bytes can be read."""
    try:
        return int(struct.unpack("i", fcntl.ioctl(descriptor, _FIONREAD, bytes(4)))[0])
    except OSError:
        return 0


def _difference(now: int | None, before: int | None) -> int | None:
    return None if now is None or before is None else max(0, now - before)


def decode_opening(opening: dict[str, Any]) -> int | None:
    """Return the CPU limit that the packet `open` of a process names. Raises `PacketError`."""
    limit = opening.get("cpu_ms")
    if limit is not None and (type(limit) is not int or limit < 0):
        raise guest_stream.PacketError("cpu_ms is a number")
    return limit
