"""The first process of a container or pod: a warm interpreter that forks its processes and sees to its files.

Started as `guest.py KIND IMPORTS`; speaks with the server over its standard input and output (docs/PROTOCOL.md). It
never runs user code and never waits for it: a hostile program may flood it, stop, or close what it has. Everything is
done by one thread, as others would be lost in a fork.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

WORKSPACE = "/workspace"

#: What the guest needs while it imports; a container's configuration says the same.
ENVIRONMENT = {
    "PATH": "/opt/code-interpreter/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "XDG_CACHE_HOME": "/tmp/.cache",
    "MPLBACKEND": "Agg",
    # A process is only forked safely while it has one thread; children set their own.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import child  # noqa: E402 - after the environment
import guest_languages  # noqa: E402
import guest_stream  # noqa: E402
import settled  # noqa: E402
from guest_counters import Counters  # noqa: E402
from guest_files import Files, Request  # noqa: E402
from guest_identity import Identity  # noqa: E402
from guest_process import Process, decode_opening, rehearse  # noqa: E402
from guest_stream import PacketError  # noqa: E402

PROTOCOL = 1
KINDS = ("bare", "full", settled.NOTEBOOK)
_INPUT, _OUTPUT = 0, 1

#: How the guest ends that was sent what is no packet.
BROKEN = 125

#: CPU time is looked at no more often than so, in seconds.
SHORTEST_LOOK = 0.005
#: So many processes are buried in a row before others have their turn.
MOST_BURIALS = 256
#: After so many streams garbage is collected, of which there should be none.
COLLECT_EVERY = 256


class Guest:
    """Serves one server until its input ends."""

    def __init__(
        self, kind: str, serve: settled.Serve, identity: Identity, counters: Counters, files: Files, signals: int
    ) -> None:
        """Everything is warm; `signals` tells of children that ended."""
        self.kind = kind
        self.serve = serve
        self.identity = identity
        self.counters = counters
        self.out = guest_stream.Outgoing()
        self._files = files
        self._signals = signals
        self._incoming = guest_stream.Incoming()
        self._poller, self._narrow = select.poll(), select.poll()
        self._handlers: dict[int, tuple[int, Callable[[], None]]] = {}
        self._streams: dict[int, Process | Request] = {}
        self._processes: dict[int, Process] = {}
        self._runnable: deque[Request] = deque()
        #: Streams of requests to kill everything, and processes to start afterwards.
        self._killing: list[int] = []
        self._held: list[Process] = []
        self._last_stream = 0
        self._has_children = self._has_more_to_bury = False
        self._waits_for_output = False
        #: Whether a fork has made pages shared that the next program needs.
        self._has_forked = False
        self._processors = len(os.sched_getaffinity(0))
        self._next_look = 0.0

    # The loop

    def run(self) -> None:
        """Serve until the server is gone. Raises `EOFError` then, and `PacketError` when it is not understood."""
        for poller in (self._poller, self._narrow):
            poller.register(_INPUT, select.POLLIN)
            poller.register(self._signals, select.POLLIN)
        while True:
            self.out.flush()
            self._wait_for_output(self.out.size > 0)
            poller = self._narrow if self.out.is_full else self._poller
            events = poller.poll(self._timeout())
            for descriptor, _ in events:
                self._handle(descriptor)
            if self._has_forked and not events:
                self._has_forked = False
                rehearse(self.counters, self.identity, self.serve, self.kind)
            if self._has_more_to_bury:
                self._bury()
            self._look_at_limits()
            if not self.out.is_full:
                self._step_requests()

    def _handle(self, descriptor: int) -> None:
        if descriptor == _INPUT:
            if self.out.size < guest_stream.OVERFULL:
                self._receive()
        elif descriptor == self._signals:
            os.read(self._signals, 4096)
            self._bury()
        elif descriptor in self._handlers:
            # It may have been given up by what came before it in this round.
            self._handlers[descriptor][1]()

    def _wait_for_output(self, is_wanted: bool) -> None:
        if is_wanted is self._waits_for_output:
            return
        self._waits_for_output = is_wanted
        for poller in (self._poller, self._narrow):
            if is_wanted:
                poller.register(_OUTPUT, select.POLLOUT)
            else:
                poller.unregister(_OUTPUT)

    def _timeout(self) -> float | None:
        """How long nothing needs to be done, in milliseconds."""
        if self._has_forked or self._has_more_to_bury or (self._runnable and not self.out.is_full):
            return 0
        if self._next_look:
            return max(0.0, self._next_look - time.monotonic()) * 1000
        return None

    # What the server says

    def _receive(self) -> None:
        for kind, stream, payload in self._incoming.receive():
            if kind == guest_stream.OPEN:
                self._open(stream, payload)
            elif stream > self._last_stream:
                raise PacketError(f"stream {stream} was not opened")
            elif (one := self._streams.get(stream)) is not None:
                one.receive(kind, payload)
                if isinstance(one, Request):
                    self._go_on(one)

    def _open(self, stream: int, payload: bytes) -> None:
        if stream <= self._last_stream:
            raise PacketError(f"stream {stream} is not new")
        self._last_stream = stream
        opening = guest_stream.decode_object(payload)
        if opening.get("type") == "process":
            self._start(Process(self, stream, decode_opening(opening)), stream)
        elif opening.get("type") == "kill":
            self._killing.append(stream)
            self._kill_all()
            self._bury()
        else:
            request = self._files.request(self.out, stream, opening)
            self._streams[stream] = request
            self._go_on(request)

    # Requests

    def _go_on(self, request: Request) -> None:
        """Have a request that waited go on; one that is over is forgotten."""
        if request.is_over:
            self.finish(request.stream)
        elif request not in self._runnable:
            self._runnable.append(request)

    def _step_requests(self) -> None:
        """Let each request that can go on do so once."""
        for _ in range(len(self._runnable)):
            request = self._runnable.popleft()
            if request.step():
                self._runnable.append(request)
            elif request.is_over:
                self.finish(request.stream)

    # Processes

    def _start(self, process: Process, stream: int) -> None:
        self._streams[stream] = process
        if self._killing:
            # It would be killed with the others, or be taken for one that is left.
            self._held.append(process)
            return
        process.start()
        if process.pid:
            self._has_children = self._has_forked = True
            self._processes[process.pid] = process

    def has_children(self) -> bool:
        """Whether a process is left that the guest is or became the parent of."""
        return self._has_children

    def watch(self, descriptor: int, events: int, handler: Callable[[], None]) -> None:
        """Have `handler` called when something happens; `events` of 0 ends it."""
        known = self._handlers.get(descriptor)
        if events == 0:
            if known is not None:
                del self._handlers[descriptor]
                self._poller.unregister(descriptor)
        elif known is None or known[0] != events:
            self._handlers[descriptor] = (events, handler)
            self._poller.register(descriptor, events)

    def finish(self, stream: int) -> None:
        """Forget a stream that is over."""
        self._streams.pop(stream, None)
        if stream % COLLECT_EVERY == 0:
            gc.collect()

    def _bury(self) -> None:
        """Take note of all that ended, children of others too, whose parents are gone."""
        ended: list[tuple[Process, int]] = []
        self._has_more_to_bury = False
        for count in range(MOST_BURIALS + 1):
            if count == MOST_BURIALS:
                self._has_more_to_bury = True
                break
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._has_children = False
                break
            if pid == 0:
                break
            if (process := self._processes.pop(pid, None)) is not None:
                ended.append((process, status))
        for process, status in ended:
            process.note_end(status)
        if self._killing and not self._has_children:
            self._tell_killed()

    def _tell_killed(self) -> None:
        for stream in self._killing:
            self.out.send_object(guest_stream.ANSWER, stream, {"result": {}})
        self._killing.clear()
        held, self._held = self._held, []
        for process in held:
            self._start(process, process.stream)

    def _kill_all(self) -> None:
        """Kill every process but this one."""
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _look_at_limits(self) -> None:
        """Kill everything when a process has had its CPU time."""
        limits = [process.cpu_limit for process in self._processes.values() if process.cpu_limit is not None]
        if not limits:
            self._next_look = 0.0
            return
        now = time.monotonic()
        if now < self._next_look:
            return
        used = self.counters.cpu_microseconds()
        if used is None:
            return
        left = min(limits) - used
        if left <= 0:
            self._kill_all()
        self._next_look = now + max(left / self._processors / 1e6, SHORTEST_LOOK)

    # The end

    def end(self) -> None:
        """Kill all that was started."""
        self._kill_all()


def make(kind: str, imports: list[str], identity: Identity, counters: Counters, workspace: str = WORKSPACE) -> Guest:
    """Get warm; the guest that is returned need only `run`."""
    identity.assume()
    os.chdir(workspace)
    files = Files(workspace)
    for descriptor in (_INPUT, _OUTPUT):
        os.set_blocking(descriptor, False)
    languages = guest_languages.find()
    serve = settled.get_warm(kind, imports)
    child.hide_later(name for name in list(sys.modules) if name.startswith("guest_"))
    identity.separate()
    signals = settled.open_child_signals()
    guest = Guest(kind, serve, identity, counters, files, signals)
    guest.out.send_object(
        guest_stream.READY,
        0,
        {
            "protocol": PROTOCOL,
            "kind": kind,
            "uid": identity.uid,
            "separate": identity.is_separate,
            "apart": identity.domains.keep_apart,
            "languages": languages,
            "counted": counters.counted(),
        },
    )
    settled.settle_memory()
    settled.assert_ready_to_fork({signals, files.tree.root, *counters.descriptors()}, [])
    return guest


def main() -> NoReturn:
    """Be the guest of a container."""
    if os.getpid() != 1:
        sys.exit("guest.py: only for the first process of a container: it kills all others")
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit("usage: guest.py bare|full|notebook IMPORTS")
    guest = make(sys.argv[1], [name for name in sys.argv[2].split(",") if name], Identity(), Counters())
    status = 0
    try:
        guest.run()
    except EOFError:
        pass
    except PacketError as error:
        print(f"guest: {error}", file=sys.stderr, flush=True)
        status = BROKEN
    guest.end()
    os._exit(status)


if __name__ == "__main__":
    main()
