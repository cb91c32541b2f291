"""What a guest is, and that no program can stop it from telling how the program ended."""

from __future__ import annotations

import os
import signal
import unittest

import harness

#: Programs that end their process themselves, each with the exit code as `os.waitstatus_to_exitcode` tells it.
ENDINGS = {
    "import os\nos._exit(7)": 7,
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)": -9,
    "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)": -15,
    "import os\nos.abort()": -6,
    "import ctypes\nctypes.string_at(0)": -11,
    "import os\nos.execv('/bin/sh', ['sh', '-c', 'exit 5'])": 5,
    "import os\nos.closerange(3, 2000)\nraise SystemExit(4)": 4,
    "import os\nos.close(900)\nopen('file', 'w')\nos.dup2(os.open('file', os.O_RDWR), 900)\nraise SystemExit(4)": 4,
}


class Sabotage(harness.RuntimeTestCase):
    """Hostile programs."""

    def test_done_is_sent(self) -> None:
        """Whatever a program breaks, its exit code arrives, once."""
        for expected, code in harness.read_programs("sabotage.txt"):
            for interactive in (True, False):
                with self.subTest(code=code, interactive=interactive):
                    result = self.run_program(code, interactive=interactive)
                    status = os.waitstatus_to_exitcode(result.status)
                    if expected == "any":
                        self.assertGreaterEqual(status, 0)
                    else:
                        told = (result.exit_code, status, len(result.frames))
                        self.assertEqual(told, (int(expected), int(expected), 1), result)

    def test_no_done_without_an_end(self) -> None:
        """A program that ends its process says nothing; its wait status does."""
        for code, expected in ENDINGS.items():
            with self.subTest(code):
                result = self.run_program(code)
                self.assertEqual((result.frames, os.waitstatus_to_exitcode(result.status)), ([], expected), result)
        self.assertEqual(os.path.getsize(os.path.join(self.workspace, "file")), 0)

    def test_children_do_not_answer(self) -> None:
        """What a program forks cannot end it, and does not hold the channel."""
        code = """
import os, sys
pid = os.fork()
if not pid:
    print(os.path.exists('/proc/self/fd/900'))
    sys.exit(5)
os.waitpid(pid, 0)
sys.exit(4)
"""
        result = self.run_program(code)
        self.assertEqual((result.stdout, result.exit_code, len(result.frames)), ("False\n", 4, 1))

    def test_done_ends_the_output(self) -> None:
        """After it, readers see what was printed and the end of the pipes."""
        guest = harness.Guest(self.nursery, self.workspace)
        pipes = [os.pipe() for _ in range(3)]
        frame = {"type": "run", "code": "print('x')", "filename": self.main_file, "arguments": [], "interactive": False}
        guest.send(frame, (pipes[0][0], pipes[1][1], pipes[2][1]))
        for descriptor in (pipes[0][0], pipes[1][1], pipes[2][1]):
            os.close(descriptor)
        self.assertEqual(guest.receive_all(), [{"type": "done", "exit_code": 0}])
        self.assertEqual(
            (os.read(pipes[1][0], 9), os.read(pipes[1][0], 9), os.read(pipes[2][0], 9)), (b"x\n", b"", b"")
        )
        for descriptor in (pipes[0][1], pipes[1][0], pipes[2][0]):
            os.close(descriptor)
        self.assertEqual(guest.end(), 0)


