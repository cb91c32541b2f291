"""What a notebook user finds in a context, cell by cell."""

from __future__ import annotations

import os
import time
import unittest

import harness
import kernel_harness

#: Tries to find the runtime.
LOOK_AROUND = """
import gc, sys
names = ('cells', 'child', 'context', 'display', 'frames', 'jupyter_bridge', 'kernel', 'output', 'script', 'warm')
print([name for name in names if name in sys.modules])
print([path for path in sys.path + list(sys.path_importer_cache) if {runtime!r} in path])
print([name for name, module in sys.modules.items() if {runtime!r} in str(getattr(module, '__file__', ''))])
"""


class Basics(kernel_harness.KernelTestCase):
    """Values, output, errors and what stays between cells."""

    def test_questions_of_jupyter_kernel_test(self) -> None:
        """The usual questions to a kernel have the usual answers."""
        context = self.open()
        self.assertEqual(context.execute("print('hello, world')").stdout, "hello, world\n")
        self.assertEqual(context.execute("import sys; print('test', file=sys.stderr)").stderr, "test\n")
        self.assertEqual(context.execute("6 * 7").value, "42")
        self.assertEqual(context.execute("raise ValueError('wrong')").error, ("ValueError", "wrong"))
        html = context.execute("from IPython.display import HTML, display\ndisplay(HTML('<b>test</b>'))")
        self.assertEqual(html.displays(False)[0]["text/html"], "<b>test</b>")
        self.assertEqual(context.execute("%history").stdout.splitlines()[0], "print('hello, world')")
        (page,) = context.execute("zip?").displays(False)
        self.assertIn("iterable", page["text/plain"])

    def test_counts(self) -> None:
        """They begin with 1, go up with every cell that says anything, and Out has those numbers."""
        context = self.open()
        self.assertEqual(context.execute("").count, 1)
        self.assertEqual(context.execute(" \n\t").count, 1)
        self.assertEqual(context.execute("'one'").count, 1)
        self.assertEqual(context.execute("1 / 0").count, 2)
        self.assertEqual(context.execute("# nothing").count, 3)
        self.assertEqual(
            context.execute("Out, In[1:]").value, "({1: 'one'}, [\"'one'\", '1 / 0', '# nothing', 'Out, In[1:]'])"
        )
        self.assertEqual(context.execute("").count, 5)

    def test_nothing_of_the_zygote_is_left(self) -> None:
        """Names, history and modules are those of a kernel that has just begun."""
        context = self.open()
        names = "In Out _ __ ___ _dh _i _i1 _ih _ii _iii _oh exit get_ipython open quit"
        self.assertEqual(
            context.execute(
                "print(*sorted(n for n in globals() if n[:3] == '___' or n[-2:] != '__' or n == '__'))"
            ).stdout,
            names + "\n",
        )
        self.assertEqual(context.execute("%tb").stderr, "No traceback available to show.\n")
        looked = context.execute(LOOK_AROUND.format(runtime=harness.RUNTIME))
        self.assertEqual(looked.stdout, "[]\n[]\n[]\n")
        listed = context.execute("import os\nsorted(int(n) for n in os.listdir('/proc/self/fd'))[-3:]")
        self.assertEqual(listed.value, "[900, 901, 902]")

    def test_one_thread(self) -> None:
        """There is no other, also after a cell that awaits."""
        context = self.open()
        context.execute("import asyncio\nawait asyncio.sleep(0)")
        self.assertEqual(context.execute("import os\nlen(os.listdir('/proc/self/task'))").value, "1")

    def test_exit_ends_in_its_own_cell(self) -> None:
        """The rest of the cell runs, exit functions too, and the process ends by itself; every way of saying it."""
        still = "\nprint('still')"
        for code in ("exit", "quit", "exit()" + still, "quit()" + still, "get_ipython().ask_exit()" + still):
            with self.subTest(code):
                context = kernel_harness.Context(self.nursery, self.workspace)
                try:
                    context.execute("import atexit\natexit.register(print, 'bye')")
                    execution = context.execute(code)
                    self.assertEqual(
                        (execution.ends, execution.stdout), (True, "still\nbye\n"[-4 - 6 * ("(" in code) :])
                    )
                finally:
                    self.assertEqual(context.close(), 0)

    def test_exit_of_an_earlier_cell_ends_nothing(self) -> None:
        """A task that calls exit later, between cells or during another, leaves that one alone."""
        context = self.open()
        context.execute("""
import asyncio, os
left = []
async def leave(when):
    await when.wait()
    exit()
    left.append(1)
first, second = asyncio.Event(), asyncio.Event()
tasks = [asyncio.create_task(leave(first)), asyncio.create_task(leave(second))]
_ = asyncio.get_running_loop().call_later(0.005, first.set)
""")
        execution = context.execute("second.set()\nwhile len(left) < 2: await asyncio.sleep(0.001)\n5")
        self.assertEqual((execution.ends, execution.value), (False, "5"))

    def test_sys_exit_is_an_error(self) -> None:
        """The kernel lives on."""
        context = self.open()
        self.assertEqual(context.execute("import sys\nsys.exit(3)").error, ("SystemExit", "3"))
        self.assertEqual(context.execute("5").value, "5")

    def test_input_is_refused(self) -> None:
        """Nobody could answer."""
        context = self.open()
        for code in ("input()", "import getpass\ngetpass.getpass()", "breakpoint()\nx = 1", "1 / 0\n", "%debug"):
            with self.subTest(code):
                name, _ = context.execute(code).error
                self.assertEqual(name, "ZeroDivisionError" if code == "1 / 0\n" else "StdinNotImplementedError")

    def test_wrong_use_of_a_magic_is_an_error(self) -> None:
        """It is told in the reply alone by ipykernel."""
        execution = self.open().execute("%nothing_like_this")
        self.assertEqual(execution.error, ("UsageError", "Line magic function `%nothing_like_this` not found."))
        self.assertIn("UsageError", execution.stderr)

    def test_packages_without_network(self) -> None:
        """What is installed counts as found, what is not is refused at once and said clearly."""
        context = self.open()
        context.execute(
            "import socket, os\nsocket.if_nameindex = lambda: [(1, 'lo')]\nos.environ['PIP_NO_INDEX'] = '1'"
        )
        refused = context.execute("%pip install nothing-like-this")
        self.assertIn("no network", refused.stderr)
        self.assertIn("no network", context.execute("!pip install nothing-like-this").stderr)
        self.assertEqual(context.execute("%pip install ipykernel").stderr, "")

    def test_history_stays_off_the_disk(self) -> None:
        """Nothing is written to home or workspace."""
        context = self.open(environment={"HOME": self.workspace})
        context.execute("5")
        context.execute("%history")
        self.assertEqual(os.listdir(self.workspace), [])

    def test_stored_variables(self) -> None:
        """They are kept outside of the workspace."""
        context = self.open()
        self.assertEqual(context.execute("kept = 5\n%store kept").stdout, "Stored 'kept' (int)\n")
        self.assertEqual(context.execute("del kept\n%store -r kept\nkept").value, "5")
        self.assertEqual(os.listdir(self.workspace), [])


