"""What people run today instead: the same programs, without us."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

PYTHON = Path(__file__).resolve().parent.parent / ".venv/bin/python3"

Runner = Callable[[str], None]


def plain(code: str) -> None:
    """An interpreter without any sandbox."""
    run([str(PYTHON), "-c", code])


def bubblewrap(code: str) -> None:
    """Bubblewrap with every namespace and a read-only system."""
    environment = str(PYTHON.parent.parent)
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    command += [
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
    ]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/workspace",
        "--ro-bind",
        environment,
        environment,
    ]
    command += ["--chdir", "/workspace", "--setenv", "HOME", "/tmp", str(PYTHON), "-c", code]
    run(command)


def docker(image: str) -> Runner:
    """A container for each program."""

    def start(code: str) -> None:
        run(["docker", "run", "--rm", "--network", "none", image, "python3", "-c", code])

    return start


def available() -> dict[str, Runner]:
    """The comparisons this machine can make, by name."""
    found: dict[str, Runner] = {"python3 -c": plain}
    if shutil.which("bwrap"):
        found["bubblewrap"] = bubblewrap
    image = _docker_image()
    if image:
        found["docker run"] = docker(image)
    return found


def _docker_image() -> str | None:
    """An image with Python that is already there: BENCH_DOCKER_IMAGE, else any named python. None is downloaded."""
    if not shutil.which("docker"):
        return None
    listed = subprocess.run(
        ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        return None
    wanted = os.environ.get("BENCH_DOCKER_IMAGE")
    names = listed.stdout.split()
    return wanted if wanted in names else next((name for name in names if "python" in name), None)


def run(command: list[str]) -> None:
    """Runs a command that must succeed."""
    folder = os.environ.get("TMPDIR", "/tmp")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr.decode()[-300:]}")
