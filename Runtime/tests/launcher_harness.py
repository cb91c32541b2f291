"""Plays the server's part against the real launcher: makes sandboxes and runs programs in them.

Used by the tests and the benchmark of the launcher. What is built is taken from CODE_INTERPRETER_TEST_BUILD (a folder
with `sandbox-launcher` and `libSandboxEntry.so`) or from the debug build of this checkout.
"""

from __future__ import annotations

import array
import dataclasses
import errno
import json
import os
import pwd
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from launcher_plan import PREFIX, Identity, cgroup_parents

RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROJECT = os.path.dirname(RUNTIME)

# LauncherProtocol.h
CREATE, DESTROY, SIGNAL = 1, 2, 3
LAUNCHER_READY, ZYGOTE_READY, ZYGOTE_LOST, CREATED, FAILED, EXITED, DESTROYED, LAUNCHER_FAILED = range(1, 9)
SECTIONS = {"launcher": 1, "root": 2, "limits": 3, "workspace": 4, "init": 5, "entry": 6, "statistics": 7}
REQUEST = struct.Struct("=IIi")
EVENT = struct.Struct("=IIiIii")

#: Two seccomp programs as docs/PROTOCOL.md has them: one that allows everything, one that refuses sockets with EDOM.
ALLOW = struct.pack("=IHBBI", 1, 6, 0, 0, 0x7FFF0000)
REFUSE_SOCKETS = struct.pack(
    "=IHBBIHBBIHBBIHBBI",
    *(4, 0x20, 0, 0, 0),
    *(0x15, 0, 1, 41),
    *(6, 0, 0, 0x00050000 | errno.EDOM),
    *(6, 0, 0, 0x7FFF0000),
)

#: Subordinate ids of a user made for tests: beyond those that useradd(8) gives and those of the root launcher's slots.
RANGE = "20000000-20065535"

