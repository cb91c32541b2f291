"""What a process does once it is warm and before it forks others; for zygotes and for the guest of a container."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Set
from typing import NoReturn

#: The kind whose children are contexts; those of all others run one program.
NOTEBOOK = "notebook"

#: Where a child has its channel.
CHANNEL = 900

#: How a child ends that could not do what it is for.
NOT_SERVED = 125

#: What a child is for: takes the channel's descriptor and the kind, and does not return.
Serve = Callable[[int, str], NoReturn]

HUGE_PAGE = 2 << 20
MADV_HUGEPAGE, MADV_COLLAPSE = 14, 25
SFD_CLOEXEC, SFD_NONBLOCK = 0o2000000, 0o4000


def get_warm(kind: str, imports: list[str]) -> Serve:
    """Import and exercise what children of that kind use; return what they are for."""
    import child
    import warm

    serve: Serve = child.serve
    if kind == NOTEBOOK:
        import context

        serve = context.serve
        warm.prepare(kind, [*imports, *context.IMPORTS], context.prepare)
    else:
        warm.prepare(kind, imports)
    _forget_font_files()
    return serve


def open_child_signals() -> int:
    """Make a descriptor that is readable when a child ended."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    libc = ctypes.CDLL(None, use_errno=True)
    mask = ctypes.c_uint64(1 << (signal.SIGCHLD - 1))
    # The C library's sigset_t is larger; the kernel's is these 64 bits, and no signal above them exists.
    buffer = ctypes.create_string_buffer(bytes(mask), 128)
    descriptor = int(libc.signalfd(-1, buffer, SFD_CLOEXEC | SFD_NONBLOCK))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return descriptor


def settle_memory() -> None:
    """Make the heap worth sharing: no garbage, nothing a child's collector would touch, and huge pages."""
    gc.collect()
    gc.freeze()
    # A child turns it on again; here nothing makes cycles.
    gc.disable()
    _collapse_heap()


def assert_ready_to_fork(own: Set[int], expected: list[str]) -> None:
    """Raise unless this process has one thread and exactly the descriptors it needs.

    These are the standard ones, `own`, and for each of `expected` one whose link in /proc begins with it.
    """
    threads = os.listdir("/proc/self/task")
    if len(threads) != 1:
        raise RuntimeError(f"{len(threads)} threads: a fork would copy only one of them")
    others = {number: name for number, name in _open_descriptors().items() if number > 2 and number not in own}
    if len(others) != len(expected) or not all(any(map(name.startswith, expected)) for name in others.values()):
        raise RuntimeError(f"unexpected descriptors: {others}")


def _forget_font_files() -> None:
    """Close matplotlib's cached font files: in a child its fork hook would close whatever has their numbers by then."""
    manager = sys.modules.get("matplotlib.font_manager")
    cached = getattr(manager, "_get_font", None)
    if cached is not None and hasattr(cached, "cache_clear"):
        cached.cache_clear()


def _open_descriptors() -> dict[int, str]:
    """Return what every open descriptor is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink("/proc/self/fd/" + name)
        except FileNotFoundError:
            # The one that listed the directory.
            continue
    return found


def _collapse_heap() -> None:
    """Back the heap with huge pages, so that a fork copies fewer page tables. What cannot be is left alone."""
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
        lines = file.read().splitlines()
    for line in lines:
        fields = line.split()
        if "w" not in fields[1] or (len(fields) > 5 and fields[5] != "[heap]"):
            continue
        first, last = (int(part, 16) for part in fields[0].split("-"))
        first, last = -(-first // HUGE_PAGE) * HUGE_PAGE, last // HUGE_PAGE * HUGE_PAGE
        if first >= last:
            continue
        libc.madvise(first, last - first, MADV_HUGEPAGE)
        for page in range(first, last, HUGE_PAGE):
            libc.madvise(page, HUGE_PAGE, MADV_COLLAPSE)
