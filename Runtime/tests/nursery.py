"""Stands in for the zygote in tests: forks a child for each request, without confinement, and tells how it ended.

Started as ``nursery.py CONTROL KIND IMPORTS``. A request is one byte with the child's channel and its working directory
attached; the answers are the child's process id and, later, its wait status, each as eight bytes.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

RUNTIME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CHANNEL = 900


def main() -> None:
    """Serve requests until the control socket is closed."""
    sys.path[0] = RUNTIME
    sys.path_importer_cache.clear()
    sys.path.append(os.getcwd())
    import child
    import warm

    serve = child.serve
    control = socket.socket(fileno=int(sys.argv[1]))
    kind, imports = sys.argv[2], [name for name in sys.argv[3].split(",") if name]
    if kind == "notebook":
        import context

        serve = context.serve
        warm.prepare(kind, [*imports, *context.IMPORTS], context.prepare)
    else:
        warm.prepare(kind, imports)
    gc.collect()
    gc.freeze()
    control.sendall((0).to_bytes(8, "little"))
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not message:
            return
        process = os.fork()
        if process == 0:
            enter(descriptors)
            serve(CHANNEL, kind)
        for descriptor in descriptors:
            os.close(descriptor)
        control.sendall(process.to_bytes(8, "little"))
        control.sendall(os.waitpid(process, 0)[1].to_bytes(8, "little"))


def enter(descriptors: list[int]) -> None:
    """Give the child what the entry library gives it."""
    channel, folder = descriptors
    os.fchdir(folder)
    os.setsid()
    os.dup2(channel, CHANNEL, inheritable=False)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.closerange(3, CHANNEL)
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main()
