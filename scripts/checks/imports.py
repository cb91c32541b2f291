"""The direction of dependencies: code-interpreter → {HTTPAPI, NativeSandbox, ContainerSandbox} → Execution."""

from __future__ import annotations

import re
from pathlib import Path

from checks.sources import texts

OWN = {
    "Execution",
    "JSON",
    "GuestProtocol",
    "GuestDriving",
    "HTTPAPI",
    "NativeSandbox",
    "ContainerSandbox",
    "SeccompPolicy",
    "Settings",
    "CLinux",
    "LauncherProtocol",
    "RuntimeFiles",
    "CSeccomp",
    "SandboxEntry",
}

# What a module may import of our own.
ALLOWED = {
    "Execution": set(),
    "JSON": set(),
    "GuestProtocol": {"Execution", "JSON"},
    "GuestDriving": {"Execution", "GuestProtocol"},
    "Settings": set(),
    "HTTPAPI": {"Execution", "JSON"},
    "SeccompPolicy": set(),
    "NativeSandbox": {
        "Execution",
        "GuestDriving",
        "GuestProtocol",
        "JSON",
        "CLinux",
        "LauncherProtocol",
        "RuntimeFiles",
        "CSeccomp",
        "SeccompPolicy",
    },
    "ContainerSandbox": {"Execution", "GuestDriving", "GuestProtocol", "JSON", "SeccompPolicy", "Settings"},
    "code-interpreter": {"Execution", "HTTPAPI", "NativeSandbox", "ContainerSandbox", "Settings", "CLinux"},
}

HTTP = {"Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOHTTP1"}
KERNEL = {"Glibc", "CLinux", "CSeccomp"}
FOUNDATION = {"Foundation", "FoundationEssentials"}

# What it may not import of others.
FORBIDDEN = {
    "Execution": HTTP | KERNEL,
    "JSON": HTTP | KERNEL | FOUNDATION,
    "GuestProtocol": HTTP | KERNEL | FOUNDATION,
    "GuestDriving": HTTP | FOUNDATION | {"CLinux", "CSeccomp"},
    "Settings": HTTP | KERNEL | FOUNDATION,
    "HTTPAPI": KERNEL,
    "SeccompPolicy": HTTP | FOUNDATION | {"CLinux", "CSeccomp"},
    "NativeSandbox": HTTP | FOUNDATION,
    # The engine's API is HTTP, but of a client.
    "ContainerSandbox": (HTTP - {"NIOHTTP1"}) | FOUNDATION | {"CLinux", "CSeccomp"},
    "code-interpreter": {"Hummingbird", "HummingbirdCore"},
}

IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|public|internal|private|fileprivate)\s+)?import\s+(?:\w+\s+)?(\w+)",
    re.M,
)


def wrong_direction(root: Path) -> list[str]:
    """Every import that goes against the direction."""
    problems = []
    for path, text in texts(root, ".swift", below="Sources/"):
        problems += in_text(path, text)
    return problems


def in_text(path: str, text: str) -> list[str]:
    """As `wrong_direction`, for one file."""
    module = path.split("/")[1]
    problems = []
    for match in IMPORT.finditer(text):
        name = match.group(1)
        if (name in OWN and name not in ALLOWED.get(module, set())) or name in FORBIDDEN.get(module, set()):
            problems.append(f"{path}: {module} may not import {name}")
    return problems