class Guests(harness.RuntimeTestCase):
    """What a program finds."""

    maxDiff = None

    def test_environment(self) -> None:
        """Exactly ours, for Python, for C and for other programs."""
        expected = {
            "HOME": "/home/user",
            "USER": "user",
            "LOGNAME": "user",
            "SHELL": "/bin/bash",
            "PATH": "/opt/code-interpreter/venv/bin:/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "MPLCONFIGDIR": "/tmp/matplotlib",
            "MPLBACKEND": "Agg",
            "XDG_CACHE_HOME": "/tmp/.cache",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "EXTRA": "1 =",
        }
        code = (
            "import os, ctypes, subprocess, json\ngetenv = ctypes.CDLL(None).getenv\ngetenv.restype = ctypes.c_char_p\n"
        )
        code += (
            "seen = subprocess.run(['/usr/bin/env', '-0'], capture_output=True, text=True).stdout.split(chr(0))[:-1]\n"
        )
        code = """
import os, ctypes, subprocess
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
seen = subprocess.run(['env', '-0'], capture_output=True, text=True).stdout.split(chr(0))[:-1]
print([dict(os.environ), sorted(seen), getenv(b'HOME').decode(), getenv(b'MPLCONFIGDIR').decode()])
"""
        result = self.run_program(code, environment={"EXTRA": "1 ="})
        listed = sorted(f"{name}={value}" for name, value in expected.items())
        self.assertEqual(eval(result.stdout), [expected, listed, "/home/user", "/tmp/matplotlib"])

    def test_time_zone(self) -> None:
        """One that comes with the program is in force."""
        self.assert_ran("import time\nprint(time.tzname[0])", "XYZ\n", environment={"TZ": "XYZ5"})

    def test_arguments(self) -> None:
        """They follow the file."""
        self.assert_ran("import sys\nprint(sys.argv[1:])", "['a', 'b c']\n", arguments=["a", "b c"])

    def test_descriptors(self) -> None:
        """Only the standard streams and the channel, which no other program inherits."""
        code = """
import os
found = os.listdir('/proc/self/fd')
print(sorted(int(n) for n in found if os.path.exists('/proc/self/fd/' + n)))
"""
        self.assert_ran(code, "[0, 1, 2, 900]\n")
        result = self.run_program("import os\nos.system('ls /proc/self/fd')")
        self.assertEqual(result.stdout.split(), ["0", "1", "2", "3"])

    def test_runtime_is_out_of_sight(self) -> None:
        """Neither modules nor folders of ours, nor anything the garbage collector would list."""
        code = f"""
import sys, gc
ours = {harness.RUNTIME!r}
print([n for n in ('child', 'frames', 'script', 'warm') if n in sys.modules])
print([p for p in sys.path + list(sys.path_importer_cache) if ours in p])
print([n for n, m in sys.modules.items() if ours in str(getattr(m, '__file__', ''))])
print([o for o in gc.get_objects() if type(o) is type(gc) and ours in str(getattr(o, '__file__', ''))])
"""
        self.assert_ran(code, "[]\n[]\n[]\n[]\n")

    def test_local_files_win(self) -> None:
        """A module beside the program shadows a warm one, as it would shadow a cold one."""
        os.mkdir(os.path.join(self.workspace, "json"))
        os.mkdir(os.path.join(self.workspace, "csv"))
        for name in ("random.py", "helper.py", "sys.py", "csv/__init__.py"):
            with open(os.path.join(self.workspace, name), "w", encoding="utf-8") as file:
                file.write("here = True\n")
        names = ("random", "helper", "sys", "json", "csv")
        code = f"import {', '.join(names)}\nprint([hasattr(m, 'here') for m in ({', '.join(names)})])"
        self.assert_ran(code, "[True, True, False, False, True]\n")

    def test_files_left_open_are_written(self) -> None:
        """Wherever the program keeps them: globals, imported modules, frames of the error, cycles."""
        with open(os.path.join(self.workspace, "helper.py"), "w", encoding="utf-8") as file:
            file.write("def keep():\n    global f\n    f = open('helper.txt', 'w')\n    f.write('x')\n")
        programs = {
            "global.txt": "f = open('global.txt', 'w')\nf.write('x')",
            "error.txt": "def g():\n    f = open('error.txt', 'w')\n    f.write('x')\n    1 / 0\ng()",
            "helper.txt": "import helper\nhelper.keep()",
            "cycle.txt": "class C: pass\nc = C()\nc.c = c\nc.f = open('cycle.txt', 'w')\nc.f.write('x')",
            "held.txt": "import atexit, json\ndef g(): pass\njson.held = g\nf = open('held.txt', 'w')\nf.write('x')",
            "wreck.txt": "import builtins\nf = open('wreck.txt', 'w')\nf.write('x')\nbuiltins.__dict__.clear()",
            "exit.txt": "import sys\nf = open('exit.txt', 'w')\nf.write('x')\nsys.exit(f.closed)",
            "stdout.txt": "import sys\nsys.stdout = open('stdout.txt', 'w')\nprint('x', end='')",
            "archive.zip": "import zipfile\nz = zipfile.ZipFile('archive.zip', 'w')\nz.writestr('a', 'b')",
            "buffer.txt": "import sys, io\nsys.stdout = io.TextIOWrapper(open('buffer.txt', 'wb'))\nprint('x')",
        }
        for interactive in (True, False):
            for name, code in programs.items():
                with self.subTest(name, interactive=interactive):
                    self.run_program(code, interactive=interactive)
                    self.assertGreater(os.path.getsize(os.path.join(self.workspace, name)), 0)
                    os.remove(os.path.join(self.workspace, name))

    def test_partial_lines_survive_a_kill(self) -> None:
        """What was printed is there, newline or not."""
        code = "import sys\nprint('part', end='')\nsys.stdout.buffer.write(b'ial')\nwhile True: pass"
        result = self.run_program(
            code,
            interactive=True,
            while_running=lambda process, output: (
                os.kill(process, signal.SIGKILL) if output["stdout"] == b"partial" else None
            ),
        )
        self.assertEqual((result.stdout, result.exit_code, result.status), ("partial", None, signal.SIGKILL))

    def test_output_arrives_as_it_happens(self) -> None:
        """The program goes on only when its first words were read outside."""
        go = os.path.join(self.workspace, "go")

        def let_go(process: int, output: dict[str, bytes]) -> None:
            if output["stdout"] == b"first":
                os.close(os.open(go, os.O_CREAT | os.O_WRONLY))

        code = "import os\nprint('first', end='')\nwhile not os.path.exists('go'): pass\nprint(' second')"
        result = self.run_program(code, while_running=let_go)
        self.assertEqual((result.stdout, result.exit_code), ("first second\n", 0))

    def test_streams_of_bytes(self) -> None:
        """Megabytes pass in both directions unchanged."""
        data = bytes(range(256)) * 8192
        result = self.run_program(
            "import sys\nd = sys.stdin.buffer.read()\nsys.stdout.buffer.write(bytes(len(d)))", stdin=data
        )
        self.assertEqual((len(result.stdout), result.exit_code), (len(data), 0))
        result = self.run_program("print('x' * 999)\n" * 3000)
        self.assertEqual(len(result.stdout), 3_000_000)

    def test_broken_pipe(self) -> None:
        """A reader that went away is an exception, as in any Python program."""
        guest = harness.Guest(self.nursery, self.workspace)
        pipes = [os.pipe() for _ in range(3)]
        os.close(pipes[1][0])
        frame = {"type": "run", "code": "print('x')", "filename": self.main_file, "arguments": [], "interactive": False}
        guest.send(frame, (pipes[0][0], pipes[1][1], pipes[2][1]))
        for descriptor in (pipes[0][0], pipes[0][1], pipes[1][1], pipes[2][1]):
            os.close(descriptor)
        self.assertIn(b"BrokenPipeError", harness.read_all({"stderr": pipes[2][0]})["stderr"])
        self.assertEqual(guest.receive_all(), [{"type": "done", "exit_code": 1}])
        guest.end()

    def test_random_state_is_not_shared(self) -> None:
        """Three runs of one nursery differ in everything random."""
        code = """
import random, uuid, secrets, tempfile, os, ssl, multiprocessing
print(random.random(), random.Random().random(), random.SystemRandom().random(), random.getrandbits(64))
print(uuid.uuid4(), uuid.uuid1(), secrets.token_hex(), os.urandom(8).hex(), tempfile.mktemp())
print(ssl.RAND_bytes(8).hex(), bytes(multiprocessing.current_process().authkey).hex())
"""
        words = [self.run_program(code).stdout.split() for _ in range(3)]
        self.assertEqual(len(words[0]), 11)
        for values in zip(*words, strict=True):
            self.assertEqual(len(set(values)), 3)


