"""Contexts of a guest: processes of the kind notebook."""

from __future__ import annotations

import signal
import unittest
from typing import Any, ClassVar

import guest_harness as harness
from guest_harness import DATA, SIGNAL, STDOUT, Guest, GuestTest, Stream


class Context:
    """A context of Python, as the server sees it."""

    def __init__(self, guest: Guest) -> None:
        """Open it."""
        self.stream: Stream = guest.prepare()
        self._count = 0
        self.stream.frame(type="context", language="python", cwd="/home/user", environment={})
        frame = self.stream.next_frame()
        if frame != {"type": "opened"}:
            raise AssertionError(frame)

    def start(self, code: str) -> None:
        """Begin an execution."""
        self._count += 1
        self.stream.frame(type="execute", id=self._count, code=code, environment={})

    def finish(self) -> list[dict[str, Any]]:
        """The frames of an execution up to its end."""
        frames = [self.stream.next_frame()]
        while frames[-1]["type"] != "done":
            frames.append(self.stream.next_frame())
        return frames

    def run(self, code: str) -> list[dict[str, Any]]:
        """Execute a cell."""
        self.start(code)
        return self.finish()

    def value(self, code: str) -> str:
        """The value of a cell."""
        return str(next(frame for frame in self.run(code) if frame["type"] == "display")["data"]["text/plain"])


class ContextTest(GuestTest):
    """Contexts, two at once too."""

    kind: ClassVar[str] = "notebook"

    def test_executions(self) -> None:
        for guest in self.both():
            context = Context(guest)
            self.assertEqual(context.value("1 + 1"), "2")
            context.run("x = 5")
            self.assertEqual(context.value("x"), "5")
            self.assertEqual(context.value("import os; os.getuid(), os.getcwd()"), "(1000, '/home/user')")
            (error,) = [frame for frame in context.run("1 / 0") if frame["type"] == "error"]
            self.assertEqual(error["name"], "ZeroDivisionError")
            shown = context.run("display({'text/plain': 'shown'}, raw=True)")
            self.assertIn({"text/plain": "shown"}, [frame.get("data") for frame in shown])
            self.assertNotEqual(context.run("import subprocess; assert subprocess.run('true').returncode == 0"), [])

    def test_everything_comes_in_the_order_in_which_it_was_said(self) -> None:
        code = """
import sys, os
for i in range(50):
    print('out', i)
    os.system(f'echo shell {i}')
    display({'text/plain': f'display {i}'}, raw=True)
    print('err', i, file=sys.stderr)
"""
        with self.guest() as guest:
            context = Context(guest)
            before = len(context.stream.events)
            context.run(code)
            said = b"".join(payload for _, payload in context.stream.events[before:])
            places = [
                said.index(text % index)
                for index in range(50)
                for text in (b"out %d\n", b"shell %d\n", b'display %d"', b"err %d\n")
            ]
            self.assertEqual(places, sorted(places))

    def test_an_interrupt(self) -> None:
        with self.guest() as guest:
            context = Context(guest)
            context.start("print('here')\nimport time\ntime.sleep(60)")
            guest.wait(lambda: context.stream.has(STDOUT), "the start")
            context.stream.send(SIGNAL, bytes([signal.SIGINT]))
            self.assertEqual([f["name"] for f in context.finish() if f["type"] == "error"], ["KeyboardInterrupt"])
            self.assertEqual(context.value("1 + 1"), "2")

    def test_two_contexts_at_once_and_the_death_of_one(self) -> None:
        with self.guest() as guest:
            first, second = Context(guest), Context(guest)
            first.run("x = 1")
            second.run("x = 2")
            first.start("import time\nfor i in range(10**9): time.sleep(0.001)")
            self.assertEqual(second.value("x"), "2")
            first.stream.send(SIGNAL, bytes([signal.SIGKILL]))
            outcome = first.stream.outcome()
            self.assertEqual(outcome.status, 9)
            # Itself no more, but the other.
            self.assertEqual(outcome.usage["processes"], 1)
            self.assertEqual(second.value("x"), "2")
            second.start("import os; os._exit(3)")
            self.assertEqual(second.stream.outcome().status, 3 << 8)
            self.assertEqual(Context(guest).value("1 + 1"), "2")

    def test_large_displays_and_large_cells(self) -> None:
        with self.guest() as guest:
            context = Context(guest)
            before = guest.memory()
            frames = context.run("display({'text/plain': 'x' * (20 << 20)}, raw=True)")
            self.assertEqual([len(f["data"]["text/plain"]) for f in frames if f["type"] == "display"], [20 << 20])
            self.assertLess(guest.memory() - before, 4 << 20)
            self.assertEqual(context.value("len('" + "y" * (5 << 20) + "')"), str(5 << 20))
            self.assertEqual(context.stream.bytes_of(DATA).count(b"opened"), 1)

    def test_a_context_that_closes_its_channel_and_floods(self) -> None:
        with self.guest() as guest:
            context = Context(guest)
            context.start("import os\nfor n in range(3, 1000):\n  try: os.close(n)\n  except OSError: pass")
            context.stream.exit()
            flood = Context(guest)
            flood.start("import os\nos.set_blocking(900, True)\nwhile True: os.write(900, b'\\xff' * 65536)")
            flood.stream.grants = False
            guest.wait(lambda: flood.stream.received >= harness.WINDOW, "the flood")
            self.assertEqual(Context(guest).value("1 + 1"), "2")
            flood.stream.send(SIGNAL, bytes([signal.SIGKILL]))
            flood.stream.grants = True
            flood.stream.grant()
            self.assertEqual(flood.stream.exit()["status"], 9)


if __name__ == "__main__":
    unittest.main()
