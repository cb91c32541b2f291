"""A context process as the runtime makes it: receives the `context` frame on its channel and becomes a bridge."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import frames


def take_away() -> None:
    """Be on a system without files that begin without a name and without descriptors of processes, as in gVisor."""
    real = os.open

    def open_named(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
        return real(path, flags, *rest, **named)

    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    os.open = open_named
    os.pidfd_open = refuse


if __name__ == "__main__":
    channel = frames.Channel(int(sys.argv[1]))
    opening, descriptors = channel.receive()
    import jupyter_bridge
    import jupyter_kernel

    if os.environ.pop("BRIDGE_OLD_SYSTEM", ""):
        take_away()
    if len(sys.argv) > 2:
        jupyter_kernel.PLACES = [sys.argv[2]]
    jupyter_bridge.serve(channel, opening, descriptors)
