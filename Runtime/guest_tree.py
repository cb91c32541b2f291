"""The workspace of a container, as somebody outside reads and changes it while hostile programs do the same.

A path is walked name by name, each opened relative to the directory before it and never followed by the kernel. The
directories on the way stay open, so that `..` in a link leads to the one that was walked through, whatever was renamed
meanwhile. All is done with the rights of programs: what they may not do themselves is not done for them either.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

#: As Linux has it for links.
MOST_LINKS = 40
#: Most names on a way, those of links included; a path has at most half as many.
MOST_STEPS = 4096

_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_WITHOUT_NAME = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
_NO_TEMPORARY = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))

_WORDS = {
    # A link that leads to itself leads nowhere.
    **dict.fromkeys((errno.ENOENT, errno.ELOOP), "notFound"),
    errno.ENOTDIR: "notADirectory",
    errno.EISDIR: "isADirectory",
    errno.EXDEV: "outsideWorkspace",
    errno.ENAMETOOLONG: "nameTooLong",
    **dict.fromkeys((errno.ENXIO, errno.ENODEV), "notARegularFile"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "permissionDenied"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "full"),
    **dict.fromkeys((errno.EAGAIN, errno.ENOTEMPTY), "busy"),
}


class TreeError(Exception):
    """Why something could not be done; `word` is one of the protocol's."""

    def __init__(self, word: str, message: str = "") -> None:
        super().__init__(message or word)
        self.word = word


def explained(error: OSError) -> TreeError:
    """Say in the protocol's words what the system said."""
    message = os.strerror(error.errno) if error.errno else "unknown"
    return TreeError(_WORDS.get(error.errno or 0, "failed"), message)


