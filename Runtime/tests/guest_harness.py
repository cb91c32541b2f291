"""Plays the server's part against a real guest, the first process of something like a container.

It has its own pid, mount, ipc and network namespaces, a root that cannot be written to, a fresh /proc, and of the
capabilities only those the guest is to have.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

OPEN, DATA, INPUT, END, CREDIT, SIGNAL, CANCEL, STDOUT, STDERR, EXIT, ANSWER, READY = range(1, 13)
HEADER = struct.Struct("<IBI")
WINDOW, GRANT, PAYLOAD = 1 << 20, 256 << 10, 256 << 10
DEADLINE = 60.0

#: Arguments: a folder for the root, the runtime, the Python environment, cgroups of version 1 to see, and the command.
CONTAINER = """
set -eu
root=$1 runtime=$2 environment=$3 cgroup=$4
shift 4
mount --make-rprivate /
mount -t tmpfs -o size=1m,mode=0755 root "$root"
cd "$root"
mkdir -p proc dev tmp home/user opt/code-interpreter/runtime opt/code-interpreter/venv sys/fs/cgroup etc
for name in usr bin sbin lib lib64 etc; do
    if [ -L "/$name" ]; then cp -a "/$name" .
    elif [ -d "/$name" ]; then mkdir -p "$name"; mount --rbind "/$name" "$name"
    fi
done
ln -s /home/user workspace
mount -t tmpfs -o size=64m,nr_inodes=8000,uid=1000,gid=1000,mode=0700 workspace home/user
mount -t tmpfs -o size=16m,mode=1777 tmp tmp
mount -t tmpfs -o size=1m,mode=0755 dev dev
mkdir dev/shm dev/pts
mount -t tmpfs -o size=16m,mode=1777 shm dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for name in null zero full random urandom; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
mount --bind "$runtime" opt/code-interpreter/runtime
mount --rbind "$environment" opt/code-interpreter/venv
for path in $cgroup; do
    name=$(basename "$(dirname "$path")")
    mkdir -p "sys/fs/cgroup/$name"
    mount --bind "$path" "sys/fs/cgroup/$name"
