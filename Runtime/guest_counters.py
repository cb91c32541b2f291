"""What the container has used, as its control group says, and which processes are alive in it."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Where a container sees its control group.
CGROUP = "/sys/fs/cgroup"


@dataclass(frozen=True)
class _Source:
    """A number in a file of the control group."""

    descriptor: int
    #: The word before the number; empty where the file has nothing else.
    key: bytes
    divisor: int = 1

    def read(self) -> int | None:
        """Return the number; None where there is none any more."""
        try:
            text = os.pread(self.descriptor, 4096, 0)
            if not self.key:
                return int(text) // self.divisor
            for line in text.splitlines():
                key, _, value = line.partition(b" ")
                if key == self.key:
                    return int(value) // self.divisor
        except (OSError, ValueError):
            pass
        return None


class Counters:
    """Counters of the whole container. What cannot be read is None."""

    def __init__(self, directory: str = CGROUP) -> None:
        """Open the files, of version 2 or else of version 1, as long as nobody else runs."""
        self._cpu = _first_readable(
            (f"{directory}/cpu.stat", b"usage_usec", 1), (f"{directory}/cpuacct/cpuacct.usage", b"", 1000)
        )
        self._memory = _first_readable(
            (f"{directory}/memory.peak", b"", 1),
            (f"{directory}/memory.current", b"", 1),
            (f"{directory}/memory/memory.max_usage_in_bytes", b"", 1),
        )
        self._kills = _first_readable(
            (f"{directory}/memory.events", b"oom_kill", 1), (f"{directory}/memory/memory.oom_control", b"oom_kill", 1)
        )

    def descriptors(self) -> set[int]:
        """Return those it holds open."""
        return {source.descriptor for source in (self._cpu, self._memory, self._kills) if source is not None}

    def counted(self) -> dict[str, bool]:
        """Return what can be read at all."""
        return {"memory": self._memory is not None, "cpu": self._cpu is not None}

    def cpu_microseconds(self) -> int | None:
        """CPU time so far."""
        return self._cpu.read() if self._cpu is not None else None

    def memory_peak(self) -> int | None:
        """Most bytes of memory so far."""
        return self._memory.read() if self._memory is not None else None

    def kills(self) -> int | None:
        """How many processes were killed for want of memory so far."""
        return self._kills.read() if self._kills is not None else None


def count_others() -> int:
    """Return how many processes there are besides this one, which is the first; zombies are none."""
    own = str(os.getpid())
    return sum(name.isdigit() and name != own and not _is_zombie(name) for name in os.listdir("/proc"))


def is_alive(process: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    return not _is_zombie(str(process))


def _is_zombie(process: str) -> bool:
    try:
        descriptor = os.open(f"/proc/{process}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        return os.read(descriptor, 512).rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"], [])
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _first_readable(*choices: tuple[str, bytes, int]) -> _Source | None:
    for path, key, divisor in choices:
        try:
            source = _Source(os.open(path, os.O_RDONLY | os.O_CLOEXEC), key, divisor)
        except OSError:
            continue
        if source.read() is not None:
            return source
        os.close(source.descriptor)
    return None
