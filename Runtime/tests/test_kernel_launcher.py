"""Contexts inside the real walls: the launcher, the entry library and a zygote of kind `notebook`.

Needs root; see launcher_harness.py for what is run.
"""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
import unittest
from typing import Any, ClassVar

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness as guests  # noqa: E402 - found through the line above
import kernel_harness  # noqa: E402
import launcher_case as case  # noqa: E402
import launcher_harness as harness  # noqa: E402
import launcher_plan as plans  # noqa: E402

HAS_STACK = all(importlib.util.find_spec(name) for name in ("ipykernel", "pandas", "matplotlib"))

#: Index of the zygote in the plan.
NOTEBOOK = 1


class SandboxedContext(kernel_harness.Context):
    """A context in a sandbox."""

    def __init__(self, launcher: harness.Launcher, **opening: object) -> None:
        """Have a sandbox made, and open the context in it."""
        self.launcher = launcher
        self.sandbox = launcher.wait_created(launcher.ask(NOTEBOOK))
        channel: Any = guests.frames.Channel(os.dup(self.sandbox.channel.fileno()))
        self.greeting = channel.receive()[0]
        self.attach(channel, self.sandbox.channel.fileno(), "/home/user", **opening)

    def interrupt(self) -> None:
        """Ask the launcher for it."""
        self.launcher.request(harness.SIGNAL, self.sandbox.id, signal.SIGINT)

    def close(self) -> int:
        """Destroy the sandbox."""
        self.release()
        os.close(self.channel.detach())
        self.launcher.destroy(self.sandbox)
        return 0


@unittest.skipUnless(HAS_STACK, "needs ipykernel and the libraries")
class WallsTest(case.LauncherTest):
    """What notebook users do, in a sandbox."""

    environment: ClassVar[str] = os.path.dirname(os.path.dirname(sys.executable))

    @classmethod
    def setUpClass(cls) -> None:
        if (reason := case.skip_reason()) is not None:
            case.skip(reason)
        context = harness.prepared_folder(os.path.realpath(cls.environment))
        cls.folder = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def plan(self, slots: int = 64) -> plans.Plan:
        """A plan with a zygote for contexts."""
        imports = kernel_harness.IMPORTS
        plan = plans.make_plan(self.folder, self.identity, self.token, None, slots, notebook=imports)
        # The environment is a link, which a bind follows only as a real path.
        source = os.path.realpath(f"{self.folder}/venv")
        index = next(n for n, line in enumerate(plan.sections["root"]) if line[:2] == ("bind", f"{self.folder}/venv"))
        plan.sections["root"][index] = ("bind", source, "/opt/code-interpreter/venv", "read-only")
        return plan

    def open(self, **opening: object) -> SandboxedContext:
        """A launcher, and an open context of it."""
        launcher = self.launch()
        launcher.wait_ready(zygotes=2)
        context = SandboxedContext(launcher, **opening)
        self.assertEqual((context.greeting, context.answer), ({"type": "ready"}, {"type": "opened"}))
        return context

    def test_a_notebook(self) -> None:
        """Values, figures, tables, commands, interrupts, each in one context."""
        context = self.open()
        self.assertEqual((context.execute("1+1").value, context.number), ("2", 1))
        (figure,) = context.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2], label='l');").displays(False)
        self.assertTrue(figure["image/png"].startswith("iVBOR"))
        self.assertEqual(figure["e2b/chart"]["type"], "line")
        table = context.execute("import pandas as pd\npd.DataFrame({'a': [1, 2]})").displays(True)[0]
        self.assertEqual(table["e2b/data"], {"a": [1, 2]})
        self.assertEqual(context.execute("!echo hello").stdout, "hello\r\n")
        self.assertEqual(context.execute("%%bash\nid -u; pwd").stdout, "1000\n/home/user\n")
        self.assertEqual(
            context.execute("import os\n_ = os.system('echo $HOME; echo $PPID')").stdout, "/home/user\n2\n"
        )
        self.assertIn("no network", context.execute("%pip install nothing-like-this").stderr)
        code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True).stdout"
        self.assertEqual(context.execute(code).value, r"b'5\n'")
        pool = "import multiprocessing\nwith multiprocessing.Pool(1) as pool: print(pool.map(abs, [-1]))"
        self.assertEqual(context.execute(pool).stdout, "[1]\n")
        execution = context.execute(
            "import time\nprint('x')\ntime.sleep(100)",
            while_running=lambda seen: context.interrupt() if seen.events[-1][0] == "stdout" else None,
        )
        self.assertEqual(execution.error[0], "KeyboardInterrupt")
        self.assertEqual(context.execute("2+2").value, "4")
        self.assertTrue(context.execute("exit()").ends)
        context.close()

    def test_the_way_in_costs_little(self) -> None:
        """A waiting context has one thread, and memory of its own below the bound."""
        context = self.open()
        status = context.execute(
            "print(open('/proc/self/smaps_rollup').read(), open('/proc/self/status').read())"
        ).stdout
        dirty = re.search(r"Private_Dirty: +(\d+) kB", status)
        assert dirty is not None
        self.assertLess(int(dirty.group(1)), 12 << 10)
        self.assertRegex(status, r"Threads:\t1\n")
        self.assertRegex(status, r"Seccomp:\t2\n")
        context.close()

    def test_siblings_differ(self) -> None:
        """Three contexts of one zygote share no random state, although their process ids are the same."""
        code = """
import os, random, secrets, ssl, tempfile, uuid, numpy
print(os.getpid(), random.random(), random.Random().random(), numpy.random.rand(), numpy.random.default_rng().random())
print(ssl.RAND_bytes(8).hex())
print(uuid.uuid4(), uuid.uuid1(), secrets.token_hex(), tempfile.mktemp(), get_ipython().kernel.session.session)
"""
        launcher = self.launch()
        launcher.wait_ready(zygotes=2)
        words = []
        for _ in range(3):
            context = SandboxedContext(launcher)
            words.append(context.execute(code).stdout.split())
            context.close()
        self.assertEqual(len({row.pop(0) for row in words}), 1)
        for values in zip(*words, strict=True):
            self.assertEqual(len(set(values)), 3, values)


if __name__ == "__main__":
    unittest.main()
