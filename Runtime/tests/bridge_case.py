"""What the tests of the bridge share: contexts of other languages, outside of any sandbox."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import frames  # noqa: E402 - found through the line above

TESTS = os.path.dirname(os.path.abspath(__file__))
RUNTIME = os.path.dirname(TESTS)
#: How long anything may take before a test gives up, in seconds.
DEADLINE = 30.0

Frame = dict[str, Any]


def kernel_is_installed(language: str) -> bool:
    """Whether the environment of the tests has a kernel of that language."""
    import jupyter_kernel

    spec = jupyter_kernel.find_spec(language)
    return spec is not None and shutil.which(spec.arguments[0], path=f"{sys.prefix}/bin:{os.defpath}") is not None


class Context:
    """One context and the server's end of its channel."""

    #: Whether its system lacks some calls; see bridge_driver.
    on_old_system = False

    def __init__(
        self, language: str, folder: str, environment: dict[str, str] | None = None, places: str | None = None
    ) -> None:
        """Start its process and ask it to open; `first` is what it answered."""
        self.start(language, folder, environment or {}, places)
        self.first, _ = self.channel.receive()

    def start(self, language: str, folder: str, environment: dict[str, str], places: str | None) -> None:
        """Start its process and ask it to open."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE)
        home, temporary = os.path.join(folder, ".home"), os.path.join(folder, ".tmp")
        for made in (home, temporary):
            os.makedirs(made, exist_ok=True)
        command = [sys.executable, os.path.join(TESTS, "bridge_driver.py"), str(theirs.fileno())]
        self.process = subprocess.Popen(
            command + ([places] if places else []),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env={
                "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
                "HOME": home,
                "LANG": "C.UTF-8",
                "TMPDIR": temporary,
                "BRIDGE_OLD_SYSTEM": "yes" if self.on_old_system else "",
            },
        )
        theirs.close()
        self.socket = ours
        self.channel = frames.Channel(os.dup(ours.fileno()))
        self._next = 0
        pipes = [os.open("/dev/null", os.O_WRONLY) for _ in range(2)]
        opening: Frame = {"type": "context", "language": language, "cwd": folder, "environment": environment}
        self.channel.send(opening, tuple(pipes))
        for pipe in pipes:
            os.close(pipe)

    def send(self, code: str, environment: dict[str, str] | None = None) -> int:
        """Ask for an execution; return its id."""
        self._next += 1
        frame: Frame = {"type": "execute", "id": self._next, "code": code, "environment": environment or {}}
        self.channel.send(frame)
        return self._next

    def receive(self) -> Frame:
        """Return the next frame."""
        if not select.select([self.socket], [], [], DEADLINE)[0]:
            raise TimeoutError("no frame")
        return self.channel.receive()[0]

    def finish(self, identity: int) -> list[Frame]:
        """Return the frames of an execution, which are checked to be in order."""
        received = self.rest()
        if received[0]["type"] != "started" or any(frame["id"] != identity for frame in received):
            raise AssertionError(received)
        return received

    def run(self, code: str, environment: dict[str, str] | None = None) -> list[Frame]:
        """Execute to the end."""
        return self.finish(self.send(code, environment))

    def text(self, code: str, environment: dict[str, str] | None = None) -> str:
        """Execute, and return all that was printed and shown as text."""
        return text_of(self.run(code, environment))

    def wait_for_text(self, wanted: str) -> list[Frame]:
        """Receive until something that contains `wanted` was printed."""
        received: list[Frame] = []
        while wanted not in text_of(received):
            received.append(self.receive())
        return received

    def rest(self) -> list[Frame]:
        """Return the frames until `done`."""
        received = [self.receive()]
        while received[-1]["type"] != "done":
            received.append(self.receive())
        return received

    def wait_for_child(self) -> int:
        """Return the process id of the kernel, as soon as there is one."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
                children = file.read().split()
            if children:
                return int(children[0])
            time.sleep(0.005)
        raise TimeoutError("there is no kernel")

    def interrupt(self) -> None:
        """Do what the launcher does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self) -> int:
        """Close the channel and return the exit status."""
        if self.socket.fileno() >= 0:
            os.close(self.channel.detach())
            self.socket.close()
        return self.process.wait(DEADLINE)


def text_of(received: list[Frame]) -> str:
    """All that was printed, and what displays say as text."""
    texts = []
    for frame in received:
        if frame["type"] == "output":
            texts.append(frame["text"])
        elif frame["type"] == "display":
            texts.append(frame["data"].get("text/plain", ""))
    return "".join(texts)


def errors_of(received: list[Frame]) -> list[tuple[str, str]]:
    """Names and values of the errors."""
    return [(frame["name"], frame["value"]) for frame in received if frame["type"] == "error"]


class BridgeTest(unittest.TestCase):
    """Has a folder, and contexts that are gone afterwards."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="bridge-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def open(self, language: str, environment: dict[str, str] | None = None, places: str | None = None) -> Context:
        """A context that is open."""
        context = Context(language, self.folder, environment, places)
        self.addCleanup(context.close)
        self.assertEqual(context.first, {"type": "opened"})
        return context

    def assert_gone(self, process: int) -> None:
        """A process ends soon."""
        end = time.monotonic() + DEADLINE
        while os.path.exists(f"/proc/{process}/stat"):
            with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
                if file.read().rsplit(")", 1)[1].split()[0] in "ZX":
                    return
            self.assertLess(time.monotonic(), end)
            time.sleep(0.005)


__all__ = ["BridgeTest", "Context", "Frame", "errors_of", "kernel_is_installed", "text_of"]