class Walk:
    """The directories from the root to a place; closes them, but for the root."""

    def __init__(self, root: int, follow: bool) -> None:
        """Begin at the root. Without `follow` a link on the way is an error."""
        self._stack = [root]
        self._follow = follow
        self._links = self._steps = 0

    def __enter__(self) -> Walk:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was walked through."""
        while len(self._stack) > 1:
            os.close(self._stack.pop())

    @property
    def directory(self) -> int:
        """The directory it has come to, by a descriptor that only holds."""
        return self._stack[-1]

    def go(self, names: Sequence[bytes]) -> tuple[int, os.stat_result] | None:
        """Go on to what `names` lead to. Of a directory that is all; anything else is returned, held by a descriptor.

        Raises `OSError` and `TreeError`.
        """
        pending = list(reversed(names))
        while pending:
            name = pending.pop()
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise TreeError("nameTooLong")
            if name in (b"", b"."):
                continue
            if name == b"..":
                self._leave()
                continue
            held = os.open(name, _HOLD, dir_fd=self.directory)
            try:
                status = os.fstat(held)
                if stat.S_ISDIR(status.st_mode):
                    self._stack.append(held)
                    held = -1
                elif stat.S_ISLNK(status.st_mode):
                    pending += reversed(self._target(held))
                elif pending:
                    raise NotADirectoryError(errno.ENOTDIR, "openat")
                else:
                    found, held = held, -1
                    return found, status
            finally:
                if held >= 0:
                    os.close(held)
        return None

    def enter(self, names: Sequence[bytes]) -> None:
        """Go on to a directory."""
        found = self.go(names)
        if found is not None:
            os.close(found[0])
            raise NotADirectoryError(errno.ENOTDIR, "openat")

    def _leave(self) -> None:
        if len(self._stack) == 1:
            raise TreeError("outsideWorkspace")
        os.close(self._stack.pop())

    def _target(self, link: int) -> list[bytes]:
        if not self._follow:
            raise TreeError("notARegularFile")
        self._links += 1
        if self._links > MOST_LINKS:
            raise OSError(errno.ELOOP, "openat")
        target = os.readlink(b"", dir_fd=link)
        if target.startswith(b"/"):
            raise TreeError("outsideWorkspace")
        return target.split(b"/")


class Draft:
    """A file that is being written. It has no name that anybody looks for, and vanishes when it is closed."""

    def __init__(self, root: int) -> None:
        """Begin it; the whole tree is one file system."""
        self._root = root
        #: Only where the file system has no files without a name.
        self._name = b""
        try:
            self.descriptor = os.open(b".", _WITHOUT_NAME, 0o644, dir_fd=root)
        except OSError as error:
            if error.errno not in _NO_TEMPORARY:
                raise
            self._name = unique_name()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self.descriptor = os.open(self._name, flags, 0o644, dir_fd=root)

    def append(self, data: bytes) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def link(self, name: bytes, parent: int) -> None:
        """Give it a name that nothing has."""
        if self._name:
            os.link(self._name, name, src_dir_fd=self._root, dst_dir_fd=parent, follow_symlinks=False)
            # At once, as this changes the file's times, and so its entity tag.
            _unlink(self._name, self._root)
            self._name = b""
        else:
            # By its name in /proc, because linking a descriptor itself is for root alone.
            os.link(_in_proc(self.descriptor), name, dst_dir_fd=parent, follow_symlinks=True)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
        if self._name:
            _unlink(self._name, self._root)


class Tree:
    """The workspace. All paths are lists of names, empty for the root. Raises `OSError` and `TreeError`."""

    def __init__(self, path: str) -> None:
        """Hold the root."""
        self.root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def walk(self, follow: bool = True) -> Walk:
        """Begin a walk at the root."""
        return Walk(self.root, follow)

    def open_file(self, names: Sequence[bytes], follow: bool) -> tuple[int, os.stat_result]:
        """Open a regular file for reading, one whose mode forbids it too."""
        with self.walk(follow) as walk:
            found = walk.go(names)
        if found is None:
            raise TreeError("isADirectory")
        held, status = found
        try:
            if not stat.S_ISREG(status.st_mode):
                raise TreeError("notARegularFile")
            # What is opened is what was looked at, whatever has its name by now.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            file = _permitting(held, 0o600, lambda: os.open(_in_proc(held), flags))
        finally:
            os.close(held)
        return file, os.fstat(file)

    def open_directory(self, names: Sequence[bytes], follow: bool = True) -> int:
        """Open a directory for listing, one whose mode forbids it too."""
        with self.walk(follow) as walk:
            walk.enter(names)
            return open_to_list(walk.directory)

    def is_replaceable(self, names: Sequence[bytes], parent: int, holds: Callable[[str | None], bool]) -> bool:
        """Whether there is something of that name.

        Raises where it may not be replaced, and where `holds` is not true of its entity tag, None where there is none.
        """
        try:
            status = os.stat(names[-1], dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            status = None
        tag = None
        if status is not None:
            if stat.S_ISDIR(status.st_mode):
                raise TreeError("isADirectory")
            if stat.S_ISREG(status.st_mode):
                tag = entity_tag(status)
            elif stat.S_ISLNK(status.st_mode):
                tag = self._tag_behind(names)
            else:
                raise TreeError("notARegularFile")
        if not holds(tag):
            raise TreeError("conditionFailed")
        return status is not None

    def check_replaceable(self, names: Sequence[bytes], follow: bool, holds: Callable[[str | None], bool]) -> None:
        """Raise where a file could not be published there as things are."""
        if not names:
            raise TreeError("isADirectory")
        try:
            with self.walk(follow) as walk:
                walk.enter(names[:-1])
                self.is_replaceable(names, walk.directory, holds)
        except FileNotFoundError:
            if not holds(None):
                raise TreeError("conditionFailed") from None

    def publish(
        self, draft: Draft, names: Sequence[bytes], follow: bool, holds: Callable[[str | None], bool]
    ) -> tuple[bool, str]:
        """Give a draft its name, in place of what has it; return whether nothing had, and the new entity tag."""
        with self._walk_making(names[:-1], follow) as walk:
            parent, name = walk.directory, names[-1]
            is_replaced = self.is_replaceable(names, parent, holds)
            if is_replaced:
                _replace(draft, name, parent)
            else:
                try:
                    draft.link(name, parent)
                except FileExistsError:
                    # A program was faster.
                    _replace(draft, name, parent)
        return not is_replaced, entity_tag(os.fstat(draft.descriptor))

    @contextmanager
    def _walk_making(self, names: Sequence[bytes], follow: bool) -> Iterator[Walk]:
        """Go to a directory, made with its parents where it is missing."""
        with self.walk(follow) as walk:
            try:
                walk.enter(names)
                is_there = True
            except FileNotFoundError:
                is_there = False
            if is_there:
                yield walk
                return
        with self.walk(follow) as walk:
            for name in names:
                try:
                    os.mkdir(name, 0o755, dir_fd=walk.directory)
                except FileExistsError:
                    # Among them links inside, which are followed here too.
                    pass
                walk.enter([name])
            yield walk

    def _tag_behind(self, names: Sequence[bytes]) -> str | None:
        """Readers see what is at the end of a link; where nothing is, there is nothing to them."""
        try:
            file, status = self.open_file(names, True)
        except (OSError, TreeError):
            return None
        os.close(file)
        return entity_tag(status)


def entity_tag(status: os.stat_result) -> str:
    """Inode, size and times: nobody but the kernel can set the last of them."""
    numbers = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return '"' + "-".join(f"{number & 0xFFFF_FFFF_FFFF_FFFF:x}" for number in numbers) + '"'


def open_to_list(held: int) -> int:
    """Open a directory that is only held."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    return _permitting(held, 0o700, lambda: os.open(b".", flags, dir_fd=held))


def unique_name() -> bytes:
    """Return a name that nobody else has."""
    return b".code-interpreter-" + os.urandom(8).hex().encode()


def _permitting(held: int, mode: int, action: Callable[[], int]) -> int:
    """Do something; where that is forbidden, give the owner, which is this process, access, and try again."""
    try:
        return action()
    except PermissionError:
        permit(held, mode)
        return action()


def permit(held: int, mode: int) -> None:
    """Give the owner access to what a descriptor holds."""
    # fchmod(2) refuses a descriptor that only holds; its name in /proc does not.
    os.chmod(_in_proc(held), mode)


def _in_proc(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _replace(draft: Draft, name: bytes, parent: int) -> None:
    """Rename over what is there: linkat(2) replaces nothing."""
    temporary = unique_name()
    draft.link(temporary, parent)
    try:
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        _unlink(temporary, parent)
        raise


def _unlink(name: bytes, parent: int) -> None:
    """Remove a file of ours; a program may have done so before."""
    try:
        os.unlink(name, dir_fd=parent)
    except OSError:
        pass