class Opening(kernel_harness.KernelTestCase):
    """The first frame."""

    def test_directory(self) -> None:
        """Code begins there, also for the magics."""
        context = self.open()
        self.assertEqual(context.execute("import os\nos.getcwd()").value, repr(self.workspace))
        self.assertEqual(context.execute("%pwd").value, repr(self.workspace))
        self.assertEqual(context.execute("_dh").value, f"[PosixPath({self.workspace!r})]")
        context.execute("open('local.py', 'w').write('here = 5')")
        self.assertEqual(context.execute("import local\nlocal.here").value, "5")

    def test_wrong_directories_are_refused(self) -> None:
        """The process ends then."""
        file = os.path.join(self.workspace, "file")
        with open(file, "w", encoding="utf-8"):
            pass
        for folder in (os.path.join(self.workspace, "missing"), file, "\0"):
            with self.subTest(folder):
                context = kernel_harness.Context(self.nursery, self.workspace, cwd=folder)
                self.assertEqual((context.answer["type"], context.answer["reason"]), ("refused", "directory"))
                self.assertEqual(context.close(), 0)

    def test_environment(self) -> None:
        """It stays; that of one execution goes again, and what was there before is back."""
        context = self.open(environment={"STAYS": "1", "COVERED": "before", "TZ": "XYZ5"})
        look = "import os\nprint(*(os.environ.get(n) for n in ('STAYS', 'COVERED', 'NEW')))"
        self.assertEqual(context.execute(look).stdout, "1 before None\n")
        values = {"COVERED": "'quoted'\n\"", "NEW": "new"}
        self.assertEqual(context.execute(look, values).stdout, "1 'quoted'\n\" new\n")
        self.assertEqual(context.execute(look).stdout, "1 before None\n")
        context.execute("os.environ['COVERED'] = 'changed'\ndel os.environ['NEW']\n1 / 0", values)
        self.assertEqual(context.execute(look).stdout, "1 before None\n")
        self.assertEqual(context.execute("!echo $NEW", {"NEW": "seen by a shell"}).stdout, "seen by a shell\r\n")
        self.assertEqual(context.execute("import time\ntime.tzname[0]").value, "'XYZ'")
        self.assertEqual(context.execute("time.tzname[0]", {"TZ": "ABC1"}).value, "'ABC'")
        self.assertEqual(context.execute("time.tzname[0]").value, "'XYZ'")

    def test_impossible_variables_are_an_error_of_the_cell(self) -> None:
        """Its code does not run."""
        context = self.open()
        for name, value in (("a=b", "x"), ("A", "x\0y"), ("", "x")):
            with self.subTest(name):
                execution = context.execute("print('ran')", {name: value})
                self.assertEqual((execution.stdout, len(execution.errors)), ("", 1))
        self.assertEqual(context.execute("5").value, "5")

    def test_other_languages_need_the_bridge(self) -> None:
        """Without one the context is refused."""
        context = kernel_harness.Context(self.nursery, self.workspace, language="no such language")
        self.assertEqual(context.answer["type"], "refused")
        context.close()


