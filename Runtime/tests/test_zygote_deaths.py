"""Whoever of the launcher, its zygotes and the server dies, nothing is left behind.

Needs root; see launcher_harness.py for what is run.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import launcher_case as case  # noqa: E402 - found through the line above
import launcher_harness as harness  # noqa: E402
import launcher_plan as plans  # noqa: E402

#: Stops at the limit of processes, and says at which error.
FORK_BOMB = """
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(60)
    except OSError as error:
        print(error.errno, flush=True)
        break
"""


class DeathTest(case.LauncherTest):
    """Whoever dies, nothing is left behind."""

    def test_a_killed_zygote_is_replaced_and_its_children_live_on(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        output, errors = sandbox.start(case.WAIT_FOR_SIGNAL)
        self.assertEqual(harness.read_line(output), "waiting\n")
        harness.kill(launcher.zygote_pid())
        lost = launcher.wait_for(harness.ZYGOTE_LOST)
        self.assertEqual((lost.value, lost.error), (0, signal.SIGKILL))
        # Waits for the next zygote.
        other = launcher.create()
        self.assertEqual(other.run("print(1)")[0], "1\n")
        launcher.request(harness.SIGNAL, sandbox.id, signal.SIGINT)
        self.assertEqual(harness.read_both(output, errors), ("interrupted\n", ""))
        self.assertEqual(os.waitstatus_to_exitcode(launcher.wait_for(harness.EXITED, sandbox.id).value), 0)
        launcher.destroy(sandbox)
        launcher.destroy(other)

    def test_forks_a_dead_zygote_owes_fail_with_esrch(self) -> None:
        launcher = self.launch_ready()
        zygote = launcher.zygote_pid()
        os.kill(zygote, signal.SIGSTOP)
        asked = [launcher.ask() for _ in range(5)]
        # Each init is a child of the worker's, and every fork was asked for once its socket to the worker is closed.
        worker = launcher.worker()
        harness.wait_until(lambda: sum(map(self._is_init, harness.children(worker))) == 5, "five inits are done")
        harness.kill(zygote)
        for number in asked:
            self.assertEqual(launcher.wait_for(harness.FAILED, number).error, errno.ESRCH)
        launcher.destroy(launcher.create())

    @staticmethod
    def _is_init(process: int) -> bool:
        # The worker also has children that live for a moment only.
        try:
            with open(f"/proc/{process}/comm", encoding="ascii") as file:
                return file.read() == "init\n" and harness.open_descriptors(process) == 0
        except (FileNotFoundError, ProcessLookupError):
            return False

    def test_destroying_what_waits_for_a_zygote(self) -> None:
        launcher = self.launch_ready()
        os.kill(launcher.zygote_pid(), signal.SIGSTOP)
        number = launcher.ask()
        launcher.request(harness.DESTROY, number)
        launcher.wait_for(harness.DESTROYED, number)

    def test_a_killed_worker_is_replaced_and_its_sandboxes_are_gone(self) -> None:
        launcher = self.launch_ready()
        sandboxes = [launcher.create() for _ in range(3)]
        output, errors = sandboxes[0].start(case.FAMILY)
        self.assertNotEqual(os.read(output, 1), b"")
        processes = launcher.descendants()
        harness.kill(launcher.worker())
        launcher.wait_for(harness.LAUNCHER_READY)
        self.assertEqual([process for process in processes if harness.is_running(process)], [])
        self.assertEqual([path for path in harness.left_cgroups(self.token) if "/s" in path.rsplit(self.token)[1]], [])
        harness.read_both(output, errors)
        launcher.wait_for(harness.ZYGOTE_READY)
        launcher.destroy(launcher.create())
        for sandbox in sandboxes:
            sandbox.close()

    def test_a_worker_that_keeps_dying_ends_the_launcher(self) -> None:
        launcher = self.launch(is_quiet=True)
        for _ in range(5):
            launcher.wait_for(harness.LAUNCHER_READY)
            harness.kill(launcher.worker())
        self.assertEqual(launcher.wait_for(harness.LAUNCHER_FAILED).error, errno.ECHILD)
        self.assertEqual(launcher.process.wait(harness.DEADLINE), 1)

    def test_a_killed_supervisor_takes_everything_with_it_and_the_next_sweeps(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        output, errors = sandbox.start(case.FAMILY)
        self.assertNotEqual(os.read(output, 1), b"")
        processes = launcher.descendants()
        harness.kill(launcher.process.pid)
        harness.read_both(output, errors)
        sandbox.close()
        harness.wait_until(lambda: not any(map(harness.is_running, processes)), "every process dies")
        left, self.token = self.token, self.token + "-next"
        if self.identity.mode == "root":
            self.assertNotEqual(harness.left_cgroups(left), [])
        other = self.launch_ready()
        self.assertEqual([path for path in harness.left_cgroups(left) if self.token not in path], [])
        self.assertEqual(other.close(), 0)

    def test_the_end_of_the_server_is_the_end_of_everything(self) -> None:
        for moment in range(20):
            with self.subTest(moment=moment):
                launcher = self.launch()
                if moment >= 5:
                    launcher.wait_for(harness.LAUNCHER_READY)
                if moment >= 10:
                    launcher.wait_for(harness.ZYGOTE_READY)
                for _ in range(moment):
                    launcher.ask()
                time.sleep(moment * 0.0005)
                processes = launcher.descendants()
                self.assertEqual(launcher.close(), 0)
                self.assertEqual([process for process in processes if harness.is_running(process)], [])
                self.assertEqual(harness.left_cgroups(self.token), [])

    def test_a_stopped_worker_does_not_survive_the_server(self) -> None:
        launcher = self.launch_ready()
        launcher.create().close()
        os.kill(launcher.worker(), signal.SIGSTOP)
        self.assertEqual(launcher.close(), 0)

    def test_the_launcher_ignores_the_terminals_signals(self) -> None:
        launcher = self.launch_ready()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            launcher.process.send_signal(number)
        launcher.destroy(launcher.create())

    def test_an_exhausted_sandbox_takes_nobody_with_it(self) -> None:
        launcher = self.launch_ready()
        sandbox, other = launcher.create(), launcher.create()
        output, errors = sandbox.start(FORK_BOMB)
        self.assertEqual(harness.read_line(output), f"{errno.EAGAIN}\n")
        self.assertEqual(other.run("print(1)")[0], "1\n")
        launcher.destroy(sandbox)
        harness.read_both(output, errors)
        launcher.destroy(other)


class FreezerTest(case.LauncherTest):
    """Frozen by version 1 of the freezer nothing dies until somebody thaws it."""

    def setUp(self) -> None:
        super().setUp()
        self.base = f"/sys/fs/cgroup/freezer/{plans.PREFIX}{self.token}"
        if not os.path.exists("/sys/fs/cgroup/freezer/cgroup.procs"):
            self.skipTest("needs version 1 of the freezer")

    def freeze(self, sandbox: harness.Sandbox) -> None:
        with open(f"{self.base}/s{sandbox.id}/freezer.state", "w", encoding="ascii") as file:
            file.write("FROZEN")

        def is_frozen() -> bool:
            with open(f"{self.base}/s{sandbox.id}/freezer.state", encoding="ascii") as file:
                return file.read() == "FROZEN\n"

        harness.wait_until(is_frozen, "frozen")

    def test_a_frozen_sandbox_is_destroyed(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        self.freeze(sandbox)
        launcher.destroy(sandbox)

    def test_a_worker_dies_with_frozen_sandboxes(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        self.freeze(sandbox)
        harness.kill(launcher.worker())
        launcher.wait_ready()
        sandbox.close()

    def test_a_launcher_ends_with_frozen_sandboxes(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        self.freeze(sandbox)
        sandbox.close()
        self.assertEqual(launcher.close(), 0)

    def test_a_sweep_frees_what_a_killed_launcher_left_frozen(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        self.freeze(sandbox)
        processes = launcher.descendants()
        harness.kill(launcher.process.pid)
        sandbox.close()
        left, self.token = self.token, self.token + "-next"
        other = self.launch_ready()
        self.assertEqual([path for path in harness.left_cgroups(left) if self.token not in path], [])
        self.assertEqual([process for process in processes if harness.is_running(process)], [])
        self.assertEqual(other.close(), 0)


if __name__ == "__main__":
    unittest.main()