done
mount -t proc -o nosuid,nodev,noexec proc proc
ip link set lo up 2>/dev/null || true
mount -o remount,bind,ro opt/code-interpreter/runtime
mount -o remount,ro root .
exec chroot . "$@"
"""

#: What a container that may be root has, and one that may not.
SEPARATE = ["--bounding-set=-all,+setuid,+setgid,+kill", "--inh-caps=-all", "--no-new-privs"]
SAME = ["--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


@dataclasses.dataclass
class Answer:
    """What came of a request."""

    result: dict[str, Any] | None
    error: str | None
    data: bytes

    def lines(self) -> list[dict[str, Any]]:
        """The data, line by line."""
        return [json.loads(line) for line in self.data.splitlines()]


@dataclasses.dataclass
class Outcome:
    """What came of a program."""

    stdout: str
    stderr: str
    status: int
    done: int | None
    usage: dict[str, int]


class Stream:
    """One stream, and what has come of it."""

    def __init__(self, guest: Guest, number: int) -> None:
        self.guest = guest
        self.number = number
        #: What came, in its order.
        self.events: list[tuple[int, bytes]] = []
        #: Whether what comes is granted anew at once.
        self.grants = True
        self.owed = self.received = 0
        self.sendable = WINDOW
        self._channel = b""
        self._seen = 0

    def send(self, kind: int, payload: bytes = b"") -> None:
        """Send one packet."""
        self.guest.send(kind, self.number, payload)

    def send_much(self, kind: int, data: bytes) -> None:
        """Send as much as there is credit for, and wait for more; stop when it is answered early."""
        for start in range(0, len(data), PAYLOAD):
            piece = data[start : start + PAYLOAD]
            self._wait_for_credit(len(piece))
            if self.is_over:
                return
            self.sendable -= len(piece)
            self.send(kind, piece)

    def _wait_for_credit(self, count: int) -> None:
        self.guest.wait(lambda: self.is_over or self.sendable >= count, "credit")

    def frame(self, **members: object) -> None:
        """Send a frame over the channel of a process."""
        body = json.dumps(members).encode()
        self.send_much(DATA, struct.pack("<I", len(body)) + body)

    def note(self, kind: int, payload: bytes) -> None:
        """Take a packet of the guest."""
        if kind == CREDIT:
            self.sendable += struct.unpack("<I", payload)[0]
            return
        self.events.append((kind, payload))
        if kind in (DATA, STDOUT, STDERR):
            self.received += len(payload)
            self.owed += len(payload)
            if self.grants and self.owed >= GRANT:
                self.grant()

    def grant(self) -> None:
        """Grant what has come."""
        if self.owed:
            self.send(CREDIT, struct.pack("<I", self.owed))
            self.owed = 0

    def bytes_of(self, kind: int) -> bytes:
        """All payloads of one kind."""
        return b"".join(payload for found, payload in self.events if found == kind)

    def has(self, kind: int, payload: bytes | None = None) -> bool:
        """Whether a packet of that kind came."""
        return any(found == kind and payload in (None, content) for found, content in self.events)

    def frames(self) -> list[dict[str, Any]]:
        """The frames of the channel that have come."""
        data, found = self.bytes_of(DATA), []
        while len(data) >= 4 and len(data) >= 4 + (length := struct.unpack("<I", data[:4])[0]):
            found.append(json.loads(data[4 : 4 + length]))
            data = data[4 + length :]
        return found

    def next_frame(self) -> dict[str, Any]:
        """The next frame of the channel."""
        self.guest.wait(lambda: len(self.frames()) > self._seen, "a frame")
        self._seen += 1
        return self.frames()[self._seen - 1]

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        if self.has(ANSWER):
            return True
        return self.has(EXIT) and self.has(STDOUT, b"") and self.has(STDERR, b"")

    def exit(self) -> dict[str, Any]:
        """What the packet `exit` says."""
        self.guest.wait(lambda: self.has(EXIT), "exit")
        return dict(json.loads(self.bytes_of(EXIT)))

    def answer(self) -> Answer:
        """The end of a request."""
        self.guest.wait(lambda: self.has(ANSWER), "an answer")
        value = json.loads(self.bytes_of(ANSWER))
        return Answer(value.get("result"), value.get("error"), self.bytes_of(DATA))

    def begin(self, code: str, interactive: bool = False) -> None:
        """Have a process, which has said `ready`, run a program."""
        self.frame(type="run", code=code, filename="main.py", arguments=[], interactive=interactive, environment={})

    def outcome(self) -> Outcome:
        """Wait until the stream is over."""
        self.guest.wait(lambda: self.is_over, "the end of the stream")
        ended = self.exit()
        done = [frame.get("exit_code") for frame in self.frames() if frame["type"] == "done"]
        return Outcome(
            self.bytes_of(STDOUT).decode(errors="replace"),
            self.bytes_of(STDERR).decode(errors="replace"),
            ended["status"],
            done[0] if done else None,
            ended["usage"],
        )


class Guest:
    """A running guest."""

    def __init__(self, kind: str, imports: str = "", separate: bool = True, cgroup: str = "", join: str = "") -> None:
        """Start one: as root, or as the user of programs. It sees `cgroup` as its own, and is in those of `join`."""
        self._folder = tempfile.mkdtemp(prefix="guest-harness-")
        environment = os.path.realpath(os.path.join(RUNTIME, "..", ".venv"))
        arguments = [self._folder, RUNTIME, environment, cgroup]
        program = ["/opt/code-interpreter/venv/bin/python3", "-s", "-E", "/opt/code-interpreter/runtime/guest.py"]
        setting = ["/usr/bin/env", "-i", "PATH=/opt/code-interpreter/venv/bin:/usr/bin:/bin", "LANG=C.UTF-8"]
        command = ["setpriv", *(SEPARATE if separate else SAME), *setting, *program, kind, imports]
        enter = "".join(f"echo $$ > {name}/cgroup.procs; " for name in join.split())
        spaces = 'exec unshare --pid --fork --mount --ipc --net --kill-child sh -c "$0" sh "$@"'
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the guest
        self.process = subprocess.Popen(
            ["sh", "-c", enter + spaces, CONTAINER, *arguments, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            bufsize=0,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input, self.output = self.process.stdin.fileno(), self.process.stdout.fileno()
        os.set_blocking(self.input, False)
        self.streams: dict[int, Stream] = {}
        self.ready: dict[str, Any] = {}
        #: Everything that came, in its order.
        self.log: list[tuple[int, int, bytes]] = []
        self.is_ended = False
        self._rest = bytearray()
        self._last = 0
        self._unsent, self._is_sending = bytearray(), False
        self.wait(lambda: bool(self.ready), "the guest to be warm")

    # Packets

    def send(self, kind: int, stream: int, payload: bytes = b"") -> None:
        """Send one packet, and take what comes meanwhile."""
        self.send_raw(HEADER.pack(5 + len(payload), kind, stream) + payload)

    def send_raw(self, data: bytes) -> None:
        """Send any bytes, and take what comes meanwhile, which may have more sent."""
        self._unsent += data
        if self._is_sending:
            return
        self._is_sending = True
        end = time.monotonic() + DEADLINE
        try:
            while self._unsent:
                try:
                    del self._unsent[: os.write(self.input, self._unsent)]
                except BlockingIOError:
                    select.select([self.output], [self.input], [], 1)
                    self.pump(0)
                except BrokenPipeError:
                    return
                if time.monotonic() > end:
                    raise TimeoutError("the guest reads nothing")
        finally:
            self._is_sending = False

    def open(self, **members: object) -> Stream:
        """Open a stream."""
        self._last += 1
        stream = self.streams[self._last] = Stream(self, self._last)
        stream.send(OPEN, json.dumps(members).encode())
        return stream

    def pump(self, timeout: float) -> None:
        """Take what comes."""
        if not select.select([self.output], [], [], timeout)[0]:
            return
        data = os.read(self.output, 1 << 20)
        if not data:
            self.is_ended = True
            return
        self._rest += data
        while len(self._rest) >= 9:
            length, kind, stream = HEADER.unpack_from(self._rest)
            if not 5 <= length <= 5 + PAYLOAD:
                raise AssertionError(f"a packet of {length} bytes")
            if len(self._rest) < 4 + length:
                return
            payload = bytes(self._rest[9 : 4 + length])
            del self._rest[: 4 + length]
            self._note(kind, stream, payload)

    def _note(self, kind: int, stream: int, payload: bytes) -> None:
        self.log.append((kind, stream, payload if len(payload) < 200 else b"..."))
        if kind == READY:
            if self.ready or stream != 0:
                raise AssertionError("a second ready")
            self.ready = json.loads(payload)
        elif self.streams[stream].is_over and kind != CREDIT:
            raise AssertionError(f"packet {kind} for stream {stream}, which is over")
        else:
            self.streams[stream].note(kind, payload)

    def wait(self, holds: Callable[[], bool], what: str, timeout: float = DEADLINE) -> None:
        """Take what comes until `holds`."""
        end = time.monotonic() + timeout
        while not holds():
            if self.is_ended:
                raise EOFError(f"the guest ended before {what}: {self.complaints()}")
            if time.monotonic() > end:
                raise TimeoutError(f"{what}; {self.log[-5:]} {self.complaints()}")
            self.pump(min(1.0, max(0.0, end - time.monotonic())))

    def complaints(self) -> str:
        """What it said to people."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    # Processes

    def prepare(self, **members: object) -> Stream:
        """A process that has said `ready`."""
        stream = self.open(type="process", **members)
        frame = stream.next_frame()
        if frame != {"type": "ready"}:
            raise AssertionError(frame)
        return stream

    def run(self, code: str, **members: object) -> Outcome:
        """Run a program to its end."""
        stream = self.prepare(**members)
        stream.begin(code)
        stream.send(END)
        return stream.outcome()

    # Files

    def ask(self, kind: str, path: str | bytes | None = None, **members: object) -> Answer:
        """Make a request without content."""
        return self.open(type=kind, **_path(path), **members).answer()

    def put(self, path: str | bytes, content: bytes, kind: str = "write", **members: object) -> Answer:
        """Make a request with content."""
        if kind == "write":
            members = {"limit": 1 << 30, "condition": {"if": "none"}, "follow": True, **members}
        stream = self.open(type=kind, **_path(path), **members)
        stream.send_much(DATA, content)
        stream.send(END)
        return stream.answer()

    def get(self, path: str | bytes, offset: int = 0, length: int | None = None) -> bytes:
        """Read a file."""
        opened = self.open(type="open", follow=True, **_path(path))
        answer = opened.answer()
        if answer.result is None:
            raise OSError(answer.error)
        size = answer.result["size"] if length is None else length
        data = self.ask("read", handle=opened.number, offset=offset, length=size).data
        self.ask("close", handle=opened.number)
        return data

    # The process itself

    @property
    def pid(self) -> int:
        """The guest's own process, as this namespace names it."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def memory(self) -> int:
        """Resident bytes of its own."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("RssAnon")).split()[1]) << 10

    def children(self) -> list[int]:
        """The processes it is the parent of."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def close(self) -> int:
        """End its input; return its exit status."""
        self.process.stdin.close()  # type: ignore[union-attr]
        return self.end()

    def end(self) -> int:
        """Wait for its end; return its exit status."""
        while not self.is_ended:
            self.pump(DEADLINE)
        return self.process.wait(DEADLINE)

    def discard(self) -> None:
        """Be rid of it, whatever state it is in."""
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait(DEADLINE)
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.stdout.close()  # type: ignore[union-attr]
        self.stderr.close()
        os.rmdir(self._folder)


def program(code: str) -> str:
    """A program that is indented as a test is."""
    return textwrap.dedent(code)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Look until `holds`, as nothing tells us."""
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.005)


