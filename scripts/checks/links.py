"""Links in documents lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from checks.sources import texts

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def broken(root: Path) -> list[str]:
    """Every relative link to a file or heading that does not exist."""
    problems = []
    for path, text in texts(root, ".md"):
        for target in LINK.findall(FENCE.sub("", text)):
            if not re.match(r"[a-z]+:", target) and not _leads_somewhere(root, path, target):
                problems.append(f"{path}: {target}")
    return problems


def _leads_somewhere(root: Path, path: str, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = (root / path).parent / name if name else root / path
    if not file.exists():
        return False
    return not anchor or file.suffix != ".md" or anchor in anchors(file.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """The names under which headings can be linked to."""
    names = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        names.add(plain.strip().replace(" ", "-"))
    return names
