"""What the tests of the Python kernel share: contexts forked from one nursery, and the server's part."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import tempfile
import time
import unittest
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import harness

#: What the zygote imports, as the server's setting has it.
IMPORTS = "numpy,pandas,matplotlib.pyplot"

Event = tuple[str, Any]


@dataclass
class Execution:
    """What came of one cell: events in the order of their arrival, each with its kind."""

    events: list[Event] = field(default_factory=list)

    def text(self, name: str) -> str:
        """Return everything that one of the streams said."""
        return "".join(value for kind, value in self.events if kind == name)

    @property
    def stdout(self) -> str:
        return self.text("stdout")

    @property
    def stderr(self) -> str:
        return self.text("stderr")

    def frames(self, kind: str) -> list[dict[str, Any]]:
        """Return the frames of one type."""
        return [value for name, value in self.events if name == kind]

    def displays(self, is_main: bool) -> list[dict[str, Any]]:
        """Return the data of the displays."""
        return [frame["data"] for frame in self.frames("display") if frame["main"] is is_main]

    @property
    def value(self) -> str | None:
        """The text of the last main result."""
        results = self.displays(True)
        return results[-1].get("text/plain") if results else None

    @property
    def errors(self) -> list[dict[str, Any]]:
        return self.frames("error")

    @property
    def error(self) -> tuple[str, str]:
        """Name and value of the only error."""
        (error,) = self.errors
        return error["name"], error["value"]

    @property
    def count(self) -> int:
        """The number of the execution."""
        (started,) = self.frames("started")
        return int(started["execution_count"])

    @property
    def ends(self) -> bool:
        """Whether the interpreter ends with it."""
        return bool(self.frames("done")[-1].get("ends", False))

    def order(self) -> list[str]:
        """Return what was said, in order: stream by stream, joined where one speaks twice in a row."""
        said: list[list[str]] = []
        for kind, value in self.events:
            if kind in ("stdout", "stderr"):
                if said and said[-1][0] == kind:
                    said[-1][1] += value
                else:
                    said.append([kind, value])
            elif kind == "display":
                said.append([kind, value["data"].get("text/plain", "")])
            elif kind == "error":
                said.append([kind, value["name"]])
        return [":".join(words) for words in said]


class Context:
    """A context, and the server's end of its channel and pipes."""

    def __init__(self, nursery: harness.Nursery, folder: str, **opening: object) -> None:
        """Have it forked and opened; `opening` overrides fields of the first frame."""
        self.guest = harness.Guest(nursery, folder)
        self.attach(self.guest.channel, self.guest.socket.fileno(), folder, **opening)

    def attach(self, channel: Any, socket: int, folder: str, **opening: object) -> None:
        """Open the context at the other end of `channel`."""
        self.channel, self.number = channel, 0
        pipes = [os.pipe(), os.pipe()]
        frame = {"type": "context", "language": "python", "cwd": folder, "environment": {}, **opening}
        channel.send(frame, (pipes[0][1], pipes[1][1]))
        for _, end in pipes:
            os.close(end)
        self.pipes = {"stdout": pipes[0][0], "stderr": pipes[1][0]}
        self.decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in self.pipes}
        self.selector = selectors.DefaultSelector()
        for name, descriptor in self.pipes.items():
            self.selector.register(descriptor, selectors.EVENT_READ, name)
        self.selector.register(socket, selectors.EVENT_READ, "channel")
        self.answer: dict[str, Any] = channel.receive()[0]

    def start(self, code: str, environment: dict[str, str] | None = None) -> None:
        """Begin an execution."""
        self.number += 1
        frame: dict[str, object] = {"type": "execute", "id": self.number, "code": code}
        self.channel.send(frame if environment is None else {**frame, "environment": environment})

    def read(self, execution: Execution, deadline: float) -> bool:
        """Read what there is, waiting for something. False when the context has ended."""
        ready = self.selector.select(max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"nothing more came after {execution.events[-5:]}")
        for key, _ in ready:
            if key.data == "channel":
                try:
                    frame = self.channel.receive()[0]
                except (EOFError, ConnectionResetError):
                    return False
                if frame.get("id") != self.number:
                    raise AssertionError(f"a frame of another execution: {frame}")
                execution.events.append((frame["type"], frame))
            else:
                chunk = os.read(key.fd, 1 << 18)
                if chunk:
                    execution.events.append((key.data, self.decoders[key.data].decode(chunk)))
                else:
                    self.selector.unregister(key.fd)
        return True

    def finish(self, while_running: Callable[[Execution], object] | None = None) -> Execution:
        """Read to the end of the execution, or of the context; `while_running` is called after each arrival."""
        execution = Execution()
        deadline = time.monotonic() + harness.DEADLINE
        while not execution.frames("done"):
            if not self.read(execution, deadline):
                break
            if while_running is not None:
                while_running(execution)
        return execution

    def execute(
        self,
        code: str,
        environment: dict[str, str] | None = None,
        while_running: Callable[[Execution], object] | None = None,
    ) -> Execution:
        """Run one cell."""
        self.start(code, environment)
        return self.finish(while_running)

    def interrupt(self) -> None:
        """Do what the launcher does for an interrupt."""
        os.killpg(self.guest.process, signal.SIGINT)

    def close(self) -> int:
        """Let go of everything; return the wait status."""
        self.release()
        return self.guest.end()

    def release(self) -> None:
        """Close the server's ends of the pipes."""
        self.selector.close()
        for descriptor in self.pipes.values():
            os.close(descriptor)


class KernelTestCase(unittest.TestCase):
    """A test that runs cells; the nursery lives as long as the class, each test has a context of its own."""

    imports: ClassVar[str] = ""
    nursery: ClassVar[harness.Nursery]

    @classmethod
    def setUpClass(cls) -> None:
        """Start the nursery."""
        cls.nursery = harness.Nursery("notebook", cls.imports)
        cls.addClassCleanup(cls.nursery.close)

    def setUp(self) -> None:
        """Make an empty workspace."""
        folder = tempfile.TemporaryDirectory(prefix="workspace-")
        self.addCleanup(folder.cleanup)
        self.workspace = os.path.realpath(folder.name)

    def open(self, **opening: object) -> Context:
        """Return an open context, closed after the test."""
        context = Context(self.nursery, self.workspace, **opening)
        self.addCleanup(context.close)
        self.assertEqual(context.guest.greeting, {"type": "ready"})
        self.assertEqual(context.answer, {"type": "opened"})
        return context
