"""What a program has produced: a walk through the workspace that programs may change at the same time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from guest_tree import Tree, TreeError, open_to_list, permit

#: Where the program itself lies.
ENTRYPOINT = b"__main__.py"
LONGEST_PATH = 4096
#: How much is hashed, and how many entries are looked at, in one step.
CHUNK, STEP = 256 << 10, 32

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Staged:
    """What was put in: an unchanged one is no product of the program."""

    size: int
    #: Hexadecimal, in lower case.
    sha256: str


@dataclass(frozen=True)
class Limits:
    """How much is given back, and how far is looked."""

    count: int
    file_bytes: int
    total_bytes: int
    depth: int
    entries: int


class Survey:
    """One look through the workspace."""

    def __init__(self, tree: Tree, staged: dict[bytes, Staged], limits: Limits) -> None:
        """`staged` is by path."""
        self._tree = tree
        self._staged = staged
        self._limits = limits
        self._entries_left = limits.entries
        self._found: list[tuple[bytes, int]] = []
        #: How many files are left out.
        self.omitted = 0
        #: Path and size of the others, by path.
        self.files: list[tuple[bytes, int]] = []

    def run(self) -> Iterator[None]:
        """Do it, step by step."""
        top = self._open(b".", self._tree.root)
        if top is not None:
            yield from self._visit(top, b"", 0)
        total = 0
        for path, size in sorted(self._found):
            original = self._staged.get(path)
            if original is not None and original.size == size and (yield from self._is_unchanged(path, original)):
                continue
            limits = self._limits
            if len(self.files) >= limits.count or size > min(limits.file_bytes, limits.total_bytes - total):
                self.omitted += 1
                continue
            total += size
            self.files.append((path, size))

    def _visit(self, directory: int, path: bytes, depth: int) -> Iterator[None]:
        """Look at a directory, which is closed, and what is below."""
        try:
            with os.scandir(directory) as entries:
                for entry in entries:
                    if self._entries_left <= 0:
                        self.omitted += 1
                        return
                    self._entries_left -= 1
                    if self._entries_left % STEP == 0:
                        yield
                    name = os.fsencode(entry.name)
                    inner = path + b"/" + name if path else name
                    if not _is_text(name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        yield from self._descend(name, directory, inner, depth + 1)
                    elif entry.is_file(follow_symlinks=False):
                        self._consider(name, directory, inner)
        except OSError:
            # It changed under our hands; what was found stays.
            pass
        finally:
            os.close(directory)

    def _descend(self, name: bytes, directory: int, path: bytes, depth: int) -> Iterator[None]:
        if depth > self._limits.depth or len(path) > LONGEST_PATH:
            self.omitted += 1
            return
        inner = self._open(name, directory)
        if inner is not None:
            yield from self._visit(inner, path, depth)

    def _consider(self, name: bytes, directory: int, path: bytes) -> None:
        if len(path) > LONGEST_PATH:
            self.omitted += 1
            return
        if path == ENTRYPOINT:
            return
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError:
            # It vanished.
            return
        if stat.S_ISREG(status.st_mode):
            self._found.append((path, status.st_size))

    def _open(self, name: bytes, directory: int) -> int | None:
        """Open a directory for listing, one whose mode forbids it too. None for anything else."""
        try:
            held = os.open(name, _HOLD, dir_fd=directory) if name != b"." else os.dup(directory)
        except OSError:
            return None
        try:
            status = os.fstat(held)
            if not stat.S_ISDIR(status.st_mode):
                return None
            if status.st_mode & 0o500 != 0o500:
                permit(held, 0o700)
            return open_to_list(held)
        except OSError:
            return None
        finally:
            os.close(held)

    def _is_unchanged(self, path: bytes, original: Staged) -> Generator[None, None, bool]:
        """Compare the content: writing through a mapping leaves the times of a file in memory as they are.

        Returns whether it is the same.
        """
        try:
            file, _ = self._tree.open_file(path.split(b"/"), False)
        except (OSError, TreeError):
            return False
        try:
            digest = hashlib.sha256()
            remaining = original.size
            while remaining > 0:
                data = os.read(file, min(CHUNK, remaining))
                if not data:
                    return False
                digest.update(data)
                remaining -= len(data)
                yield
            return digest.hexdigest() == original.sha256
        except OSError:
            return False
        finally:
            os.close(file)


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
