#!/usr/bin/env python3
"""Everything that can be checked without running the server: `make check`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from checks import forbidden, imports, lengths, links, tools, versions

ROOT = Path(__file__).resolve().parent.parent

# A check takes the root of the project and gives one line for each thing that is wrong.
Check = Callable[[Path], list[str]]

CHECKS: list[tuple[str, Check]] = [
    ("files that must not be tracked", forbidden.tracked_files),
    ("forbidden calls and words", forbidden.calls),
    ("length of functions and files", lengths.too_long),
    ("direction of imports", imports.wrong_direction),
    ("links in documents", links.broken),
    ("one version everywhere", versions.differing),
    ("formatting of Swift", tools.swift_format),
    ("formatting of Python", tools.ruff),
    ("types of Python", tools.mypy),
    ("shell scripts", tools.shell_syntax),
]


def main() -> int:
    failed = 0
    for name, check in CHECKS:
        began = time.monotonic()
        problems = check(ROOT)
        failed += bool(problems)
        print(f"{'FAILED' if problems else 'ok':6} {name} ({time.monotonic() - began:.1f} s)")
        for problem in problems:
            print(f"       {problem}")
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
