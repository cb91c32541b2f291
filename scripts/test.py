#!/usr/bin/env python3
"""Runs every test, Python and Swift, and says at the end how many there were: `make test`.

Arguments go to `swift test`, such as `--filter BehaviorTests`. With CI=true a skipped security test is a failure.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import swift_events

ROOT = Path(__file__).resolve().parent.parent
SUMMARY = ROOT / ".build/test-summary.txt"
EVENTS = ROOT / ".build/test-events.jsonl"
PYTHON_SUITES = [("Runtime", "Runtime/tests"), ("scripts", "scripts"), ("Tests/ImageTests", "Tests/ImageTests")]


@dataclass
class Result:
    """What one run of tests came to."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    # Which ones failed, each with the first line of why.
    failures: list[str] = field(default_factory=list)
    seconds: float = 0
    # Why it counts as failed although no test did.
    trouble: str = ""

    @property
    def is_good(self) -> bool:
        return self.failed == 0 and not self.trouble

    def line(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {len(self.skipped)} skipped"
        return f"{self.name}: {counts} in {self.seconds:.0f} s{'; ' + self.trouble if self.trouble else ''}"


def python_tests(folder: str, tests: str) -> Result:
    """Runs the unit tests of one folder with the interpreter that sandboxes get."""
    began = time.monotonic()
    command = [str(ROOT / ".venv/bin/python3"), "-m", "unittest", "discover", "--start-directory", str(ROOT / tests)]
    done = subprocess.run(command, cwd=ROOT / folder, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write(done.stderr)
    result = Result(f"Python tests of {folder}", seconds=time.monotonic() - began)
    total = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
    bad = sum(int(count) for count in re.findall(r"(?:failures|errors)=(\d+)", done.stderr))
    skipped = re.search(r"skipped=(\d+)", done.stderr)
    result.skipped = ["python test"] * (int(skipped.group(1)) if skipped else 0)
    result.failed = bad
    result.failures = [f"{folder}: {name}" for name in re.findall(r"^(?:FAIL|ERROR): (.+)$", done.stderr, re.M)]
    result.passed = (int(total.group(1)) if total else 0) - bad - len(result.skipped)
    if done.returncode != 0 and bad == 0:
        result.trouble = f"the tests ended with status {done.returncode}"
    if not total or int(total.group(1)) == 0:
        result.trouble = "no test was found"
    return result


def swift_tests(arguments: list[str]) -> Result:
    """Runs the Swift tests, which were built before."""
    began = time.monotonic()
    result = Result("Swift tests")
    run_swift_tests(arguments, result, [], {})
    result.seconds = time.monotonic() - began
    return result


def run_swift_tests(arguments: list[str], result: Result, prefix: list[str], settings: dict[str, str]) -> None:
    """Runs them, by a command that ends by running its arguments, and reads what came of it into `result`."""
    EVENTS.unlink(missing_ok=True)
    stream = ["--event-stream-version", "0", "--event-stream-output-path", str(EVENTS)]
    command = [*prefix, "swift", "test", "--skip-build", "--disable-xctest", *stream, *arguments]
    status = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=False).returncode
    outcome = swift_events.read(EVENTS.read_text().split("\n") if EVENTS.exists() else [])
    result.passed, result.failed = outcome.passed, len(outcome.failed)
    result.skipped, result.failures = outcome.skipped, outcome.issues
    if status == 77 and prefix:
        result.skipped = ["no Docker daemon could be started"]
    elif not outcome.ended:
        result.trouble = f"swift test ended with status {status} in the middle of the tests"
    elif status != 0 and result.failed == 0:
        result.trouble = f"swift test ended with status {status}"
    elif result.passed == 0:
        result.trouble = "no test ran"


def docker_tests() -> Result:
    """Runs the suites about behaviour and attacks again over containers, with what the tests of the images made.

    Those that are about native sandboxes say so; docs/ARCHITECTURE.md lists them.
    """
    began = time.monotonic()
    result = Result("Swift tests over Docker")
    daemon = [sys.executable, str(ROOT / "Tests/ImageTests/with_daemon.py")]
    filters = ["--filter", "^(BehaviorTests|SecurityTests)\\."]
    run_swift_tests(filters, result, daemon, {"CODE_INTERPRETER_TEST_BACKEND": "docker"})
    result.skipped = [name for name in result.skipped if "native only: " not in name]
    result.seconds = time.monotonic() - began
    return result


def skipped_security_tests(results: list[Result]) -> list[str]:
    """What may not be skipped where everything has to be shown."""
    names = [name for result in results for name in result.skipped if "docker only" not in name]
    return [name for name in names if name.startswith(("SecurityTests", "no Docker daemon"))]


def main() -> int:
    # First of all: the Python tests start the launcher.
    if subprocess.run(["swift", "build", "--build-tests"], cwd=ROOT, check=False).returncode != 0:
        print("the build failed")
        return 1
    # They wait for most of their time.
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(lambda suite: python_tests(*suite), PYTHON_SUITES))
    results.append(swift_tests(sys.argv[1:]))
    # A part was asked for: natively.
    if not sys.argv[1:]:
        results.append(docker_tests())
    lines = [result.line() for result in results]
    good = all(result.is_good for result in results)
    lines += [f"  FAILED: {failure}" for result in results for failure in result.failures]
    lines += [f"  skipped: {name}" for result in results for name in result.skipped]
    forbidden = skipped_security_tests(results)
    if forbidden and os.environ.get("CI") == "true":
        good = False
        lines.append(f"{len(forbidden)} security tests were skipped: not allowed when CI=true")
    lines.append(f"Tests: {sum(r.passed for r in results)} passed, {'all good' if good else 'NOT good'}")
    SUMMARY.parent.mkdir(exist_ok=True)
    SUMMARY.write_text("\n".join(lines) + "\n")
    print("\n" + "\n".join(lines))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
