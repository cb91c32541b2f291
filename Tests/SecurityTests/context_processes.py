"""The processes of a server that runs contexts: what it holds, and how to kill some of it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from pathlib import Path

from endurance import control_group_roots, process_tree

Holdings = dict[str, int]


def holdings(pid: int) -> Holdings:
    """What a server and its launcher hold at one moment."""
    tree = process_tree(pid)
    launchers = [member for member in tree if _name(member) == "sandbox-launcher" and _parent(member) in tree][:2]
    groups = {group for member in tree for group in control_group_roots(member)}
    held = {
        "processes": len(tree),
        "descriptors of the server": _count(f"/proc/{pid}/fd"),
        "threads of the server": _count(f"/proc/{pid}/task"),
        "control groups": sum(sum(1 for _ in os.walk(group)) for group in groups),
        "mounts of the host": _lines("/proc/self/mountinfo"),
    }
    for number, launcher in enumerate(launchers):
        # Of every place for a sandbox it keeps the user namespace, once that was used.
        held[f"descriptors of launcher {number}"] = _count(f"/proc/{launcher}/fd", besides="user:")
        held[f"mounts of launcher {number}"] = _lines(f"/proc/{launcher}/mountinfo")
    return held


def resident_bytes(pid: int) -> int:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory_bytes(pid: int, field: str) -> int:
    """A line of smaps_rollup, such as `Pss`."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) * 1024


def kernels(server: int) -> list[int]:
    """The interpreters of contexts, those that wait for their first cell included: children of a zygote of contexts."""
    tree = process_tree(server)
    zygotes = set(_zygotes(tree))
    return [member for member in tree if _parent(member) in zygotes]


def kill_kernel(server: int, generator: random.Random) -> bool:
    """Kills one interpreter of that server; false where there is none."""
    found = sorted(kernels(server))
    return bool(found) and _kill(server, generator.choice(found))


def kill_zygote(server: int) -> bool:
    """Kills the zygote of contexts of that server; false where there is none."""
    found = _zygotes(process_tree(server))
    return bool(found) and _kill(server, found[0])


def _zygotes(tree: list[int]) -> list[int]:
    return [member for member in tree if _is_zygote(member) and not _is_zygote(_parent(member))]


def _is_zygote(pid: int) -> bool:
    arguments = _read(f"/proc/{pid}/cmdline").split("\0")
    return any(word.endswith("zygote.py") for word in arguments) and "notebook" in arguments


def _kill(server: int, pid: int) -> bool:
    """Kills a process if it still is one of that server's; its number may be another's by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if pid not in process_tree(server):
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _parent(pid: int) -> int:
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _name(pid: int) -> str:
    return os.path.basename(_read(f"/proc/{pid}/cmdline").partition("\0")[0])


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _lines(path: str) -> int:
    return _read(path).count("\n")


def _count(path: str, besides: str = "\0") -> int:
    """How many descriptors or threads are in a folder of /proc, but for links that begin with `besides`."""
    count = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            with contextlib.suppress(OSError):
                entry = f"{path}/{name}"
                count += not (os.path.islink(entry) and os.readlink(entry).startswith(besides))
    return count
