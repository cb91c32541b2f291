"""Whom the guest and its children run as, and what a child sheds before it serves.

Programs must never reach the stream, the memory or the descriptors of the guest. Where the container starts the guest
as root, programs are another user than the guest is by its real and saved ids: the kernel then refuses them signals and
tracing. Where guest and programs are one user, signals do not reach the first process of a pid namespace unless it has
a handler for them. In both cases the guest cannot be dumped, which keeps its memory and its part of /proc closed.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

import guest_landlock
import settled

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38
CAPABILITIES_VERSION = 0x2008_0522

#: The guest's descriptors stay below, so that a child knows what to close.
MOST_DESCRIPTORS = 1 << 16

#: What the kernel's memory killer thinks of children: any of them rather than the guest.
KILLED_FIRST = b"1000"

_IGNORED = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}


class Identity:
    """The user of programs. Made and assumed once, before anything of the image is imported."""

    def __init__(self, uid: int = 1000, gid: int = 1000) -> None:
        """Where the guest is not root, programs have its own ids and not these."""
        #: Whether programs are another user than the guest.
        self.is_separate = os.geteuid() == 0
        self.uid = uid if self.is_separate else os.getuid()
        self.gid = gid if self.is_separate else os.getgid()
        libc = ctypes.CDLL(None, use_errno=True)
        self._prctl = libc.prctl
        self._prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        self._capset = libc.capset
        self.domains = guest_landlock.Domains()
        self._limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def assume(self) -> None:
        """Be closed to others, and have the rights of programs as to files.

        In all respects until `separate`: libraries that are imported ask access(2), which goes by the real ids.
        """
        self._control(PR_SET_DUMPABLE, 0)
        self._control(PR_SET_NO_NEW_PRIVS, 1)
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        if self.is_separate:
            os.setgroups([])
            self._set_ids(self.uid, self.gid)
        hard = self._limits[1]
        most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        os.umask(0o022)

    def separate(self) -> None:
        """Be no process of the user of programs any more; to be called before there are any."""
        if self.is_separate:
            self._set_ids(0, 0)

    def confine(self, channel: int) -> None:
        """Be a child, for good: nothing of the guest's is left but its memory, of which this process has a copy.

        The channel becomes `settled.CHANNEL` first of all, so that a failure can be told over it.
        """
        if channel != settled.CHANNEL:
            os.dup2(channel, settled.CHANNEL, inheritable=False)
        self._become_user()
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NOFILE, self._limits)
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for number in range(3):
            os.dup2(nowhere, number)
        os.closerange(3, settled.CHANNEL)
        os.closerange(settled.CHANNEL + 1, MOST_DESCRIPTORS)
        self.domains.enter()
        # Not before all descriptors are gone: from here on other programs may look into this process.
        self._control(PR_SET_DUMPABLE, 1)
        self._be_killed_first()
        for number in _IGNORED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _set_ids(self, real_uid: int, real_gid: int) -> None:
        os.setresgid(real_gid, self.gid, 0)
        os.setresuid(real_uid, self.uid, 0)
        # Changing ids may have opened the process.
        self._control(PR_SET_DUMPABLE, 0)

    def _become_user(self) -> None:
        if self.is_separate:
            os.seteuid(0)
            os.setgroups([])
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
        if self._capset(header, (ctypes.c_uint32 * 6)()) != 0:
            raise OSError(ctypes.get_errno(), "capset")
        if os.getresuid() != (self.uid,) * 3 or os.getresgid() != (self.gid,) * 3:
            raise OSError("the identity of programs could not be taken")

    def _be_killed_first(self) -> None:
        """Where the kernel has no such file nobody is preferred."""
        try:
            descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.write(descriptor, KILLED_FIRST)
        except OSError:
            pass
        finally:
            os.close(descriptor)

    def _control(self, option: int, value: int) -> None:
        """Call prctl(2)."""
        if self._prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")
