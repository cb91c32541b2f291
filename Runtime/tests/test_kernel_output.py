"""Output in the order it was made, whoever makes it, and interrupts."""

from __future__ import annotations

import fcntl
import os
import sys
import termios
import time
import unittest

import harness
import kernel_harness


class Order(kernel_harness.KernelTestCase):
    """Three channels, one order."""

    def test_order(self) -> None:
        """Prints, displays, commands, C code and errors arrive as they were made."""
        execution = self.open().execute("""
import os, sys, ctypes, subprocess
libc = ctypes.CDLL(None)
for number in range(5):
    print('print', number)
    print('error', number, file=sys.stderr)
    os.system('echo system')
    display(number)
    libc.puts(b'C')
    os.write(1, b'write\\n')
    subprocess.run(['sh', '-c', 'echo sub; echo suberr >&2'])
    display('x')
    sys.stdout.buffer.write(b'buffer\\n')
raise ValueError
""")
        expected: list[str] = []
        for number in range(5):
            first = f"stdout:{'buffer' + chr(10) if number else ''}print {number}\n"
            expected += [first, f"stderr:error {number}\n", "stdout:system\n", f"display:{number}"]
            expected += ["stdout:C\nwrite\nsub\n", "stderr:suberr\n", "display:'x'"]
        self.assertEqual(execution.order(), [*expected, "stdout:buffer\n", "error:ValueError"])

    def test_alternating_streams(self) -> None:
        """Thousands of lines, one here, one there."""
        code = "import sys\nfor n in range(2000): print(n, file=(sys.stdout, sys.stderr)[n % 2])"
        order = self.open().execute(code).order()
        self.assertEqual(order, [f"{('stdout', 'stderr')[n % 2]}:{n}\n" for n in range(2000)])

    def test_everything_has_arrived_before_done(self) -> None:
        """Also what has no newline, and what stands in buffers of others."""
        context = self.open()
        for _ in range(50):
            execution = context.execute("import sys\nprint('a', end='')\nprint('b', end='', file=sys.stderr)")
            self.assertEqual((execution.stdout, execution.stderr), ("a", "b"))
        wrapped = "import io, sys\nsys.stdout = io.TextIOWrapper(io.open(1, 'wb', closefd=False))\nprint('held')"
        self.assertEqual(context.execute(wrapped).stdout, "held\n")

    def test_parts_of_lines_arrive_at_once(self) -> None:
        """A dot is seen while the cell goes on."""
        go = os.path.join(self.workspace, "go")

        def let_go(execution: kernel_harness.Execution) -> None:
            if execution.stdout == ".":
                os.close(os.open(go, os.O_CREAT | os.O_WRONLY))

        code = "import os\nprint('.', end='')\nwhile not os.path.exists('go'): pass\nprint('!')"
        self.assertEqual(self.open().execute(code, while_running=let_go).stdout, ".!\n")

    def test_megabytes(self) -> None:
        """Nothing is lost or added, through Python, a command, and beside a thread that prints."""
        context = self.open()
        self.assertEqual(len(context.execute("for _ in range(3000): print('x' * 999)").stdout), 3_000_000)
        self.assertEqual(len(context.execute("print('y' * 5_000_000)").stdout), 5_000_001)
        self.assertEqual(
            len(context.execute("import os\n_ = os.system('head -c 3000000 /dev/zero')").stdout), 3_000_000
        )
        execution = context.execute("""
import threading
threads = [threading.Thread(target=lambda: [print('t' * 99) for _ in range(500)]) for _ in range(4)]
for thread in threads: thread.start()
for number in range(50): display(number)
for thread in threads: thread.join()
""")
        self.assertEqual(execution.stdout.count("t" * 99), 2000)
        self.assertEqual([data["text/plain"] for data in execution.displays(False)], [str(n) for n in range(50)])

    def test_binary_output(self) -> None:
        """Any bytes pass, of anything that has some."""
        code = (
            "import sys, array\nsys.stdout.buffer.write(array.array('i', [65, 66]))\nsys.stdout.buffer.write(b'\\xff')"
        )
        execution = self.open().execute(code)
        self.assertEqual(execution.stdout, "A\0\0\0B\0\0\0\N{REPLACEMENT CHARACTER}")


