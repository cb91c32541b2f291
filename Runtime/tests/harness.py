"""What the tests of the runtime share: a nursery, guests forked from it, and the server's part of the conversation."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, RUNTIME)

import frames as frames  # noqa: E402, PLC0414 - found through the line above

# A shell that starts us in the background has us ignore these, and with us everything we start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

#: How long anything may take before a test gives up, in seconds.
DEADLINE = 60.0


@dataclass
class Result:
    """What came of one program."""

    stdout: str
    stderr: str
    #: What the `done` frame said; None where there was none.
    exit_code: int | None
    #: How the process ended, as of waitpid(2).
    status: int
    #: Every frame the guest sent after `ready`.
    frames: list[dict[str, object]] = field(default_factory=list)


class Nursery:
    """A process that guests are forked from."""

    def __init__(self, kind: str = "bare", imports: str = "", folder: str = "/") -> None:
        """Start it in `folder` and wait until it is warm."""
        self.control, theirs = socket.socketpair()
        self.control.settimeout(DEADLINE)
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nursery.py")
        command = [sys.executable, "-s", "-E", program, str(theirs.fileno()), kind, imports]
        scratch = tempfile.mkdtemp(prefix="nursery-")
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "MPLCONFIGDIR": scratch, "HOME": scratch, "LANG": "C.UTF-8"},
        )
        theirs.close()
        self.reports = b""
        self._reader = threading.Thread(target=self._read_reports, daemon=True)
        self._reader.start()
        self.read_number()
        self._scratch = scratch

    def read_number(self) -> int:
        """Return the next number the nursery sends."""
        data = b""
        while len(data) < 8:
            chunk = self.control.recv(8 - len(data))
            if not chunk:
                raise AssertionError(f"the nursery died: {self.reports.decode()}")
            data += chunk
        return int.from_bytes(data, "little")

    def close(self) -> None:
        """End it."""
        self.control.close()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        if self.process.stderr is not None:
            self.process.stderr.close()
        subprocess.run(["rm", "-rf", self._scratch], check=True)

    def _read_reports(self) -> None:
        """Collect what it says on standard error."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.reports += line


class Guest:
    """One child of a nursery and the server's end of its channel."""

    def __init__(self, nursery: Nursery, folder: str) -> None:
        """Have it forked, with `folder` as its working directory, and wait until it is ready."""
        self.nursery = nursery
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE)
        self.socket = ours
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        socket.send_fds(nursery.control, [b"f"], [theirs.fileno(), directory])
        os.close(directory)
        theirs.close()
        self.process = nursery.read_number()
        self.channel = frames.Channel(os.dup(ours.fileno()))
        self.greeting, _ = self.channel.receive()

    def send(self, payload: dict[str, object], descriptors: tuple[int, ...] = ()) -> None:
        """Send one frame."""
        self.channel.send(payload, descriptors)

    def receive_all(self) -> list[dict[str, object]]:
        """Return the frames until the guest closes its end."""
        received = []
        while True:
            try:
                received.append(self.channel.receive()[0])
            except (EOFError, ConnectionResetError):
                return received

    def end(self) -> int:
        """Close the channel and return the wait status."""
        os.close(self.channel.detach())
        self.socket.close()
        return self.nursery.read_number()


class RuntimeTestCase(unittest.TestCase):
    """A test that runs programs; the nursery lives as long as the class."""

    kind: ClassVar[str] = "bare"
    imports: ClassVar[str] = ""
    nursery: ClassVar[Nursery]

    @classmethod
    def setUpClass(cls) -> None:
        """Start the nursery."""
        cls.nursery = Nursery(cls.kind, cls.imports)

    @classmethod
    def tearDownClass(cls) -> None:
        """End the nursery."""
        cls.nursery.close()

    def setUp(self) -> None:
        """Make an empty workspace."""
        folder = tempfile.TemporaryDirectory(prefix="workspace-")
        self.addCleanup(folder.cleanup)
        self.workspace = os.path.realpath(folder.name)
        self.main_file = os.path.join(self.workspace, "__main__.py")

    def run_program(
        self,
        code: str,
        *,
        interactive: bool = False,
        stdin: bytes = b"",
        while_running: Callable[[int, dict[str, bytes]], None] | None = None,
        **more: object,
    ) -> Result:
        """Run `code` in a guest and wait until it and every holder of its output ended.

        `while_running` is called with the process id and all output so far, whenever some arrived.
        """
        with open(self.main_file, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(code)
        guest = Guest(self.nursery, self.workspace)
        self.assertEqual(guest.greeting, {"type": "ready"})
        pipes = [os.pipe() for _ in range(3)]
        theirs = (pipes[0][0], pipes[1][1], pipes[2][1])
        frame = {"type": "run", "code": code, "filename": self.main_file, "arguments": [], "interactive": interactive}
        guest.send({**frame, "environment": {}, **more}, theirs)
        for descriptor in theirs:
            os.close(descriptor)
        writer = threading.Thread(target=write_all, args=(pipes[0][1], stdin))
        writer.start()
        output = read_all(
            {"stdout": pipes[1][0], "stderr": pipes[2][0]},
            (lambda so_far: while_running(guest.process, so_far)) if while_running else None,
        )
        received = guest.receive_all()
        status = guest.end()
        writer.join(DEADLINE)
        done = [frame for frame in received if frame["type"] == "done"]
        code_of_frame = done[0]["exit_code"] if done else None
        assert code_of_frame is None or isinstance(code_of_frame, int)
        texts = {name: data.decode("utf-8", "replace") for name, data in output.items()}
        return Result(texts["stdout"], texts["stderr"], code_of_frame, status, received)

    def assert_ran(self, code: str, stdout: str, stderr: str = "", exit_code: int = 0, **more: object) -> Result:
        """Run `code` and compare everything that came of it."""
        result = self.run_program(code, **more)  # type: ignore[arg-type]
        self.assertEqual((result.stdout, result.stderr, result.exit_code), (stdout, stderr, exit_code))
        self.assertEqual(os.waitstatus_to_exitcode(result.status), exit_code)
        self.assertEqual(len(result.frames), 1)
        return result


def read_programs(name: str) -> list[tuple[str, str]]:
    """Return the programs of a text file, each with its heading."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), encoding="utf-8") as file:
        sections = file.read().split("=== ")[1:]
    return [(heading, program) for heading, _, program in (section.partition("\n") for section in sections)]


def write_all(descriptor: int, data: bytes) -> None:
    """Write standard input and close it; a program need not read it."""
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except BrokenPipeError:
        pass
    finally:
        os.close(descriptor)


def read_all(pipes: dict[str, int], listener: Callable[[dict[str, bytes]], None] | None = None) -> dict[str, bytes]:
    """Read pipes to their end."""
    output = dict.fromkeys(pipes, b"")
    with selectors.DefaultSelector() as selector:
        for name, descriptor in pipes.items():
            selector.register(descriptor, selectors.EVENT_READ, name)
        while selector.get_map():
            ready = selector.select(DEADLINE)
            if not ready:
                raise AssertionError(f"no output and no end for {DEADLINE} s, so far: {output}")
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 18)
                if not chunk:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                output[key.data] += chunk
                if chunk and listener is not None:
                    listener(output)
    return output
