"""The version stands in one place in code; documents that name it must agree."""

from __future__ import annotations

import re
from pathlib import Path


def differing(root: Path) -> list[str]:
    """Documents that do not know the version of the program."""
    source = (root / "Sources/Settings/Version.swift").read_text(encoding="utf-8")
    match = re.search(r'programVersion = "(\d+\.\d+\.\d+)"', source)
    if not match:
        return ["Sources/Settings/Version.swift: no version"]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", changelog, re.M)
    if not newest or newest.group(1) != match.group(1):
        return [f"CHANGELOG.md: its newest version is not {match.group(1)}"]
    return []
