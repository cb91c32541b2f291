"""No code can keep a context from telling how its execution ended, and little can end the context."""

from __future__ import annotations

import os
import time
import unittest
from typing import Any

import harness
import kernel_harness


class Sabotage(kernel_harness.KernelTestCase):
    """Hostile and careless cells, each in a context of its own."""

    def test_done_is_sent(self) -> None:
        """The execution ends; where the heading says `lives`, what is printed and shown next is as ever.

        `done` promises the end of every execution only: the kernel itself was broken. `once` ends the process after the
        execution, `dies` at once.
        """
        for heading, code in harness.read_programs("kernel_sabotage.txt"):
            with self.subTest(heading):
                promise, _, _ = heading.partition(":")
                context = kernel_harness.Context(self.nursery, self.workspace)
                try:
                    execution = context.execute(code)
                    self.assertEqual(
                        len(execution.frames("done")), 0 if promise == "dies" else 1, execution.events[-3:]
                    )
                    if promise == "lives":
                        self.assertEqual(context.execute("1 + 1").value, "2")
                        shown = context.execute("import IPython.display\nIPython.display.display(5)").displays(False)
                        self.assertEqual([data["text/plain"] for data in shown], ["5"])
                        self.assertIn("ZeroDivisionError", [error["name"] for error in context.execute("1 / 0").errors])
                    elif promise == "done":
                        self.assertEqual(len(context.execute("1 + 1").frames("done")), 1)
                finally:
                    status = context.close()
                if promise in ("lives", "done"):
                    self.assertEqual(status, 0)

    def test_forks_do_not_answer(self) -> None:
        """What a cell forks neither ends it nor holds the channel, and what it prints arrives."""
        context = self.open()
        execution = context.execute("""
import os
process = os.fork()
if not process:
    print('child', os.path.exists('/proc/self/fd/900'))
    display('never')
    raise ValueError('never')
os.waitpid(process, 0)
'parent'
""")
        self.assertEqual((execution.stdout, execution.value), ("child False\n", "'parent'"))
        self.assertEqual((execution.displays(False), execution.errors), ([], []))

    def test_wrong_frames_end_it(self) -> None:
        """It says that it failed before it was opened, and just ends afterwards."""
        good = {"type": "context", "language": "python", "cwd": "/", "environment": {}}
        change: dict[str, Any]
        for change in ({"type": "run"}, {"language": 5}, {"cwd": None}, {"environment": []}, {"environment": {"A": 1}}):
            with self.subTest(change):
                guest = harness.Guest(self.nursery, self.workspace)
                with open(os.devnull, "rb") as nothing:
                    guest.send({**good, **change}, (nothing.fileno(),) * 2)
                self.assertEqual([frame["type"] for frame in guest.receive_all()], ["failed"])
                self.assertEqual(os.waitstatus_to_exitcode(guest.end()), 125)
        execute: dict[str, object] = {"type": "execute", "id": 1, "code": "1"}
        for change in ({"type": "run"}, {"id": "1"}, {"id": True}, {"code": None}, {"environment": []}):
            with self.subTest(change):
                context = kernel_harness.Context(self.nursery, self.workspace)
                context.channel.send({**execute, **change})
                self.assertEqual(context.finish().events, [])
                self.assertEqual(os.waitstatus_to_exitcode(context.close()), 125)

    def test_it_ends_with_the_server(self) -> None:
        """Idle, running, and while it waits for somebody to read."""
        for code in (None, "import time\nprint('started')\ntime.sleep(0.3)", "while True: print('x' * 1000)"):
            with self.subTest(code):
                context = kernel_harness.Context(self.nursery, self.workspace)
                if code is not None:
                    context.start(code)
                    execution = kernel_harness.Execution()
                    while not execution.stdout:
                        context.read(execution, time.monotonic() + harness.DEADLINE)
                context.close()


if __name__ == "__main__":
    unittest.main()