#: How long anything may take before a test gives up, in seconds.
DEADLINE = 60.0


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of the launcher."""

    kind: int
    sandbox: int
    value: int
    section: int
    step: int
    error: int
    descriptors: tuple[int, ...]


def build_folder() -> str:
    """Where the launcher and the entry library are."""
    return os.environ.get("CODE_INTERPRETER_TEST_BUILD", os.path.join(PROJECT, ".build", "debug"))


def prepare_files(folder: str, environment: str | None = None) -> None:
    """Copy what a launcher needs to where any user may read it.

    `environment` is a Python environment to use; else an empty one is made.
    """
    os.chmod(folder, 0o755)
    for name in ("sandbox-launcher", "libSandboxEntry.so"):
        shutil.copy(os.path.join(build_folder(), name), folder)
        os.chmod(os.path.join(folder, name), 0o755)
    os.mkdir(f"{folder}/runtime")
    for name in os.listdir(RUNTIME):
        if name.endswith(".py"):
            shutil.copy(os.path.join(RUNTIME, name), f"{folder}/runtime")
    if environment is not None:
        os.symlink(environment, f"{folder}/venv")
        return
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{folder}/venv"], check=True)


def read_line(output: int) -> str:
    """One line of a running program, which may write it in parts."""
    text = b""
    while not text.endswith(b"\n"):
        part = os.read(output, 1)
        if not part:
            raise EOFError(text)
        text += part
    return text.decode()


def memfd(name: str, content: bytes) -> int:
    """A file in memory."""
    descriptor = os.memfd_create(name, 0)
    os.write(descriptor, content)
    return descriptor


class Sandbox:
    """One sandbox as the server sees it."""

    def __init__(self, launcher: Launcher, event: Event) -> None:
        """Take over the descriptors of a CREATED event."""
        self.launcher, self.id = launcher, event.sandbox
        self.workspace, channel, *self.statistics = event.descriptors
        self.channel = socket.socket(fileno=channel)
        self.channel.settimeout(DEADLINE)

    def receive_exactly(self, count: int) -> bytes:
        """Read from the channel."""
        data = b""
        while len(data) < count:
            part = self.channel.recv(count - len(data))
            if not part:
                raise EOFError(f"the guest of s{self.id} closed its channel")
            data += part
        return data

    def receive(self) -> dict[str, object]:
        """The next frame."""
        (length,) = struct.unpack("<I", self.receive_exactly(4))
        frame: dict[str, object] = json.loads(self.receive_exactly(length))
        return frame

    def expect_ready(self) -> None:
        """Wait for the first frame, which must be `ready`."""
        frame = self.receive()
        if frame["type"] != "ready":
            raise AssertionError(frame)

    def start(self, code: str) -> tuple[int, int]:
        """Send a program; return the reading ends of its standard output and error."""
        program: dict[str, object] = {"code": code, "filename": "main.py", "arguments": [], "environment": {}}
        body = json.dumps({"type": "run", "interactive": False, **program}).encode()
        null = os.open("/dev/null", os.O_RDONLY)
        output, output_end = os.pipe()
        errors, errors_end = os.pipe()
        socket.send_fds(self.channel, [struct.pack("<I", len(body)) + body], [null, output_end, errors_end])
        for descriptor in (null, output_end, errors_end):
            os.close(descriptor)
        return output, errors

    def run(self, code: str) -> tuple[str, str, int]:
        """Run a program to its end: output, errors, exit code."""
        output, errors = self.start(code)
        text = read_both(output, errors)
        frame = self.receive()
        if frame["type"] != "done":
            raise AssertionError(frame)
        return text[0], text[1], int(str(frame["exit_code"]))

    def close(self) -> None:
        """Let go of the descriptors."""
        self.channel.close()
        for descriptor in (self.workspace, *self.statistics):
            os.close(descriptor)
        self.statistics = []
        self.workspace = -1


def read_both(output: int, errors: int) -> tuple[str, str]:
    """Read two pipes to their ends."""
    parts: dict[int, bytes] = {output: b"", errors: b""}
    open_ends = {output, errors}
    while open_ends:
        ready, _, _ = select.select(list(open_ends), [], [], DEADLINE)
        if not ready:
            raise TimeoutError("the program does not end")
        for descriptor in ready:
            data = os.read(descriptor, 1 << 16)
            parts[descriptor] += data
            if not data:
                open_ends.discard(descriptor)
                os.close(descriptor)
    return parts[output].decode(errors="replace"), parts[errors].decode(errors="replace")


class Launcher:
    """A running launcher and the server's end of its socket."""

    def __init__(self, program: str, plan: bytes, identity: Identity, stderr: int | None = None) -> None:
        """Start it."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptors = [theirs.fileno(), memfd("plan", plan), memfd("filters", ALLOW + REFUSE_SOCKETS)]
        options: dict[str, object] = {}
        if identity.mode != "root" and os.geteuid() == 0:
            options = {"user": identity.user, "group": identity.group, "extra_groups": []}
        self.process = subprocess.Popen(
            [program, *map(str, descriptors)],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            env={},
            **options,  # type: ignore[call-overload]
        )
        theirs.close()
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        self.events: deque[Event] = deque()
        self._next = 0

    # Sending

    def request(self, kind: int, sandbox: int, argument: int = 0) -> None:
        """Send one request."""
        self.control.send(REQUEST.pack(kind, sandbox, argument))

    def new_id(self) -> int:
        """An id that was never used."""
        self._next += 1
        return self._next

    def ask(self, zygote: int = 0) -> int:
        """Ask for a sandbox; return its id."""
        sandbox = self.new_id()
        self.request(CREATE, sandbox, zygote)
        return sandbox

    # Receiving

    def pump(self, timeout: float) -> bool:
        """Read one event into `events`. False where none came or the launcher is gone."""
        ready, _, _ = select.select([self.control], [], [], timeout)
        if not ready:
            return False
        message, ancillary, _, _ = self.control.recvmsg(EVENT.size, socket.CMSG_SPACE(4 * 16), socket.MSG_CMSG_CLOEXEC)
        if not message:
            raise EOFError("the launcher is gone")
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        kind, number, value, section, step, error = EVENT.unpack(message)
        self.events.append(Event(kind, number, value, section, step, error, tuple(descriptors)))
        return True

    def wait(self, matches: Callable[[Event], bool], timeout: float = DEADLINE) -> Event:
        """The first event that matches, taken out of `events`; others stay there."""
        end = time.monotonic() + timeout
        seen = 0
        while True:
            while seen < len(self.events):
                if matches(self.events[seen]):
                    event = self.events[seen]
                    del self.events[seen]
                    return event
                seen += 1
            if not self.pump(max(0.0, end - time.monotonic())):
                raise TimeoutError(f"no such event; there are {list(self.events)}")

    def wait_for(self, kind: int, sandbox: int | None = None) -> Event:
        """The next event of that kind, of that sandbox."""
        return self.wait(lambda event: event.kind == kind and sandbox in (None, event.sandbox))

    def wait_ready(self, zygotes: int = 1) -> None:
        """Wait until every zygote serves."""
        self.wait_for(LAUNCHER_READY)
        for _ in range(zygotes):
            self.wait_for(ZYGOTE_READY)

    def wait_created(self, sandbox: int) -> Sandbox:
        """The sandbox that was asked for."""
        event = self.wait(lambda event: event.kind in (CREATED, FAILED) and event.sandbox == sandbox)
        if event.kind == FAILED:
            raise AssertionError(event)
        return Sandbox(self, event)

    def create(self, zygote: int = 0) -> Sandbox:
        """A sandbox whose interpreter is ready."""
        sandbox = self.wait_created(self.ask(zygote))
        sandbox.expect_ready()
        return sandbox

    def destroy(self, sandbox: Sandbox) -> None:
        """Destroy a sandbox and wait until nothing is left."""
        self.request(DESTROY, sandbox.id)
        self.wait_for(DESTROYED, sandbox.id)
        sandbox.close()

    # The processes

    def worker(self) -> int:
        """The pid of the worker."""
        (worker,) = children(self.process.pid)
        return worker

    def zygote_pid(self, kind: str = "bare") -> int:
        """The pid of a zygote."""
        for child in children(self.worker()):
            with open(f"/proc/{child}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            if b"/opt/code-interpreter/runtime/zygote.py" in words and kind.encode() in words:
                return child
        raise AssertionError(f"there is no zygote {kind}")

    def descendants(self) -> list[int]:
        """Every process of this launcher but the supervisor, as it is now."""
        found: list[int] = []
        pending = [self.process.pid]
        while pending:
            below = children(pending.pop())
            found += below
            pending += below
        return found

    def close(self) -> int:
        """Close the server's end and wait; return the exit status."""
        self.control.close()
        for event in self.events:
            for descriptor in event.descriptors:
                os.close(descriptor)
        self.events.clear()
        return int(self.process.wait(DEADLINE))


