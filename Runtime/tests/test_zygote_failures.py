"""Each step of a plan that fails says where, and undoes what came before it.

Needs root; see launcher_harness.py for what is run.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import launcher_case as case  # noqa: E402 - found through the line above
import launcher_harness as harness  # noqa: E402
import launcher_plan as plans  # noqa: E402


class UnfitZygoteTest(case.LauncherTest):
    """A zygote that would give its children what is not theirs does not serve."""

    def assert_does_not_serve(self, preparation: str) -> None:
        plan = self.plan()
        for index, line in enumerate(plan.sections["root"]):
            if line[:2] == ("file", "/opt/code-interpreter/runtime/warm.py"):
                source = f"{line[3]}\n\ndef prepare(kind, imports):\n    {preparation}\n"
                plan.sections["root"][index] = (*line[:3], source)
        launcher = self.launch(plan, is_quiet=True)
        launcher.wait_for(harness.LAUNCHER_READY)
        for _ in range(2):
            lost = launcher.wait(lambda event: event.kind in (harness.ZYGOTE_READY, harness.ZYGOTE_LOST))
            self.assertEqual((lost.kind, os.waitstatus_to_exitcode(lost.error)), (harness.ZYGOTE_LOST, 1))

    def test_a_thread(self) -> None:
        self.assert_does_not_serve("import _thread, time; _thread.start_new_thread(time.sleep, (60,))")

    def test_a_descriptor(self) -> None:
        self.assert_does_not_serve("global leaked; leaked = open('/etc/passwd')")

    def test_an_exception(self) -> None:
        self.assert_does_not_serve("1 / 0")

    def test_a_seccomp_program_that_did_not_come(self) -> None:
        plan = self.plan()
        plan.replace("entry", "seccomp", "seccomp", "2")
        launcher = self.launch(plan, is_quiet=True)
        lost = launcher.wait(lambda event: event.kind in (harness.ZYGOTE_READY, harness.ZYGOTE_LOST))
        self.assertEqual((lost.kind, os.waitstatus_to_exitcode(lost.error)), (harness.ZYGOTE_LOST, 1))

    def test_a_child_whose_part_breaks_does_not_become_a_zygote(self) -> None:
        plan = self.plan()
        for index, line in enumerate(plan.sections["root"]):
            if line[:2] == ("file", "/opt/code-interpreter/runtime/child.py"):
                source = "def serve(channel, kind):\n    raise SystemExit(0)\n"
                plan.sections["root"][index] = (*line[:3], source)
        launcher = self.launch_ready(plan)
        sandbox = launcher.wait_created(launcher.ask())
        self.assertRaises(EOFError, sandbox.receive)
        exited = launcher.wait_for(harness.EXITED, sandbox.id)
        self.assertEqual(os.waitstatus_to_exitcode(exited.value), 125)
        launcher.destroy(sandbox)


class FailingStepTest(case.LauncherTest):
    """Each step that fails says where, and undoes what came before it."""

    def assert_launcher_fails(self, plan: plans.Plan, section: str, step: int, error: int) -> None:
        launcher = self.launch(plan, is_quiet=True)
        self.assert_failed(launcher.wait_for(harness.LAUNCHER_FAILED), section, step, error)
        self.assertEqual(launcher.process.wait(harness.DEADLINE), 1)
        self.assertEqual(harness.left_cgroups(self.token), [])

    def test_lines_that_are_no_steps(self) -> None:
        for section, line in (
            ("launcher", ("slots", "x", "1")),
            ("root", ("dance",)),
            ("root", ("file", "/x", "0999", "")),
            ("limits", ("write", "memory", "memory.limit_in_bytes")),
            ("init", ("hostname", "a", "b")),
        ):
            with self.subTest(section=section, line=line):
                plan = self.plan()
                plan.sections[section].insert(0, line)
                self.assert_launcher_fails(plan, section, 0, errno.EINVAL)

    def test_sections_out_of_order(self) -> None:
        text = self.plan().encode().replace(b"[limits]", b"[entry]")
        launcher = harness.Launcher(f"{self.folder}/sandbox-launcher", text, self.identity, subprocess.DEVNULL)
        self.addCleanup(launcher.close)
        self.assertEqual(launcher.wait_for(harness.LAUNCHER_FAILED).error, errno.EINVAL)

    def test_a_missing_source_of_a_bind(self) -> None:
        plan = self.plan()
        step = plan.replace("root", "bind", "bind", "/no/such/path", "/x", "read-only", nth=1)
        self.assert_launcher_fails(plan, "root", step, errno.ENOENT)

    def test_a_link_in_the_template_does_not_lead_out(self) -> None:
        plan = self.plan()
        enter = plan.index("root", "enter")
        plan.sections["root"][enter:enter] = [
            ("symlink", "/out", "/run"),
            ("directory", "/run", "0755"),
            ("file", "/out/launcher-harness", "0644", "x"),
        ]
        launcher = self.launch_ready(plan)
        self.assertFalse(os.path.exists("/run/launcher-harness"))
        sandbox = launcher.create()
        self.assertEqual(sandbox.run("print(open('/run/launcher-harness').read())")[0], "x\n")
        launcher.destroy(sandbox)

    def test_a_cgroup_that_cannot_be_made(self) -> None:
        plan = self.plan()
        step = plan.replace("launcher", "cgroup", "cgroup", "1", "cpu", "/no/such/path", nth=1)
        self.assert_launcher_fails(plan, "launcher", step, errno.ENOENT)

    def assert_create_fails(self, plan: plans.Plan, section: str, step: int, error: int) -> None:
        launcher = self.launch_ready(plan)
        worker = launcher.worker()
        self.assert_failed(launcher.wait_for(harness.FAILED, launcher.ask()), section, step, error)
        known = harness.open_descriptors(worker)
        for _ in range(20):
            self.assert_failed(launcher.wait_for(harness.FAILED, launcher.ask()), section, step, error)
        self.assertEqual(harness.open_descriptors(worker), known)
        self.assertEqual(len(harness.children(worker)), 1)
        self.assertEqual([path for path in harness.left_cgroups(self.token) if "/s" in path.rsplit(self.token)[1]], [])
        self.assertEqual(launcher.close(), 0)

    def test_a_limit_that_cannot_be_set(self) -> None:
        plan = self.plan()
        step = plan.replace("limits", "write", "write", "memory", "memory.limit_in_bytes", "many")
        self.assert_create_fails(plan, "limits", step, errno.EINVAL)

    def test_a_limit_that_is_missing(self) -> None:
        plan = self.plan()
        step = plan.replace("limits", "write", "write", "memory", "memory.no_such_file", "1")
        self.assert_create_fails(plan, "limits", step, errno.ENOENT)

    def test_a_statistics_file_that_is_missing(self) -> None:
        plan = self.plan()
        step = plan.replace("statistics", "attempt", "open", "memory", "memory.no_such_file")
        self.assert_create_fails(plan, "statistics", step, errno.ENOENT)

    def test_a_workspace_option_that_is_unknown(self) -> None:
        plan = self.plan()
        step = plan.replace("workspace", "option", "option", "dance", "1", nth=1)
        self.assert_create_fails(plan, "workspace", step, errno.EINVAL)

    def test_every_step_of_init(self) -> None:
        for verb, line, error in (
            ("workspace", ("workspace", "/no/such/path"), errno.ENOENT),
            ("tmpfs", ("tmpfs", "/tmp", "dance=1"), errno.EINVAL),
            ("devpts", ("devpts", "/no/such/path", "max=16"), errno.ENOENT),
            ("proc", ("proc", "/no/such/path", ""), errno.ENOENT),
            ("hostname", ("hostname", "x" * 65), errno.EINVAL),
            ("mask", ("mask", "/proc/cmdline", "/no/such/path"), errno.ENOENT),
        ):
            with self.subTest(verb=verb):
                plan = self.plan()
                step = plan.replace("init", verb, *line)
                self.assert_create_fails(plan, "init", step, error)

    def test_every_step_of_entry(self) -> None:
        for verb, line, error in (
            ("directory", ("directory", "/no/such/path"), errno.ENOENT),
            ("identity", ("identity", "0", "0"), errno.EINVAL),
            ("landlock-allow", ("landlock-allow", "/no/such/path", "1"), errno.ENOENT),
            ("landlock-handle", ("landlock-handle", "ffffffffffffffff", "0"), errno.EINVAL),
            ("drop-bounding-set", ("drop-capabilities",), errno.EPERM),
        ):
            with self.subTest(verb=verb):
                plan = self.plan()
                step = plan.replace("entry", verb, *line)
                launcher = self.launch_ready(plan)
                sandbox = launcher.wait_created(launcher.ask())
                frame = sandbox.receive()
                self.assertEqual((frame["type"], frame["errno"]), ("failed", error))
                # Where a step was left out, a later one fails.
                self.assertGreaterEqual(int(str(frame["step"])), step)
                exited = launcher.wait_for(harness.EXITED, sandbox.id)
                self.assertEqual(os.waitstatus_to_exitcode(exited.value), 125)
                launcher.destroy(sandbox)
                self.assertEqual(launcher.close(), 0)


if __name__ == "__main__":
    unittest.main()
