"""The launcher, the entry library and the zygote together, against the real kernel.

Needs root; see launcher_harness.py for what is run.
"""

from __future__ import annotations

import errno
import os
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import launcher_case as case  # noqa: E402 - found through the line above
import launcher_harness as harness  # noqa: E402
import launcher_plan as plans  # noqa: E402


class RunningTest(case.LauncherTest):
    """What a program finds and what the server learns of it."""

    def test_a_program_runs_and_its_end_is_told(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        self.assertEqual(sandbox.run("print('hello')\nraise SystemExit(3)"), ("hello\n", "", 3))
        self.assertEqual(os.waitstatus_to_exitcode(launcher.wait_for(harness.EXITED, sandbox.id).value), 3)
        launcher.destroy(sandbox)

    def test_a_program_has_no_privileges_and_no_descriptors(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        code = "import os\nprint(open('/proc/self/status').read(), sorted(map(int, os.listdir('/proc/self/fd'))))"
        output, _, _ = sandbox.run(code)
        status = dict(line.split(":", 1) for line in output.splitlines() if ":" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
        self.assertEqual(status["Uid"].split(), ["1000"] * 4)
        self.assertEqual(status["Gid"].split(), ["1000"] * 4)
        if self.identity.mode != "single":
            self.assertEqual(status["Groups"].split(), [])
        self.assertEqual(status["SigBlk"].strip(), "0" * 16)
        # 3 is the listing itself, 900 the channel.
        self.assertEqual(output.splitlines()[-1], " [0, 1, 2, 3, 900]")
        launcher.destroy(sandbox)

    def test_the_workspace_is_one_tree_for_the_server_and_both_paths(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        code = "import os\nopen('a', 'w').write('x')\nprint(open('/home/user/a').read(), os.stat('a').st_uid)"
        self.assertEqual(sandbox.run(code)[0], "x 1000\n")
        self.assertEqual(harness.read_workspace(sandbox, "a"), b"x")
        launcher.request(harness.DESTROY, sandbox.id)
        launcher.wait_for(harness.DESTROYED, sandbox.id)
        self.assertEqual(harness.read_workspace(sandbox, "a"), b"x")
        sandbox.close()

    def test_the_template_is_read_only(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        code = (
            "import errno\n"
            "for path in ('/x', '/etc/passwd', '/usr/x', '/opt/code-interpreter/runtime/zygote.py', '/dev/x'):\n"
            "  try: open(path, 'a')\n"
            "  except OSError as error: print(errno.errorcode[error.errno])\n"
        )
        self.assertLessEqual(set(sandbox.run(code)[0].split()), {"EROFS", "EACCES"})
        launcher.destroy(sandbox)

    def test_the_plan_chooses_among_the_seccomp_programs(self) -> None:
        code = (
            "import errno, socket\n"
            "try: socket.socket(); print('made')\n"
            "except OSError as error: print(errno.errorcode[error.errno])\n"
        )
        for number, answer in (("0", "made\n"), ("1", "EDOM\n")):
            with self.subTest(number=number):
                plan = self.plan()
                plan.replace("entry", "seccomp", "seccomp", number)
                launcher = self.launch_ready(plan)
                sandbox = launcher.create()
                self.assertEqual(sandbox.run(code)[0], answer)
                launcher.destroy(sandbox)
                launcher.close()

    def test_sandboxes_do_not_see_each_other_nor_init(self) -> None:
        launcher = self.launch_ready()
        first, second = launcher.create(), launcher.create()
        code = "open('/tmp/mine', 'w')\nopen('/dev/shm/mine', 'w')\nimport time\nprint(1, flush=True)\ntime.sleep(60)"
        output, errors = first.start(code)
        self.assertNotEqual(os.read(output, 1), b"")
        code = "from os import *\nprint(*filter(str.isdigit, listdir('/proc')), listdir('/tmp'), listdir('/dev/shm'))"
        self.assertEqual(second.run(code)[0], "2 [] []\n")
        launcher.destroy(first)
        harness.read_both(output, errors)
        launcher.destroy(second)

    def test_a_signal_reaches_the_process_group(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        output, errors = sandbox.start(case.WAIT_FOR_SIGNAL)
        self.assertEqual(harness.read_line(output), "waiting\n")
        launcher.request(harness.SIGNAL, sandbox.id, signal.SIGINT)
        self.assertEqual(harness.read_both(output, errors), ("interrupted\n", ""))
        launcher.destroy(sandbox)

    def test_a_killed_program_is_told_by_its_wait_status(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        harness.read_both(*sandbox.start("import os\nos.kill(os.getpid(), 9)"))
        self.assertEqual(launcher.wait_for(harness.EXITED, sandbox.id).value, signal.SIGKILL)
        self.assertRaises(EOFError, sandbox.receive)
        launcher.destroy(sandbox)

    def test_destroying_ends_every_process_of_a_sandbox(self) -> None:
        launcher = self.launch_ready()
        before = set(launcher.descendants())
        sandbox = launcher.create()
        output, errors = sandbox.start(case.FAMILY)
        text = b""
        while text.count(b"\n") < 6:
            text += os.read(output, 100)
        inside = set(launcher.descendants()) - before
        self.assertEqual(len(inside), 7)
        launcher.destroy(sandbox)
        self.assertEqual([process for process in inside if harness.is_running(process)], [])
        harness.read_both(output, errors)

    def test_the_launcher_and_its_zygotes_keep_few_capabilities(self) -> None:
        launcher = self.launch_ready()
        for process in (launcher.worker(), launcher.zygote_pid()):
            with open(f"/proc/{process}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
            # chroot, ptrace, admin, resource; kill, setgid, setuid, setpcap, net admin, dac override, setfcap.
            kept = {1, 5, 6, 7, 8, 12, 18, 19, 21, 24, 31}
            for name in ("CapPrm", "CapEff", "CapBnd"):
                mask = int(status[name], 16)
                self.assertLessEqual({number for number in range(64) if mask >> number & 1}, kept, name)
            self.assertEqual(status["NoNewPrivs"].strip(), "1")


class RequestTest(case.LauncherTest):
    """Requests that cannot be met, and many at once."""

    def test_wrong_requests_are_refused(self) -> None:
        launcher = self.launch_ready()
        for number, zygote, error in ((0, 0, errno.EINVAL), (5, 7, errno.EINVAL), (6, -1, errno.EINVAL)):
            launcher.request(harness.CREATE, number, zygote)
            self.assertEqual(launcher.wait_for(harness.FAILED, number).error, error)
        sandbox = launcher.create()
        launcher.request(harness.CREATE, sandbox.id, 0)
        self.assertEqual(launcher.wait_for(harness.FAILED, sandbox.id).error, errno.EEXIST)
        launcher.request(harness.DESTROY, 12345)
        launcher.wait_for(harness.DESTROYED, 12345)
        launcher.request(99, 1)
        launcher.request(harness.SIGNAL, 12345, 9)
        launcher.destroy(sandbox)

    def test_slots_are_limited_and_free_again(self) -> None:
        launcher = self.launch_ready(self.plan(slots=2))
        first, second = launcher.create(), launcher.create()
        event = launcher.wait_for(harness.FAILED, launcher.ask())
        self.assertEqual(event.error, errno.EAGAIN)
        launcher.destroy(first)
        launcher.destroy(launcher.create())
        launcher.destroy(second)

    def test_two_hundred_overlap(self) -> None:
        launcher = self.launch_ready(self.plan(slots=200))
        asked = [launcher.ask() for _ in range(200)]
        sandboxes = [launcher.wait_created(number) for number in asked]
        for sandbox in sandboxes:
            sandbox.expect_ready()
        for sandbox in sandboxes:
            self.assertEqual(sandbox.run(f"print({sandbox.id})")[0], f"{sandbox.id}\n")
        for sandbox in sandboxes:
            launcher.destroy(sandbox)

    def test_destroying_at_any_moment_leaves_nothing(self) -> None:
        launcher = self.launch_ready()
        worker = launcher.worker()
        launcher.destroy(launcher.create())
        seed = random.randrange(1 << 30)
        generator = random.Random(seed)
        with self.subTest(seed=seed):
            for _ in range(150):
                number = launcher.ask()
                end = time.perf_counter() + generator.random() * 0.006
                while time.perf_counter() < end:
                    pass
                launcher.request(harness.DESTROY, number)
                launcher.wait_for(harness.DESTROYED, number)
            harness.wait_until(lambda: not [e for e in launcher.events if e.kind == harness.FAILED], "no failures", 1)
            for event in launcher.events:
                for descriptor in event.descriptors:
                    os.close(descriptor)
            launcher.events.clear()
            # Only the first slot was used, and its user namespace stays.
            self.assertEqual(len(harness.children(worker)), 1)
            known = harness.open_descriptors(worker)
            launcher.destroy(launcher.create())
            self.assertEqual(harness.open_descriptors(worker), known)

    def test_a_server_that_does_not_read_loses_nothing(self) -> None:
        launcher = self.launch_ready(self.plan(slots=8))
        # Far more answers than the socket holds; requests stay where they are while answers wait.
        for number in range(1000, 3000):
            launcher.control.setblocking(False)
            try:
                launcher.request(harness.DESTROY, number)
            except BlockingIOError:
                break
        launcher.control.setblocking(True)
        for seen in range(1000, number):
            self.assertEqual(launcher.wait_for(harness.DESTROYED).sandbox, seen)
        launcher.destroy(launcher.create())


UNIFIED = "/sys/fs/cgroup/unified"


@unittest.skipUnless(os.path.exists(f"{UNIFIED}/cgroup.procs"), f"needs version 2 of cgroups at {UNIFIED}")
class UnifiedTest(RunningTest):
    """Version 2 of cgroups, here without controllers: a machine that uses version 1 has it mounted empty."""

    def plan(self, slots: int = 64) -> plans.Plan:
        plan = plans.make_plan(self.folder, self.identity, self.token, None, slots, parents=[])
        plan.sections["launcher"] += [
            ("cgroup", "2", "unified", f"{UNIFIED}/{plans.PREFIX}{self.token}"),
            ("cgroup-enable", f"{UNIFIED}/{plans.PREFIX}{self.token}", ""),
            ("sweep", UNIFIED, plans.PREFIX),
        ]
        plan.sections["statistics"] = [("open", "unified", "cgroup.procs")]
        plan.sections["limits"] = [
            ("attempt", "unified", "memory.max", "1"),
            ("write", "unified", "cgroup.max.depth", "0"),
        ]
        return plan

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual([name for name in os.listdir(UNIFIED) if name.startswith(plans.PREFIX + self.token)], [])

    def test_init_and_the_program_are_in_the_sandboxs_group(self) -> None:
        launcher = self.launch_ready()
        sandbox = launcher.create()
        (procs,) = sandbox.statistics
        inside = set(map(int, os.pread(procs, 1000, 0).split()))
        self.assertEqual(len(inside), 2)
        self.assertLess(inside, set(launcher.descendants()))
        self.assertEqual(sandbox.run("print(open('/proc/self/cgroup').read().splitlines()[-1])")[0], "0::/\n")
        launcher.destroy(sandbox)


if __name__ == "__main__":
    unittest.main()