def children(process: int) -> list[int]:
    """The direct children of a process of one thread."""
    try:
        with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return []


def is_running(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def left_cgroups(token: str = "") -> list[str]:
    """Directories of launchers of ours, below every hierarchy."""
    found = []
    for _, path in cgroup_parents():
        for name in os.listdir(path):
            if name.startswith(PREFIX + token):
                found.append(f"{path}/{name}")
                below = (f"{path}/{name}/{child}" for child in os.listdir(f"{path}/{name}"))
                found += [child for child in below if os.path.isdir(child)]
    return found


def wait_until(holds: Callable[[], bool], what: str, timeout: float = DEADLINE) -> None:
    """Look until `holds`, as nothing tells us."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.001)


def find_user() -> tuple[int, int, int] | None:
    """uid, gid and first subordinate id of a user that has subordinate ids."""
    try:
        with open("/etc/subuid", encoding="utf-8") as file:
            entries = [line.strip().split(":") for line in file if line.strip()]
    except FileNotFoundError:
        return None
    for name, first, count in entries:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        if user.pw_uid != 0 and int(count) >= 65536:
            return user.pw_uid, user.pw_gid, int(first)
    return None


@contextmanager
def user_with_subordinates() -> Iterator[tuple[int, int, int]]:
    """A user as `find_user` returns it: one that exists, or one made for the time of the tests."""
    user = find_user()
    if user is not None:
        yield user
        return
    name = f"citest{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", name], check=True)
    try:
        if find_user() is None:
            # useradd(8) gives no range to users without a home on some systems.
            subprocess.run(["usermod", "--add-subuids", RANGE, "--add-subgids", RANGE, name], check=True)
        made = find_user()
        if made is None:
            raise RuntimeError(f"{name} got no subordinate ids")
        yield made
    finally:
        subprocess.run(["userdel", "--force", name], check=True)


def open_descriptors(process: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{process}/fd"))


def read_workspace(sandbox: Sandbox, name: str) -> bytes:
    """A file of the workspace, read by the server."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=sandbox.workspace)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AssertionError(name)
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def kill(process: int) -> None:
    """SIGKILL to a process of ours."""
    os.kill(process, signal.SIGKILL)


@contextmanager
def prepared_folder(environment: str | None = None) -> Iterator[str]:
    """A folder with what a launcher needs."""
    folder = tempfile.mkdtemp(prefix="launcher-harness-")
    try:
        prepare_files(folder, environment)
        yield folder
    finally:
        shutil.rmtree(folder)
