"""A Landlock domain for each child of the guest, so that contexts of one container cannot reach one another.

All of them run as one user in one pid namespace. Programs of different domains cannot trace one another, which closes
memory, descriptors and environment in /proc, and since version 6 of Landlock they cannot send one another signals or
connect to one another's abstract sockets (landlock(7)).
"""

from __future__ import annotations

import ctypes
import os
import struct

#: System calls, the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUESTION = 1
_PATH_BENEATH = 1
_SCOPES = 0b11
#: The first version with scopes, and the first that lets files move between directories.
_WITH_SCOPES, _WITH_MOVES = 6, 2
_MOVE = 1 << 13


class Domains:
    """What a child needs to enter a domain of its own. Made before there are any children."""

    def __init__(self) -> None:
        """Ask what the kernel has."""
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self.version = max(0, int(self._call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_QUESTION)))

    @property
    def keep_apart(self) -> bool:
        """Whether neither signals nor memory of other children can be reached."""
        return bool(self.version >= _WITH_SCOPES)

    def enter(self) -> None:
        """Enter a domain of its own, for good; it needs no_new_privs. Nothing where the kernel has no such thing."""
        if self.version < _WITH_MOVES:
            return
        # A domain that has no rule about files leaves them as they are, else moving them must be allowed.
        files, scopes = (0, _SCOPES) if self.keep_apart else (_MOVE, 0)
        attribute = struct.pack("=QQQ", files, 0, scopes)
        size = 24 if self.keep_apart else 8
        ruleset = self._checked(_CREATE_RULESET, attribute, ctypes.c_size_t(size), 0)
        try:
            if files:
                self._allow_moves(ruleset)
            self._checked(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)

    def _allow_moves(self, ruleset: int) -> None:
        top = os.open("/", os.O_PATH | os.O_CLOEXEC)
        try:
            self._checked(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", _MOVE, top), 0)
        finally:
            os.close(top)

    def _checked(self, number: int, *arguments: object) -> int:
        result = int(self._call(number, *arguments))
        if result < 0:
            raise OSError(ctypes.get_errno(), f"landlock system call {number}")
        return result