#: Cells that never end by themselves, with the error that an interrupt makes.
ENDLESS = {
    "import time\nprint('x')\ntime.sleep(100)": "KeyboardInterrupt",
    "print('x')\nwhile True: pass": "KeyboardInterrupt",
    "from asyncio import *\nget_running_loop().call_later(0.02, print, 'x')\nawait sleep(100)": "CancelledError",
    "import asyncio\nawait asyncio.sleep(0)\nprint('x')\nwhile True: pass": "KeyboardInterrupt",
    "import subprocess\nprint('x')\n_ = subprocess.run(['sleep', '100'])": "KeyboardInterrupt",
    "import threading\nprint('x')\nthreading.Event().wait()": "KeyboardInterrupt",
    "print('x')\nwhile True: print('x')": "KeyboardInterrupt",
    "print('x')\nwhile True: display('x')": "KeyboardInterrupt",
    "import sys\nprint('x')\nwhile True: print('x', file=sys.stderr); print('x')": "KeyboardInterrupt",
    "class Slow:\n    def __repr__(self):\n        print('x')\n        while True: pass\nSlow()": "KeyboardInterrupt",
    "import re\nprint('x')\n_ = re.match('(a+)+b', 'a' * 40)": "KeyboardInterrupt",
}


class Interrupts(kernel_harness.KernelTestCase):
    """SIGINT to the process group, as the launcher sends it."""

    def test_interrupts(self) -> None:
        """Whatever a cell does, it ends with an error, and the next one runs."""
        context = self.open()
        for code, name in ENDLESS.items():
            with self.subTest(code):
                self.assertEqual(self.interrupted(context, code).error[0], name)
                self.assertEqual(context.execute("1 + 1").value, "2")

    def interrupted(self, context: kernel_harness.Context, code: str) -> kernel_harness.Execution:
        """Interrupt `code` once it has printed."""
        sent: list[bool] = []

        def interrupt(execution: kernel_harness.Execution) -> None:
            if "x" in execution.stdout and not sent:
                sent.append(True)
                context.interrupt()

        return context.execute(code, while_running=interrupt)

    def test_shell_commands(self) -> None:
        """They get the signal, too; the cell goes on as with ipykernel."""
        context = self.open()
        context.execute("import os, sys")
        # Not a shell that first prints: it may lose a signal that comes before it waits.
        sleeper = f"{sys.executable} -c \"import time; print('x', flush=True); time.sleep(100)\""
        self.interrupted(context, f"!{sleeper}")
        self.assertEqual(context.execute("1 + 1").value, "2")
        self.assertNotEqual(self.interrupted(context, f"os.system({sleeper!r})").value, "0")

    def test_swallowed(self) -> None:
        """Code that catches it goes on; the next one reaches it again."""
        context = self.open()
        code = """
for text in 'xy':
    try:
        print(text)
        while True: pass
    except KeyboardInterrupt:
        pass
5"""

        seen: set[str] = set()

        def interrupt(execution: kernel_harness.Execution) -> None:
            if execution.stdout in ("x\n", "x\ny\n") and execution.stdout not in seen:
                seen.add(execution.stdout)
                context.interrupt()

        self.assertEqual(context.execute(code, while_running=interrupt).value, "5")

    def test_nothing_runs(self) -> None:
        """Then it is ignored."""
        context = self.open()
        for _ in range(20):
            context.interrupt()
        # The last one may arrive when the cell has begun.
        self.assertIn(context.execute("5").value, ("5", None))
        self.assertEqual(context.execute("6").value, "6")

    def test_any_moment(self) -> None:
        """Hundreds of interrupts at any time: every execution ends, with its value or one error."""
        context = self.open()
        delays = [number * 0.00002 for number in range(150)]
        for delay in delays:
            context.start("sum(range(2000))")
            end = time.monotonic() + delay
            while time.monotonic() < end:
                pass
            context.interrupt()
            execution = context.finish()
            self.assertEqual(len(execution.frames("done")), 1)
            if execution.value is None:
                self.assertEqual([error["name"] for error in execution.errors][:1], ["KeyboardInterrupt"])
        self.assertEqual(context.execute("1 + 1").value, "2")

    def test_a_frame_is_not_cut(self) -> None:
        """An interrupt in the middle of a long frame leaves the channel whole, with other threads or without."""
        context = self.open()
        for thread in (
            "",
            "import threading, time\nthreading.Thread(target=time.sleep, args=[5], daemon=True).start()\n",
        ):
            with self.subTest(thread):
                context.start(thread + "while True: display({'text/plain': 'x' * 20_000_000}, raw=True)")
                self.wait_until_full(context.guest.socket.fileno())
                context.interrupt()
                execution = context.finish()
                self.assertEqual(execution.error[0], "KeyboardInterrupt")
                self.assertEqual({len(data["text/plain"]) for data in execution.displays(False)}, {20_000_000})

    def wait_until_full(self, socket: int) -> None:
        """Wait until the guest can send no more as nobody reads."""
        deadline = time.monotonic() + harness.DEADLINE
        before = 0
        while True:
            self.assertLess(time.monotonic(), deadline)
            unread = int.from_bytes(fcntl.ioctl(socket, termios.FIONREAD, bytes(4)), sys.byteorder)
            if unread > 10_000 and unread == before:
                return
            before = unread
            time.sleep(0.02)


if __name__ == "__main__":
    unittest.main()
