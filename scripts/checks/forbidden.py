"""What must not stand in code, and what must not be in the repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from checks.sources import blanked, line_of, texts, tracked

LARGEST_FILE = 1_000_000

UNTRACKED = re.compile(
    r"(^|/)(\.build|\.venv|\.swiftpm|__pycache__|\.mypy_cache|\.ruff_cache|Package\.resolved|\.DS_Store)(/|$|[-_])"
    r"|\.(pyc|o|so|a|profraw|orig|rej|swp)$"
)


@dataclass(frozen=True)
class Rule:
    """Code that matches `pattern` in files that match `where` is wrong, but for `allowed` files."""

    pattern: str
    where: str
    reason: str
    allowed: str = r"(?!)"


RULES = [
    Rule(r"\btry!", r"\.swift$", "try! turns an error into a crash"),
    Rule(r"\bas!", r"\.swift$", "as! turns a surprise into a crash"),
    Rule(r"\bfatalError\s*\(", r"\.swift$", "use precondition for our own mistakes, an error for everybody else's"),
    Rule(r"(?<![\w.])print\s*\(", r"^Sources/.*\.swift$", "libraries log", r"^Sources/code-interpreter/"),
    Rule(
        r"\bwaitpid\s*\(\s*-1",
        r"\.(c|swift)$",
        "wait for processes of ours by pidfd",
        r"^Sources/sandbox-launcher/(init|worker)\w*\.c$",
    ),
    Rule(r"\b(?:system|popen|strcpy|strcat|sprintf|gets|tmpnam|mktemp)\s*\(", r"\.(c|h)$", "no bound, or a shell"),
    Rule(
        r"\bThread\.sleep|(?<![\w.])(?:u|nano)?sleep\s*\(", r"^Sources/.*\.swift$", "never block a thread of the pool"
    ),
]

# Words are looked for in comments too.
WORDS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|\bfor now\b")
WORDS_ALLOWED = re.compile(r"^scripts/(checks/forbidden|test_checks)\.py$|\.md$")

UNSAFE = re.compile(r"@unchecked\s+Sendable|nonisolated\(unsafe\)")


def tracked_files(root: Path) -> list[str]:
    """Files that are built, local or too large."""
    paths = tracked(root)
    problems = [f"{path}: must not be tracked" for path in paths if UNTRACKED.search(path)]
    large = [path for path in paths if (root / path).stat().st_size > LARGEST_FILE]
    return problems + [f"{path}: larger than {LARGEST_FILE} bytes" for path in large]


def calls(root: Path) -> list[str]:
    """Calls and words that are forbidden where they stand."""
    problems = []
    for path, text in texts(root, ".swift", ".c", ".h", ".py", ".sh", "Makefile"):
        problems += in_text(path, text)
    return problems


def in_text(path: str, text: str) -> list[str]:
    """As `calls`, for one file."""
    code = blanked(text, swift=path.endswith(".swift")) if path.endswith((".swift", ".c", ".h")) else text
    problems = []
    for rule in RULES:
        if re.search(rule.where, path) and not re.search(rule.allowed, path):
            problems += [f"{path}:{line_of(code, m.start())}: {rule.reason}" for m in re.finditer(rule.pattern, code)]
    if not WORDS_ALLOWED.search(path):
        problems += [f"{path}:{line_of(text, m.start())}: unfinished: {m.group()}" for m in WORDS.finditer(text)]
    if path.endswith(".swift"):
        problems += _unexplained(path, text, code)
    return problems


def _unexplained(path: str, text: str, code: str) -> list[str]:
    """Promises the compiler cannot check need a comment that says why they hold."""
    lines = text.split("\n")
    problems = []
    for match in UNSAFE.finditer(code):
        line = line_of(code, match.start())
        if not any("Safety:" in above for above in lines[max(0, line - 6) : line]):
            problems.append(f"{path}:{line}: say above it, after 'Safety:', why this holds")
    return problems
