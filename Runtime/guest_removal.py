"""Removing directories with all they hold, from a tree that programs change at the same time."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator

from guest_tree import TreeError, open_to_list, permit, unique_name

#: How long it may take, in seconds: against programs that make files faster than they can be removed.
PATIENCE = 10.0
#: So many names go in one step.
STEP = 32

_HOLD = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE, _FULL = True, False


class Removal:
    """Removes directories without descending into them: what is deeper than two levels is moved up first.

    So depth costs no descriptors and no stack, and a directory that is moved elsewhere meanwhile is left to whoever
    moved it.
    """

    def __init__(self) -> None:
        self._end = time.monotonic() + PATIENCE

    def remove(self, name: bytes, parent: int) -> Iterator[None]:
        """Remove a directory, step by step. Raises `OSError` and `TreeError`."""
        while self._remove(name, parent) is _FULL:
            yield
            outer = self._open(name, parent)
            if outer is None:
                continue
            try:
                yield from self._clear(outer)
            finally:
                os.close(outer)

    def _clear(self, outer: int) -> Iterator[None]:
        for child in self._sweep(outer):
            yield
            inner = self._open(child, outer) if child else None
            if inner is None:
                continue
            try:
                for grandchild in self._sweep(inner):
                    yield
                    if grandchild:
                        self._move_up(grandchild, inner, outer)
            finally:
                os.close(inner)
            self._remove(child, outer)

    def _sweep(self, directory: int) -> Iterator[bytes]:
        """Remove what can be; yield the names of directories that are not empty, and nothing now and then."""
        with os.scandir(directory) as entries:
            for count, entry in enumerate(entries):
                name = os.fsencode(entry.name)
                if self._remove(name, directory) is _FULL:
                    yield name
                elif count % STEP == STEP - 1:
                    yield b""

    def _remove(self, name: bytes, directory: int) -> bool:
        """Whether it is gone, rather than a directory that is not empty."""
        if time.monotonic() > self._end:
            raise TreeError("busy")
        try:
            os.unlink(name, dir_fd=directory)
            return _GONE
        except FileNotFoundError:
            return _GONE
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
        try:
            os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            return _GONE
        except OSError as error:
            # It may have become a file this moment: whoever asks looks again.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            return _FULL
        return _GONE

    def _open(self, name: bytes, parent: int) -> int | None:
        """None when it is a directory no more."""
        try:
            held = os.open(name, _HOLD, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise
        try:
            if stat.S_IMODE(os.fstat(held).st_mode) & 0o700 != 0o700:
                permit(held, 0o700)
            return open_to_list(held)
        finally:
            os.close(held)

    def _move_up(self, name: bytes, inner: int, outer: int) -> None:
        for is_last in (False, True):
            try:
                os.rename(name, unique_name(), src_dir_fd=inner, dst_dir_fd=outer)
                return
            except FileNotFoundError:
                return
            except PermissionError:
                if is_last:
                    raise
            # A directory is moved only by those who may write into it.
            opened = self._open(name, inner)
            if opened is None:
                return
            os.close(opened)