@contextlib.contextmanager
def cgroup(controller: str, file: str = "", value: str = "") -> Iterator[str]:
    """A control group of version 1 with a limit, for the time of a test."""
    parent = f"/sys/fs/cgroup/{controller}"
    if not os.path.exists(f"{parent}/cgroup.procs"):
        raise unittest.SkipTest(f"needs the {controller} hierarchy of version 1")
    path = tempfile.mkdtemp(prefix="ci-guest-test-", dir=parent)
    try:
        if file:
            with open(f"{path}/{file}", "w", encoding="ascii") as limit:
                limit.write(value)
        yield path
    finally:
        wait_until(lambda: _is_removed(path), "the end of a control group")


def _is_removed(cgroup: str) -> bool:
    try:
        os.rmdir(cgroup)
    except OSError:
        return False
    return True


def _path(path: str | bytes | None) -> dict[str, str]:
    if path is None:
        return {}
    return {"path": (os.fsencode(path) if isinstance(path, str) else path).hex()}


class GuestTest(unittest.TestCase):
    """What the tests share: a guest that may run as root, and one that may not."""

    kind: ClassVar[str] = "bare"
    imports: ClassVar[str] = ""

    @classmethod
    def setUpClass(cls) -> None:
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root")

    @contextlib.contextmanager
    def guest(self, separate: bool = True, kind: str | None = None, **options: str) -> Iterator[Guest]:
        """A guest for the time of a test."""
        guest = Guest(kind or self.kind, self.imports, separate, **options)
        try:
            yield guest
            if guest.process.returncode is None:
                self.assertEqual(guest.close(), 0, "the guest's status")
        except Exception:
            sys.stderr.write(guest.complaints())
            raise
        finally:
            guest.discard()

    def both(self, **options: str) -> Iterator[Guest]:
        """A guest as root, then one as the user of programs."""
        for separate in (True, False):
            with self.guest(separate, **options) as guest:
                yield guest
