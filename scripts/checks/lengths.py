"""No function longer than a screen, no file longer than a sitting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from checks.sources import blanked, line_of, texts

LONGEST_FILE = 500
LONGEST_FUNCTION = {".swift": 70, ".c": 50, ".py": 70}

SWIFT_FUNCTION = re.compile(
    r"\b(?:func\s+[^\s(<]+|init[?!]?(?=\s*[(<])|deinit|subscript(?=\s*[(<])|var\s+\w+\s*:[^=\n{]+(?=\{))"
)
# What may stand on the line after a declaration's first line and still belong to it.
SWIFT_CONTINUATION = re.compile(r"\s*(?:\{|where\b|throws\b|async\b|rethrows\b|->)")


def too_long(root: Path) -> list[str]:
    """Every file and function beyond its limit."""
    problems = []
    for path, text in texts(root, ".swift", ".c", ".h", ".py", ".sh"):
        lines = text.count("\n")
        if lines > LONGEST_FILE:
            problems.append(f"{path}: {lines} lines, at most {LONGEST_FILE}")
        limit = LONGEST_FUNCTION.get(Path(path).suffix, LONGEST_FILE)
        for line, length in functions(path, text):
            if length > limit:
                problems.append(f"{path}:{line}: a function of {length} lines, at most {limit}")
    return problems


def functions(path: str, text: str) -> Iterator[tuple[int, int]]:
    """First line and number of lines of every function."""
    if path.endswith(".swift"):
        yield from _swift(blanked(text, swift=True))
    elif path.endswith(".c"):
        yield from _c(blanked(text, swift=False))
    elif path.endswith(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def _swift(code: str) -> Iterator[tuple[int, int]]:
    for match in SWIFT_FUNCTION.finditer(code):
        start = _swift_body(code, match.end())
        if start is not None:
            first = line_of(code, match.start())
            yield first, line_of(code, _closing(code, start)) - first + 1


def _swift_body(code: str, position: int) -> int | None:
    """Where the body of a declaration begins, None where it has none."""
    depth = 0
    while position < len(code):
        character = code[position]
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth == 0 and character == "{":
            return position
        elif depth == 0 and (character in ";}" or _ends_declaration(code, position)):
            return None
        position += 1
    return None


def _ends_declaration(code: str, position: int) -> bool:
    return code[position] == "\n" and not SWIFT_CONTINUATION.match(code, position)


def _c(code: str) -> Iterator[tuple[int, int]]:
    position = code.find("{")
    while position >= 0:
        end = _closing(code, position)
        head = code[:position].rstrip()
        if head.endswith(")"):
            begin = max(head.rfind(character) for character in ";}#") + 1
            first = line_of(code, begin + len(head[begin:]) - len(head[begin:].lstrip()))
            yield first, line_of(code, end) - first + 1
        position = code.find("{", end)


def _closing(code: str, opening: int) -> int:
    """Where the bracket that opens at `opening` closes."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            return match.start()
    return len(code) - 1