class Conversation(harness.RuntimeTestCase):
    """The channel, from the server's side."""

    def test_closed_before_a_program(self) -> None:
        """The guest ends quietly."""
        guest = harness.Guest(self.nursery, self.workspace)
        self.assertEqual(guest.greeting, {"type": "ready"})
        self.assertEqual(guest.end(), 0)

    def test_wrong_frames(self) -> None:
        """The guest says that it failed and ends with 125."""
        good = {
            "type": "run",
            "code": "",
            "filename": self.main_file,
            "arguments": [],
            "interactive": False,
            "environment": {},
        }
        wrong: list[tuple[dict[str, object], int]] = [
            ({"type": "what"}, 0),
            ({**good, "type": "walk"}, 3),
            (good, 0),
            (good, 2),
            (good, 4),
            ({**good, "code": 5}, 3),
            ({**good, "filename": None}, 3),
            ({**good, "arguments": "x"}, 3),
            ({**good, "environment": []}, 3),
            ({**good, "environment": {"a": 1}}, 3),
            ({**good, "environment": {"a=b": "\0"}}, 3),
        ]
        for frame, count in wrong:
            with self.subTest(frame=frame, count=count):
                guest = harness.Guest(self.nursery, self.workspace)
                with open(os.devnull, "rb") as nothing:
                    guest.send(frame, (nothing.fileno(),) * count)
                received = guest.receive_all()
                self.assertEqual([answer["type"] for answer in received], ["failed"])
                self.assertEqual(os.waitstatus_to_exitcode(guest.end()), 125)

    def test_optional_fields(self) -> None:
        """Arguments, environment and mode have defaults; what is unknown is ignored."""
        guest = harness.Guest(self.nursery, self.workspace)
        with open(os.devnull, "r+b") as nothing:
            frame = {"type": "run", "code": "exit(3)", "filename": self.main_file, "later": 1}
            guest.send(frame, (nothing.fileno(),) * 3)
        self.assertEqual(guest.receive_all(), [{"type": "done", "exit_code": 3}])
        guest.end()


if __name__ == "__main__":
    unittest.main()
