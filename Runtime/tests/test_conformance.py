"""Plain programs do exactly what the same interpreter does with them as ``python3 -u __main__.py``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unittest

import harness

STDIN = b"first\r\nsecond\nthird\n"


def programs() -> dict[str, str]:
    """Return the programs of the list by name, and those that text files cannot hold."""
    found = dict(harness.read_programs("conformance.txt"))
    found["carriage returns"] = "x = 1\r\nprint(x)\r\n1 / 0\r\n"
    found["no newline at the end"] = "print(1)"
    found["a deep expression"] = "a = 1\nprint(" + "+".join(["a"] * 2000) + ")"
    found["a form feed"] = "print(1)\n\x0cprint(2)\n1 / 0"
    return found


def normal(text: str) -> str:
    """Blank out what differs between any two runs: addresses, and by how many frames of ours a recursion is shorter."""
    return re.sub(r"0x[0-9a-f]{6,}|repeated \d+ more", "…", text)


class Conformance(harness.RuntimeTestCase):
    """Every program of the list."""

    maxDiff = None

    def run_plainly(self, code: str) -> tuple[str, str, int]:
        """Run `code` with the interpreter itself."""
        with open(self.main_file, "w", encoding="utf-8", newline="") as file:
            file.write(code)
        environment = {"PATH": "/opt/code-interpreter/venv/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
        environment |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, self.main_file],
            input=STDIN,
            capture_output=True,
            cwd=self.workspace,
            env=environment,
            timeout=harness.DEADLINE,
            check=False,
        )
        return normal(done.stdout.decode()), normal(done.stderr.decode()), done.returncode

    def test_programs(self) -> None:
        """Both runs agree."""
        for name, code in programs().items():
            with self.subTest(name):
                expected = self.run_plainly(code)
                result = self.run_program(code, stdin=STDIN)
                status = os.waitstatus_to_exitcode(result.status)
                stderr = expected[1] if name.endswith("(loosely)") else normal(result.stderr)
                self.assertEqual((normal(result.stdout), stderr, status), expected)
                self.assertIn(result.exit_code, (expected[2], None))


if __name__ == "__main__":
    unittest.main()
