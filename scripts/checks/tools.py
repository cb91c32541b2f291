"""Checks that other programs do."""

from __future__ import annotations

import subprocess
from pathlib import Path

from checks.sources import tracked

PYTHON_FOLDERS = ["Runtime", "scripts", "Benchmarks", "Tests/ImageTests"]
DEVELOPMENT = ".venv-development/bin"


def swift_format(root: Path) -> list[str]:
    """What `swift format lint` objects to."""
    return _complaints(
        root, ["swift", "format", "lint", "--strict", "--recursive", "Package.swift", "Sources", "Tests"]
    )


def ruff(root: Path) -> list[str]:
    """What ruff objects to: formatting, then lint."""
    formatting = [f"{DEVELOPMENT}/ruff", "format", "--check", "--quiet"]
    lint = [f"{DEVELOPMENT}/ruff", "check", "--quiet", "--output-format=concise"]
    return _complaints(root, formatting + PYTHON_FOLDERS) + _complaints(root, lint + PYTHON_FOLDERS)


def mypy(root: Path) -> list[str]:
    """What mypy objects to; each folder is a program of its own, with its own modules."""
    command = [str(root / DEVELOPMENT / "mypy"), "--no-error-summary", "--strict", "."]
    return [f"{folder}/{problem}" for folder in PYTHON_FOLDERS for problem in _complaints(root / folder, command)]


def shell_syntax(root: Path) -> list[str]:
    """What bash cannot read."""
    scripts = [path for path in tracked(root) if path.endswith(".sh") or path == ".ci/run"]
    return [problem for path in scripts for problem in _complaints(root, ["bash", "-n", path])]


def _complaints(folder: Path, command: list[str]) -> list[str]:
    """The lines a program prints when it fails; none when it succeeds."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return [f"{command[0]} is missing: run make setup"]
    if done.returncode == 0:
        return []
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines or [f"{command[0]} ended with status {done.returncode}"]
