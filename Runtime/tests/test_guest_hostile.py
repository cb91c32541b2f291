"""Programs that go for their guest, as another user than it is and as the same."""

from __future__ import annotations

import unittest

import guest_harness as harness
from guest_harness import SIGNAL, STDOUT, Guest, GuestTest, program

#: Each line tries something and says what came of it; none may succeed.
REACH = """
import ctypes, os, signal, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    arguments = [ctypes.c_long(word) if type(word) is int else word for word in arguments]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def attempt(name, action):
    try: print(name, 'REACHED', action())
    except OSError as error: print(name, 'refused', error.errno)
for number in (0, 1, 2, 3, 4, 5, 6):
    for flags in (os.O_RDONLY, os.O_WRONLY):
        attempt(f'fd {number}', lambda: os.open(f'/proc/1/fd/{number}', flags))
    attempt(f'fdinfo {number}', lambda: os.open(f'/proc/1/fdinfo/{number}', os.O_RDONLY))
attempt('fds', lambda: os.listdir('/proc/1/fd'))
for name in ('maps', 'environ', 'auxv', 'syscall', 'stack', 'pagemap', 'map_files', 'io'):
    attempt(name, lambda: open('/proc/1/' + name, 'rb').read(1))
for name in ('mem', 'oom_score_adj', 'clear_refs'):
    attempt(name, lambda: open('/proc/1/' + name, 'r+b').read(1))
for name in ('cwd', 'root', 'exe', 'ns/pid'):
    attempt(name, lambda: os.readlink('/proc/1/' + name))
attempt('attach', lambda: call(101, 16, 1, 0, 0))
attempt('seize', lambda: call(101, 0x4206, 1, 0, 0))
pidfd = os.pidfd_open(1)
for number in (0, 1, 3):
    attempt(f'getfd {number}', lambda: call(438, pidfd, number, 0))
buffer = ctypes.create_string_buffer(8)
vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
where = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
attempt('vm_read', lambda: call(310, 1, vector, 1, where, 1, 0))
attempt('vm_write', lambda: call(311, 1, vector, 1, where, 1, 0))
attempt('kcmp', lambda: call(312, os.getpid(), 1, 0, 0, 0))
attempt('setns', lambda: call(308, pidfd, 0x20000000))
# Of these 3 is the pidfd.
print([name for name in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + name)])
for number in range(1, 65):
    for group in (1,):
        try: os.kill(group, number)
        except OSError: pass
        try: signal.pidfd_send_signal(pidfd, number)
        except OSError: pass
print('done')
"""


class ReachTest(GuestTest):
    """The stream, the memory and the life of the guest are out of reach."""

    def test_nothing_of_the_guest_can_be_reached(self) -> None:
        for guest in self.both():
            stream = guest.prepare()
            stream.begin(REACH)
            outcome = stream.outcome()
            self.assertEqual(outcome.stderr, "")
            self.assertNotIn("REACHED", outcome.stdout)
            self.assertEqual(outcome.stdout.count("refused"), 46, outcome.stdout)
            self.assertNotIn("refused 22", outcome.stdout)
            self.assertTrue(outcome.stdout.endswith("['0', '1', '2', '3', '900']\ndone\n"), outcome.stdout)
            self.assertEqual(guest.run("print('alive')").stdout, "alive\n")

    def test_memory_of_the_guest_is_closed_to_children_before_they_are_programs(self) -> None:
        """Another program looks at everything that appears in /proc while processes are made."""
        spy = """
            import os
            print('ready', flush=True)
            seen = set()
            while True:
                for name in os.listdir('/proc'):
                    if not name.isdigit() or int(name) == os.getpid(): continue
                    try:
                        for number in os.listdir(f'/proc/{name}/fd'):
                            link = os.readlink(f'/proc/{name}/fd/{number}')
                            if int(number) > 2 and int(number) != 900 and not link.startswith(('/proc', '/home')):
                                print('FOUND', number, link, flush=True)
                    except OSError: pass
        """
        for guest in self.both():
            stream = guest.prepare()
            stream.begin(program(spy))
            guest.wait(lambda: stream.has(STDOUT), "the spy")  # noqa: B023
            for _ in range(30):
                other = guest.prepare()
                other.send(SIGNAL, b"\x09")
                other.outcome()
            self.assertNotIn(b"FOUND", stream.bytes_of(STDOUT))
            stream.send(SIGNAL, b"\x09")
            stream.outcome()


