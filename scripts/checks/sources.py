"""Which files there are, and what is code in them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path


def tracked(root: Path) -> list[str]:
    """Paths below `root` that git knows or would add, relative to it."""
    output = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return sorted(path for path in output.split("\0") if path and (root / path).is_file())


def texts(root: Path, *endings: str, below: str = "") -> Iterator[tuple[str, str]]:
    """Path and content of every tracked file with one of these endings."""
    for path in tracked(root):
        if path.endswith(endings) and path.startswith(below):
            yield path, (root / path).read_text(encoding="utf-8")


def line_of(text: str, offset: int) -> int:
    """The number of the line that `offset` lies in, from 1."""
    return text.count("\n", 0, offset) + 1


def blanked(text: str, *, swift: bool) -> str:
    """The same text with comments and the content of strings replaced by spaces; lines and offsets stay."""
    result = list(text)
    _Blanker(text, result, swift).code(0, None)
    return "".join(result)


class _Blanker:
    def __init__(self, text: str, result: list[str], swift: bool) -> None:
        self.text = text
        self.result = result
        self.swift = swift

    def code(self, position: int, closing: str | None) -> int:
        """Passes over code, up to the bracket that closes an interpolation; the position behind it."""
        depth = 0
        while position < len(self.text):
            character = self.text[position]
            if self.text.startswith("//", position):
                position = self._blank(position, self._find("\n", position))
            elif self.text.startswith("/*", position):
                position = self._blank(position, self._find("*/", position + 2) + 2)
            elif self._string_start(position):
                position = self._string(position)
            elif closing and character == ")" and depth == 0:
                return position + 1
            else:
                depth += {"(": 1, ")": -1}.get(character, 0)
                position += 1
        return position

    def _string_start(self, position: int) -> bool:
        character = self.text[position]
        if character == '"' or (character == "'" and not self.swift):
            return True
        return self.swift and character == "#" and self.text[position:].lstrip("#")[:1] == '"'

    def _string(self, position: int) -> int:
        """Passes over a string, its interpolations included; the position behind it."""
        hashes = len(self.text[position:]) - len(self.text[position:].lstrip("#"))
        position += hashes
        quote = self.text[position]
        if self.swift and self.text.startswith('"""', position):
            quote = '"""'
        end = quote + "#" * hashes
        escape = "\\" + "#" * hashes
        position += len(quote)
        while position < len(self.text):
            if self.text.startswith(end, position):
                return position + len(end)
            if self.swift and self.text.startswith(escape + "(", position):
                position = self.code(position + len(escape) + 1, ")")
            elif self.text.startswith(escape, position):
                position = self._blank(position, position + len(escape) + 1)
            else:
                position = self._blank(position, position + 1)
        return position

    def _find(self, text: str, position: int) -> int:
        found = self.text.find(text, position)
        return len(self.text) if found < 0 else found

    def _blank(self, start: int, end: int) -> int:
        end = min(end, len(self.text))
        for position in range(start, end):
            if self.result[position] != "\n":
                self.result[position] = " "
        return end
