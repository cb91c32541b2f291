"""A warm interpreter that forks the main process of each sandbox.

Started by the launcher as `zygote.py KIND IMPORTS` with three descriptors: the socket to the launcher, the plan and the
seccomp programs (docs/PROTOCOL.md). It never runs user code: a child is confined by libSandboxEntry.so in one C call,
before it does anything else.
"""

from __future__ import annotations

import array
import ctypes
import gc
import os
import select
import socket
import struct
import sys
from typing import NoReturn

import settled

CONTROL, PLAN, FILTERS = 3, 4, 5
LIBRARY = "/opt/code-interpreter/lib/libSandboxEntry.so"

# enum ci_fork_event_kind and the structs of LauncherProtocol.h.
READY, STARTED, EXITED, FAILED = 1, 2, 3, 4
REQUEST = struct.Struct("=I")
EVENT = struct.Struct("=IIi")
ANCILLARY_BYTES = socket.CMSG_SPACE(4 * 16)


class Entry:
    """libSandboxEntry.so, which knows how a child enters its sandbox."""

    def __init__(self, plan: bytes, programs: bytes, kind: str) -> None:
        """Load the library with the plan and the seccomp programs, for children of the zygote `kind`."""
        # PyDLL keeps the interpreter's lock, which the fork hooks need.
        library = ctypes.PyDLL(LIBRARY)
        library.ci_entry_load.argtypes = [
            *(ctypes.c_char_p, ctypes.c_size_t),
            *(ctypes.c_char_p, ctypes.c_size_t),
            ctypes.c_char_p,
        ]
        library.ci_entry_fork.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.c_int]
        result = library.ci_entry_load(plan, len(plan), programs, len(programs), kind.encode())
        if result != 0:
            raise OSError(-result, "ci_entry_load: " + os.strerror(-result))
        self._fork = library.ci_entry_fork

    def fork(self, init: int, channel: int, cgroups: list[int]) -> int:
        """Return the child's pid in the parent, 0 in the child, -errno where there is none."""
        return int(self._fork(init, channel, (ctypes.c_int * len(cgroups))(*cgroups), len(cgroups)))


def read_all(descriptor: int) -> bytes:
    """Read all of a memfd. Its offset is shared with the launcher's and with other zygotes'."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    if len(content) != size:
        raise OSError(f"descriptor {descriptor} has {len(content)} of {size} bytes")
    return content


def drop_groups() -> None:
    """Leave all supplementary groups; a rootless launcher with a single id may not."""
    with open("/proc/self/setgroups", encoding="ascii") as file:
        if file.read().strip() == "allow":
            os.setgroups([])


class Zygote:
    """Answers the launcher until it is gone."""

    def __init__(self, control: socket.socket, signals: int, entry: Entry, serve: settled.Serve, kind: str) -> None:
        """Take over the socket and the descriptor of child signals; `serve` is what a child is for."""
        self._control = control
        self._signals = signals
        self._entry = entry
        self._serve = serve
        self._kind = kind
        # Sandbox ids by pid of the main process.
        self._running: dict[int, int] = {}

    def run(self) -> None:
        """Serve until the launcher closes its end."""
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._signals, select.POLLIN)
        self._tell(READY, 0, 0)
        while True:
            for descriptor, _ in poller.poll():
                if descriptor == self._signals:
                    self._report_ended()
                elif not self._answer():
                    return

    def _answer(self) -> bool:
        """Carry out one request. False at the end of the conversation."""
        message, ancillary, _, _ = self._control.recvmsg(REQUEST.size, ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        descriptors = array.array("i")
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        (sandbox,) = REQUEST.unpack(message)
        init, channel, *cgroups = descriptors
        child = self._entry.fork(init, channel, cgroups)
        if child == 0:
            self._become_main_process()
        for descriptor in descriptors:
            os.close(descriptor)
        if child < 0:
            self._tell(FAILED, sandbox, -child)
        else:
            self._report_started(sandbox, child)
        return True

    def _become_main_process(self) -> NoReturn:
        """Be a child, which is confined: nothing of the zygote's may go on in it, whatever happens."""
        try:
            # Closed already, and its number may be somebody else's soon.
            self._control.detach()
            gc.enable()
            self._serve(settled.CHANNEL, self._kind)
        finally:
            os._exit(settled.NOT_SERVED)

    def _report_started(self, sandbox: int, child: int) -> None:
        self._running[child] = sandbox
        pidfd = os.pidfd_open(child)
        try:
            socket.send_fds(self._control, [EVENT.pack(STARTED, sandbox, child)], [pidfd])
        finally:
            os.close(pidfd)

    def _report_ended(self) -> None:
        os.read(self._signals, 128)
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            sandbox = self._running.pop(child, None)
            if sandbox is not None:
                self._tell(EXITED, sandbox, status)

    def _tell(self, kind: int, sandbox: int, value: int) -> None:
        self._control.send(EVENT.pack(kind, sandbox, value))


def main() -> None:
    """Get warm and serve."""
    kind, imports = sys.argv[1], [name for name in sys.argv[2].split(",") if name]
    plan, programs = read_all(PLAN), read_all(FILTERS)
    os.close(PLAN)
    os.close(FILTERS)
    drop_groups()

    serve = settled.get_warm(kind, imports)
    entry = Entry(plan, programs, kind)
    control = socket.socket(fileno=CONTROL)
    signals = settled.open_child_signals()
    settled.settle_memory()
    # Besides its own, the one libSandboxEntry.so needs to come back from a sandbox.
    settled.assert_ready_to_fork({CONTROL, signals}, ["pid:["])
    try:
        Zygote(control, signals, entry, serve, kind).run()
    except (BrokenPipeError, ConnectionResetError):
        # The launcher ended, and everything with it.
        pass


if __name__ == "__main__":
    main()
