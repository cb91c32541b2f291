#!/usr/bin/env python3
"""Executes a command in a world where one system call does not exist, for tests of what a server does then.

    without_system_call.py NAME COMMAND ARGUMENTS…

NAME is a key of CALLS. x86-64 only; needs root, because a filter of an ordinary user would also forbid programs to
gain rights.
"""

import ctypes
import errno
import os
import struct
import sys

# Name: number, an argument's mask (or none) that must be set for the call to be taken away, and the error to give.
CALLS = {
    "landlock_create_ruleset": [(444, 0, errno.ENOSYS)],
    # PR_SET_SECCOMP is the older way to the same wall.
    "seccomp": [(317, 0, errno.ENOSYS), (157, 22, errno.EINVAL)],
    "clone-newuser": [(56, 0x10000000, errno.EPERM), (272, 0x10000000, errno.EPERM), (435, 0, errno.ENOSYS)],
    "clone-newnet": [(56, 0x40000000, errno.EPERM), (272, 0x40000000, errno.EPERM), (435, 0, errno.ENOSYS)],
    "mount_setattr": [(442, 0, errno.ENOSYS)],
    "fsopen": [(430, 0, errno.ENOSYS)],
}
LOAD, JUMP_EQUAL, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERROR = 0x7FFF0000, 0x00050000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PRCTL = 22, 2, 157


def instruction(code: int, when_true: int, when_false: int, value: int) -> bytes:
    """Give one instruction of the filter machine."""
    return struct.pack("HBBI", code, when_true, when_false, value)


def program(name: str) -> bytes:
    """Six instructions a call: other numbers jump over it; where a mask is given, the first argument decides."""
    code = b""
    for number, mask, error in CALLS[name]:
        code += instruction(LOAD, 0, 0, 0)
        code += instruction(JUMP_EQUAL, 0, 3, number)
        code += instruction(LOAD, 0, 0, 16)
        if number == PRCTL:
            code += instruction(JUMP_EQUAL, 0, 1, mask)
        else:
            code += instruction(JUMP_SET, 0, 1, mask) if mask else instruction(JUMP_EQUAL, 0, 0, 0)
        code += instruction(RETURN, 0, 0, ERROR | error)
    return code + instruction(RETURN, 0, 0, ALLOW)


def main() -> None:
    """Install the filter and become the command."""
    name, *command = sys.argv[1:]
    code = ctypes.create_string_buffer(program(name))
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", (len(code) - 1) // 8, ctypes.addressof(code)))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_SECCOMP): {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
