"""What the tests of the launcher share: its files, and launchers that are gone afterwards."""

from __future__ import annotations

import os
import random
import subprocess
import unittest
from typing import ClassVar

import launcher_harness as harness
import launcher_plan as plans

#: Sleeps until it is interrupted.
WAIT_FOR_SIGNAL = """
import time
try:
    print('waiting', flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print('interrupted')
"""

#: Fills a group of processes that ignore everything but SIGKILL.
FAMILY = """
import os, signal, time
for number in range(5):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('child', flush=True)
        time.sleep(60)
        os._exit(0)
print('parent', flush=True)
time.sleep(60)
"""


def skip_reason() -> str | None:
    """Why these tests cannot run here."""
    if os.geteuid() != 0:
        return "needs root"
    for name in ("sandbox-launcher", "libSandboxEntry.so"):
        if not os.path.exists(os.path.join(harness.build_folder(), name)):
            return f"{name} is not built, see swift build --product"
    return None


def skip(reason: str) -> None:
    """Skip a test; where CI is set, fail instead: there nothing of this may be missing."""
    if os.environ.get("CI"):
        raise RuntimeError(reason)
    raise unittest.SkipTest(reason)


class LauncherTest(unittest.TestCase):
    """What the tests share: files, and launchers that are gone afterwards."""

    folder: ClassVar[str]
    identity: ClassVar[plans.Identity] = plans.Identity("root")

    @classmethod
    def setUpClass(cls) -> None:
        if (reason := skip_reason()) is not None:
            skip(reason)
        context = harness.prepared_folder()
        cls.folder = context.__enter__()
        cls.addClassCleanup(context.__exit__, None, None, None)

    def setUp(self) -> None:
        self.token = f"{os.getpid()}-{random.randrange(1 << 30)}"
        self.descriptors = harness.open_descriptors(os.getpid())
        self.addCleanup(self.assert_nothing_left)

    def assert_nothing_left(self) -> None:
        self.assertEqual(harness.left_cgroups(self.token), [])
        self.assertEqual(harness.children(os.getpid()), [])
        self.assertEqual(harness.open_descriptors(os.getpid()), self.descriptors)

    def plan(self, slots: int = 64) -> plans.Plan:
        return plans.make_plan(self.folder, self.identity, self.token, None, slots)

    def launch(self, plan: plans.Plan | None = None, is_quiet: bool = False) -> harness.Launcher:
        text = (plan or self.plan()).encode()
        launcher = harness.Launcher(
            f"{self.folder}/sandbox-launcher", text, self.identity, subprocess.DEVNULL if is_quiet else None
        )
        self.addCleanup(launcher.close)
        return launcher

    def launch_ready(self, plan: plans.Plan | None = None) -> harness.Launcher:
        launcher = self.launch(plan)
        launcher.wait_ready()
        return launcher

    def assert_failed(self, event: harness.Event, section: str, step: int, error: int) -> None:
        self.assertEqual((event.section, event.step, event.error), (harness.SECTIONS[section], step, error))
