"""What the machine did: processor time, memory, processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def busy_seconds() -> float:
    """Processor time that anything on this machine used since it started, the kernel's own threads included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / TICKS


def own_seconds() -> float:
    """Processor time of this process, which is no cost of what it measures."""
    times = os.times()
    return times.user + times.system


class ProcessorTime:
    """Processor time of the whole machine but for ourselves and for what was going on before."""

    def __init__(self, background: float) -> None:
        self._background = background
        self._busy, self._own, self._clock = busy_seconds(), own_seconds(), time.monotonic()

    def seconds(self) -> float:
        wall = time.monotonic() - self._clock
        used = busy_seconds() - self._busy - (own_seconds() - self._own)
        return max(0.0, used - wall * self._background)


def background_load(seconds: float) -> float:
    """Processors in use while nothing is measured."""
    busy, own, clock = busy_seconds(), own_seconds(), time.monotonic()
    time.sleep(seconds)
    return (busy_seconds() - busy - (own_seconds() - own)) / (time.monotonic() - clock)


def resident_mb(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def descendants(pid: int) -> list[int]:
    """Every process below `pid`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def private_dirty_mb(pid: int) -> float:
    """Memory of one process that is its own alone: what one more such process costs. Its own user or root may ask."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty:")) / 1000


def processor_seconds(pids: list[int]) -> float:
    """Processor time these processes have used, to the nanosecond; of those that ended nothing."""
    total = 0
    for pid in pids:
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(file.read_text().split()[0])
            except OSError:
                continue
    return total / 1e9


def proportional_mb(pids: list[int]) -> float:
    """Memory of these processes together, shared pages counted once among those that share them."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total / 1000


def description() -> str:
    """The machine in one line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    memory = int(Path("/proc/meminfo").read_text().split("\n", 1)[0].split()[1]) / 1e6
    return f"{os.cpu_count()} × {model}, {memory:.0f} GB, Linux {os.uname().release}"
