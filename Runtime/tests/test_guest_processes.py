"""Programs of a guest: input, output, ends, credit, and the end of everything."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import unittest

import guest_harness as harness
from guest_harness import (
    CREDIT,
    DATA,
    END,
    EXIT,
    HEADER,
    INPUT,
    OPEN,
    SIGNAL,
    STDERR,
    STDOUT,
    WINDOW,
    GuestTest,
    program,
)


class ProgramTest(GuestTest):
    """One program at a time."""

    def test_ready_tells_who_programs_are(self) -> None:
        for guest in self.both():
            separate = guest.ready.pop("separate")
            self.assertIn(guest.ready.pop("apart"), (True, False))
            self.assertEqual(guest.ready.pop("counted").keys(), {"memory", "cpu"})
            self.assertNotIn("python", {language["language"] for language in guest.ready.pop("languages")})
            self.assertEqual(guest.ready, {"protocol": 1, "kind": "bare", "uid": 1000})
            self.assertEqual(guest.run("print('hello')").stdout, "hello\n")
            with open(f"/proc/{guest.pid}/status", encoding="ascii") as file:
                identity = next(line for line in file if line.startswith("Uid:")).split()[1:4]
            self.assertEqual(identity, ["0", "1000", "0"] if separate else ["1000"] * 3)

    def test_a_program_is_nobody_but_the_user(self) -> None:
        code = """
            import os, resource
            status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
            caps = [status[name].strip('\\t0') for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb')]
            print(os.getresuid(), os.getresgid(), os.getgroups(), caps, status['NoNewPrivs'].strip())
            print(os.getcwd(), os.getsid(0) == os.getpid(), open('/proc/self/oom_score_adj').read().strip())
            print(sorted({int(name) for name in os.listdir('/proc/self/fd')} - {3}), resource.getrlimit(4))
            # The C library keeps 32 and 33 for itself: they are as make, or whoever started us, left them.
            ignored = int(status['SigIgn'], 16) & ~(3 << 31)
            print(f'{ignored:x}', status['SigBlk'].strip(), oct(os.umask(0)))
            import sys
            print([name for name in sys.modules if name.startswith(('guest', 'settled'))], sys.argv)
        """
        expected = (
            "(1000, 1000, 1000) (1000, 1000, 1000) [] ['', '', '', ''] 1\n"
            "/home/user True 1000\n"
            "[0, 1, 2, 900] (0, 0)\n"
            "1001000 0000000000000000 0o22\n"
            "[] ['main.py']\n"
        )
        for guest in self.both():
            outcome = guest.run(program(code))
            self.assertEqual((outcome.stdout, outcome.stderr), (expected, ""))

    def test_exit_codes_and_signals(self) -> None:
        with self.guest() as guest:
            for code, status, done in (
                ("pass", 0, 0),
                ("raise SystemExit(3)", 3 << 8, 3),
                ("1/0", 1 << 8, 1),
                ("import os; os._exit(7)", 7 << 8, None),
                ("import os; os.kill(os.getpid(), 9)", 9, None),
                ("import os; os.kill(os.getpid(), 15)", 15, None),
            ):
                with self.subTest(code=code):
                    outcome = guest.run(code)
                    self.assertEqual((outcome.status, outcome.done), (status, done))
                    self.assertEqual(outcome.usage["processes"], 0)

    def test_standard_input_is_passed_on_and_ends(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("import sys\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)\nprint('end')")
            stream.send(INPUT, b"abc\n")
            guest.wait(lambda: stream.bytes_of(STDOUT) == b"cba\n", "an answer")
            data = b"x" * 99 + b"\n"
            stream.send_much(INPUT, data * 50_000)
            stream.send(END)
            outcome = stream.outcome()
            self.assertEqual(len(outcome.stdout), 4 + 5_000_000 + 4)
            self.assertTrue(outcome.stdout.endswith("x\nend\n"))

    def test_what_is_printed_comes_before_what_is_said_of_it(self) -> None:
        with self.guest() as guest:
            for _ in range(20):
                stream = guest.prepare()
                stream.begin("import sys\nprint('out' * 30000)\nprint('err', file=sys.stderr)")
                stream.outcome()
                kinds = [kind for kind, _ in stream.events]
                self.assertEqual(kinds.count(EXIT), 1)
                last_output = max(
                    index for index, (kind, payload) in enumerate(stream.events) if kind in (STDOUT, STDERR) and payload
                )
                self.assertLess(last_output, len(kinds) - 1 - kinds[::-1].index(DATA))
                self.assertLess(len(kinds) - 1 - kinds[::-1].index(DATA), kinds.index(EXIT))

    def test_a_daemon_holds_the_output_but_not_the_exit(self) -> None:
        code = """
            import os, time
            if os.fork() == 0:
                os.setsid()
                while True:
                    os.write(1, b'x' * 1000)
        """
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin(program(code))
            self.assertEqual(stream.exit()["usage"]["processes"], 1)
            self.assertFalse(stream.is_over)
            self.assertEqual(guest.run("print(1)").stdout, "1\n")
            self.assertEqual(guest.ask("kill").result, {})
            stream.outcome()
            self.assertEqual(
                guest.run("import os; print(len([n for n in os.listdir('/proc') if n.isdigit()]))").stdout, "2\n"
            )

    def test_a_group_is_interrupted_and_killed(self) -> None:
        code = """
            import subprocess, time
            try:
                subprocess.run(['sh', '-c', 'echo started; sleep 60'])
            except KeyboardInterrupt:
                print('interrupted', flush=True)
            time.sleep(60)
        """
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin(program(code))
            guest.wait(lambda: stream.has(STDOUT), "the start")
            stream.send(SIGNAL, bytes([signal.SIGINT]))
            guest.wait(lambda: b"interrupted" in stream.bytes_of(STDOUT), "the interrupt")
            stream.send(SIGNAL, bytes([signal.SIGKILL]))
            outcome = stream.outcome()
            self.assertEqual((outcome.status, outcome.done), (9, None))
            stream.send(SIGNAL, bytes([signal.SIGKILL]))
            self.assertEqual(guest.run("print(1)").stdout, "1\n")

    def test_a_process_that_never_gets_a_program(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.send(SIGNAL, bytes([signal.SIGKILL]))
            outcome = stream.outcome()
            self.assertEqual((outcome.status, outcome.stdout), (9, ""))
            early = guest.open(type="process")
            early.send(SIGNAL, bytes([signal.SIGKILL]))
            self.assertEqual(early.outcome().status, 9)

    def test_a_stopped_program_is_killed(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("import os\nprint('here', flush=True)\nos.kill(os.getpid(), 19)")
            guest.wait(lambda: stream.has(STDOUT), "the start")
            self.assertEqual(guest.ask("kill").result, {})
            self.assertEqual(stream.outcome().status, 9)

    def test_orphans_are_buried(self) -> None:
        code = """
            import os
            for _ in range(100):
                if os.fork() == 0:
                    if os.fork() == 0: os._exit(0)
                    os._exit(0)
            for _ in range(100): os.wait()
        """
        look = "import os; print([n for n in os.listdir('/proc') if n.isdigit() and n not in ('1', str(os.getpid()))])"
        with self.guest() as guest:
            self.assertEqual(guest.run(program(code)).status, 0)
            self.assertEqual(guest.run(look).stdout, "[]\n")

    def test_processes_that_are_asked_for_during_a_kill_live(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("import time\nprint('here', flush=True)\ntime.sleep(60)")
            guest.wait(lambda: stream.has(STDOUT), "the start")
            kill, other = guest.open(type="kill"), guest.open(type="process")
            other.begin("print(input())")
            # It is not waited for.
            self.assertEqual(kill.answer().result, {})
            other.send(INPUT, b"alive\n")
            self.assertEqual(other.outcome().stdout, "alive\n")
            self.assertEqual(stream.outcome().status, 9)


class CreditTest(GuestTest):
    """No stream holds up another, and nothing is stored beyond bounds."""

    def test_a_slow_reader_stops_one_program_and_no_other(self) -> None:
        with self.guest() as guest:
            before = guest.memory()
            stream = guest.prepare()
            stream.grants = False
            stream.begin("import os\nfor _ in range(800): os.write(1, b'x' * 65536)")
            guest.wait(lambda: stream.received >= WINDOW, "the whole window")
            self.assertEqual(guest.run("print('other')").stdout, "other\n")
            self.assertEqual(stream.received, WINDOW)
            self.assertFalse(stream.has(EXIT))
            most = 0
            while not stream.is_over:
                granted = stream.received
                stream.grant()
                guest.wait(lambda count=granted: stream.received > count or stream.is_over, "more")  # type: ignore[misc]
                most = max(most, guest.memory())
            self.assertEqual(len(stream.bytes_of(STDOUT)), 800 * 65536)
            self.assertLess(most - before, 4 << 20)

    def test_a_server_that_reads_nothing(self) -> None:
        with self.guest() as guest:
            before = guest.memory()
            streams = [guest.prepare() for _ in range(12)]
            for stream in streams:
                stream.begin("import os\nfor _ in range(16): os.write(1, b'x' * 65536)")
            harness.wait_until(lambda: all(map(_waits_for_pipe, guest.children())), "everybody waits")
            self.assertLess(guest.memory() - before, 4 << 20)
            used = _cpu_seconds(guest.pid)
            time.sleep(0.3)
            self.assertLess(_cpu_seconds(guest.pid) - used, 0.03, "it waits, and does not look again and again")
            for stream in streams:
                self.assertEqual(len(stream.outcome().stdout), 1 << 20)

    def test_input_that_nobody_reads_is_not_granted(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("import time\nprint('here', flush=True)\ntime.sleep(60)")
            guest.wait(lambda: stream.has(STDOUT), "the start")
            had = stream.sendable
            for _ in range(had // harness.PAYLOAD):
                stream.sendable -= harness.PAYLOAD
                stream.send(INPUT, bytes(harness.PAYLOAD))
            self.assertEqual(guest.run("print(1)").stdout, "1\n")
            self.assertLess(stream.sendable, 2 * harness.PAYLOAD)
            stream.send(SIGNAL, bytes([9]))
            self.assertEqual(stream.outcome().status, 9)

    def test_more_than_is_granted_is_no_packet(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("import time; time.sleep(60)")
            for _ in range(6):
                stream.send(INPUT, bytes(harness.PAYLOAD))
            self.assertEqual(guest.end(), 125)


class EndTest(GuestTest):
    """The guest's own end."""

    def test_everything_ends_with_the_input(self) -> None:
        code = """
            import os, time
            for _ in range(3):
                if os.fork() == 0:
                    os.setsid()
                    break
            print('x', flush=True)
            time.sleep(60)
        """
        for guest in self.both():
            guest.prepare().begin(program(code))
            guest.wait(lambda: guest.streams[1].bytes_of(STDOUT).count(b"x") == 4, "the start")  # noqa: B023
            namespace = os.stat(f"/proc/{guest.pid}/ns/pid").st_ino
            self.assertEqual(guest.close(), 0)
            self.assertEqual(_processes_in(namespace), [])

    def test_what_is_no_packet_ends_it(self) -> None:
        def packet(kind: int, stream: int, payload: bytes = b"") -> bytes:
            return HEADER.pack(5 + len(payload), kind, stream) + payload

        opened = packet(OPEN, 1, json.dumps({"type": "process"}).encode())
        for garbage in (
            struct.pack("<I", 4) + b"abcd\0",
            struct.pack("<I", 1 << 20) + bytes(20),
            packet(99, 1),
            packet(0, 1),
            packet(harness.STDOUT, 1, b"x"),
            packet(DATA, 1, b"x"),
            packet(OPEN, 0, b'{"type":"kill"}'),
            packet(OPEN, 1, b"{"),
            packet(OPEN, 1, b"[" * 100_000),
            packet(OPEN, 1, b"[]"),
            packet(OPEN, 1, b'{"type":"dance"}'),
            packet(OPEN, 1, b'{"type":["process"]}'),
            packet(OPEN, 1, b'{"type":"process","cpu_ms":"x"}'),
            packet(OPEN, 1, b'{"type":"list","path":"zz","limit":1}'),
            packet(OPEN, 1, b'{"type":"list","path":""}'),
            packet(OPEN, 1, b'{"type":"read","handle":true,"offset":0,"length":1}'),
            packet(OPEN, 1, b'{"type":"write","path":"61","limit":1,"condition":{"if":"maybe"}}'),
            opened + opened,
            opened + packet(DATA, 1),
            opened + packet(CREDIT, 1, b"x"),
            opened + packet(SIGNAL, 1, b"\xff"),
            opened + packet(harness.CANCEL, 1),
            opened + packet(END, 1) + packet(INPUT, 1, b"x"),
        ):
            with self.subTest(garbage=garbage[:80]), self.guest() as guest:
                guest.streams[1] = harness.Stream(guest, 1)
                guest.send_raw(garbage)
                self.assertEqual(guest.end(), 125)
                self.assertRegex(guest.complaints(), "^guest: ")
                self.assertNotIn("Traceback", guest.complaints())

    def test_packets_for_streams_that_are_over_are_skipped(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            stream.begin("print(1)")
            stream.outcome()
            listing = guest.open(type="list", path="", limit=1)
            listing.answer()
            for old in (stream, listing):
                for kind, payload in (
                    (DATA, b"x"),
                    (END, b""),
                    (SIGNAL, b"\x09"),
                    (harness.CANCEL, b""),
                    (CREDIT, bytes(4)),
                ):
                    old.send(kind, payload)
            self.assertEqual(guest.run("print(2)").stdout, "2\n")

    def test_packets_may_come_in_any_pieces(self) -> None:
        with self.guest() as guest:
            stream = guest.prepare()
            code = {"type": "run", "code": "print('x')", "filename": "m", "arguments": [], "environment": {}}
            body = json.dumps(code).encode()
            frame = struct.pack("<I", len(body)) + body
            for start in range(len(frame)):
                raw = HEADER.pack(6, DATA, stream.number) + frame[start : start + 1]
                guest.send_raw(raw[:5])
                guest.send_raw(raw[5:])
            self.assertEqual(stream.outcome().stdout, "x\n")

    def test_it_is_for_the_first_process_alone(self) -> None:
        done = subprocess.run(
            [sys.executable, os.path.join(harness.RUNTIME, "guest.py"), "bare", ""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("first process", done.stderr)


def _waits_for_pipe(process: int) -> bool:
    with open(f"/proc/{process}/wchan", encoding="ascii") as file:
        return "pipe_write" in file.read()


def _cpu_seconds(process: int) -> float:
    with open(f"/proc/{process}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def _processes_in(namespace: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}/ns/pid").st_ino == namespace:
                    found.append(int(name))
            except OSError:
                continue
    return found


if __name__ == "__main__":
    unittest.main()