class Loop(kernel_harness.KernelTestCase):
    """The event loop."""

    def test_tasks_go_on_while_nothing_runs(self) -> None:
        """Until the next cell, not only during it."""
        context = self.open()
        path = os.path.join(self.workspace, "ticks")
        context.execute(f"""
import asyncio
async def tick():
    for number in range(5):
        await asyncio.sleep(0.001)
        open({path!r}, 'a').write('x')
task = asyncio.create_task(tick())
""")
        deadline = time.monotonic() + harness.DEADLINE
        while not os.path.exists(path) or os.path.getsize(path) < 5:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.001)
        self.assertEqual(context.execute("task.done()").value, "True")

    def test_stopping_the_loop_stops_nothing(self) -> None:
        """Nor do errors that no event loop survives."""
        context = self.open()
        context.execute("import asyncio\nloop = asyncio.get_running_loop()\nloop.stop()")
        self.assertEqual(context.execute("5").value, "5")
        context.execute("async def leave():\n    raise SystemExit(3)\ntask = asyncio.create_task(leave())")
        self.assertEqual(context.execute("await asyncio.sleep(0.01)\n6").value, "6")
        context.execute("for t in asyncio.all_tasks(): t.cancel()")
        self.assertEqual(context.execute("await asyncio.sleep(0)\n7").value, "7")

    def test_late_output(self) -> None:
        """What threads and tasks print after their cell arrives at once, what they display with the next."""
        context = self.open()
        context.execute("""
import threading
go = threading.Event()
def speak():
    go.wait()
    print('late')
    display('late display')
    done.set()
done = threading.Event()
thread = threading.Thread(target=speak)
thread.start()
import asyncio
async def release():
    await asyncio.sleep(0.01)
    go.set()
task = asyncio.create_task(release())
""")
        seen = kernel_harness.Execution()
        while seen.stdout != "late\n":
            context.read(seen, time.monotonic() + harness.DEADLINE)
        self.assertEqual(context.execute("done.wait()\n5").displays(False), [{"text/plain": "'late display'"}])


if __name__ == "__main__":
    unittest.main()