class FloodTest(GuestTest):
    """What a program does to its ways out and to the container harms nobody else."""

    def assert_alive(self, guest: Guest) -> None:
        self.assertEqual(guest.run("print('alive')").stdout, "alive\n")

    def test_a_channel_that_is_flooded_closed_and_given_descriptors(self) -> None:
        for code in (
            "import os\nwhile True: os.write(900, b'x' * 65536)",
            "import os, time\nos.close(900); os.close(1); os.close(2); os.close(0); time.sleep(60)",
            "import socket, os, time\ns = socket.socket(fileno=900)\nwhile True: socket.send_fds(s, [b'x'], [0] * 200)",
            "import socket\ns = socket.socket(fileno=900)\ns.shutdown(2)\nwhile True: print('x' * 9999)",
        ):
            with self.subTest(code=code), self.guest() as guest:
                before = guest.memory()
                stream = guest.prepare()
                stream.begin(code)
                self.assert_alive(guest)
                self.assert_alive(guest)
                stream.send(SIGNAL, b"\x09")
                self.assertIn(stream.exit()["status"], (9, 1 << 8))
                self.assertLess(guest.memory() - before, 6 << 20)

    def test_processes_until_no_more_can_be_made(self) -> None:
        code = """
            import os, time
            count = 0
            try:
                while True:
                    if os.fork() == 0:
                        time.sleep(600)
                    count += 1
            except OSError:
                print(count, flush=True)
                time.sleep(600)
        """
        for separate in (True, False):
            with harness.cgroup("pids", "pids.max", "40") as group, self.guest(separate, join=group) as guest:
                stream = guest.prepare()
                stream.begin(program(code))
                guest.wait(lambda: stream.has(STDOUT), "the bomb")  # noqa: B023
                refused = guest.open(type="process")
                outcome = refused.outcome()
                self.assertEqual(outcome.status, 125 << 8)
                (frame,) = refused.frames()
                self.assertEqual((frame["type"], frame["step"], frame["errno"]), ("failed", -1, 11))
                self.assertGreater(outcome.usage["processes"], 20)
                self.assertIsNotNone(guest.put("f", b"x").result)
                self.assertEqual(guest.ask("kill").result, {})
                self.assertEqual(stream.outcome().status, 9)
                self.assert_alive(guest)

    def test_a_bomb_that_never_rests(self) -> None:
        code = "import os\nos.write(1, b'x')\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        with harness.cgroup("pids", "pids.max", "60") as group, self.guest(join=group) as guest:
            stream = guest.prepare()
            stream.begin(code)
            guest.wait(lambda: stream.has(STDOUT), "the bomb")
            self.assertEqual(guest.ask("kill").result, {})
            self.assertEqual(stream.outcome().status, 9)
            self.assert_alive(guest)

    def test_a_full_disk(self) -> None:
        with self.guest() as guest:
            outcome = guest.run("try: open('big', 'wb').write(bytes(80 << 20))\nexcept OSError as e: print(e.errno)")
            self.assertEqual(outcome.stdout, "28\n")
            self.assertEqual(guest.put("f", b"x" * 99999).error, "full")
            self.assertEqual(guest.ask("remove", "big").result, {})
            self.assertIsNotNone(guest.put("f", b"x" * 99999).result)

    def test_many_short_lives_leave_nothing(self) -> None:
        with self.guest() as guest:
            guest.run("pass")
            before = guest.memory()
            for number in range(300):
                guest.ask("open", f"missing{number}", follow=True)
                guest.put("f", b"x" * 10_000)
                if number % 5 == 0:
                    stream = guest.prepare()
                    stream.send(SIGNAL, b"\x09")
                    stream.outcome()
            self.assertLess(guest.memory() - before, 2 << 20)


class LimitTest(GuestTest):
    """CPU time, where a control group can be had."""

    def test_cpu_time(self) -> None:
        code = "import os\nos.fork()\nprint('x', flush=True)\nwhile True: pass"
        with (
            harness.cgroup("cpuacct") as group,
            harness.cgroup("memory") as memory,
            self.guest(cgroup=f"{group} {memory}", join=f"{group} {memory}") as guest,
        ):
            self.assertEqual(guest.ready["counted"], {"memory": True, "cpu": True})
            stream = guest.prepare(cpu_ms=300)
            stream.begin(code)
            outcome = stream.outcome()
            self.assertEqual(outcome.status, 9)
            self.assertGreaterEqual(outcome.usage["cpu_us"], 300_000)
            self.assertLess(outcome.usage["cpu_us"], 600_000)
            self.assertEqual(guest.prepare(cpu_ms=300).number, 2)
            small = guest.run("print(1)", cpu_ms=300)
            self.assertEqual((small.stdout, small.status), ("1\n", 0))
            self.assertLess(small.usage["cpu_us"], 300_000)
            self.assertEqual((small.usage["processes"], small.usage["oom_kills"]), (1, 0))
            self.assertGreater(small.usage["memory_peak"], 1 << 20)

    def test_memory(self) -> None:
        with (
            harness.cgroup("memory", "memory.limit_in_bytes", str(80 << 20)) as group,
            self.guest(cgroup=group, join=group) as guest,
        ):
            kept = guest.prepare()
            outcome = guest.run("x = []\nwhile True: x.append(bytearray(1 << 20))")
            self.assertEqual((outcome.status, outcome.done), (9, None))
            self.assertGreaterEqual(outcome.usage["oom_kills"], 1)
            self.assertGreater(outcome.usage["memory_peak"], 70 << 20)
            # It was the program's child that had it.
            code = """
                import os
                if os.fork() == 0:
                    x = []
                    while True: x.append(bytearray(1 << 20))
                print(os.wait()[1])
            """
            inner = guest.run(program(code))
            self.assertEqual((inner.stdout, inner.done), ("9\n", 0))
            self.assertGreaterEqual(inner.usage["oom_kills"], 1)
            kept.send(SIGNAL, b"\x09")
            self.assertEqual(kept.outcome().status, 9)


if __name__ == "__main__":
    unittest.main()
