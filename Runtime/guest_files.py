"""What the server asks of the workspace. Each request goes on in small steps, so that none holds up processes."""

from __future__ import annotations

import json
import os
import stat
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

import guest_stream
from guest_removal import Removal
from guest_stream import PacketError
from guest_survey import Limits, Staged, Survey
from guest_tree import Draft, Tree, TreeError, entity_tag, explained

#: Most files that are held open for the server.
MOST_HANDLES = 64
#: How much of a file is read, and how many entries are listed, in one step.
CHUNK, STEP = 256 << 10, 32
#: Lines are sent when there are so many bytes of them.
LINES = 32 << 10
LONGEST_NAME = 255

#: What a step says: go on soon, or when content or credit has come.
GO_ON, WAIT = True, False
Steps = Generator[bool, None, dict[str, Any]]


class Request:
    """One request and its stream."""

    def __init__(self, out: guest_stream.Outgoing, stream: int, begin: Callable[[Request], Steps]) -> None:
        """Take over the stream; `begin` makes the steps of this request."""
        self._out = out
        self.stream = stream
        self._credit = guest_stream.Credit(out, stream)
        self._content: deque[bytes] = deque()
        #: Whether no more content comes.
        self.is_complete = False
        self._steps: Steps | None = begin(self)

    # For the guest

    def receive(self, kind: int, payload: bytes) -> None:
        """Take a packet of this stream. Raises `PacketError`."""
        if kind == guest_stream.CREDIT:
            self._credit.add(payload)
        elif kind == guest_stream.DATA and not self.is_complete:
            self._credit.receive(len(payload))
            self._content.append(payload)
        elif kind == guest_stream.END:
            self.is_complete = True
        elif kind == guest_stream.CANCEL:
            self._cancel()
        else:
            raise PacketError(f"a packet of kind {kind} for a request")

    @property
    def is_over(self) -> bool:
        """Whether it was answered."""
        return self._steps is None

    def step(self) -> bool:
        """Go on; return whether there is more to do at once. Raises `PacketError`."""
        if self._steps is None:
            return False
        try:
            return next(self._steps) is GO_ON
        except StopIteration as end:
            self._answer({"result": end.value})
        except TreeError as error:
            self._fail(error)
        except OSError as error:
            self._fail(explained(error))
        except PacketError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours, which must not take the processes down
            traceback.print_exc(file=sys.stderr)
            self._fail(TreeError("failed", type(error).__name__))
        return False

    def _cancel(self) -> None:
        if self._steps is not None:
            # Runs what removes its traces.
            self._steps.close()
            self._fail(TreeError("cancelled"))

    def _fail(self, error: TreeError) -> None:
        self._answer({"error": error.word, "message": str(error)[:1000]})

    def _answer(self, answer: dict[str, Any]) -> None:
        self._steps = None
        self._content.clear()
        self._out.send_object(guest_stream.ANSWER, self.stream, answer)

    # For the steps

    def take(self) -> bytes | None:
        """Return the next piece of content; None where none is here."""
        if not self._content:
            return None
        piece = self._content.popleft()
        self._credit.pass_on(len(piece))
        return piece

    @property
    def sendable(self) -> int:
        """How many bytes may be said now."""
        return self._credit.sendable

    def say(self, data: bytes) -> Iterator[bool]:
        """Send data, as soon as there is credit."""
        for start in range(0, len(data), guest_stream.MAXIMUM_PAYLOAD):
            piece = data[start : start + guest_stream.MAXIMUM_PAYLOAD]
            while self._credit.sendable < len(piece):
                yield WAIT
            self._credit.sendable -= len(piece)
            self._out.send(guest_stream.DATA, self.stream, piece)


class Files:
    """The workspace, and what is remembered of it."""

    def __init__(self, path: str) -> None:
        """Hold the workspace."""
        self.tree = Tree(path)
        self._handles: dict[int, int] = {}
        self._staged: dict[bytes, Staged] = {}
        self._requests: dict[str, Callable[[dict[str, Any], Request], Steps]] = {
            "list": self._list,
            "open": self._open,
            "read": self._read,
            "close": self._close,
            "write": self._write,
            "stage": self._stage,
            "remove": self._remove,
            "produced": self._produced,
        }

    def request(self, out: guest_stream.Outgoing, stream: int, opening: dict[str, Any]) -> Request:
        """Begin what `opening` asks for. Raises `PacketError`."""
        kind = opening.get("type")
        steps = self._requests.get(kind) if isinstance(kind, str) else None
        if steps is None:
            raise PacketError("an unknown type of stream")
        return Request(out, stream, lambda request: steps(opening, request))

    # Reading

    def _list(self, opening: dict[str, Any], request: Request) -> Steps:
        names, limit = _names(opening), _number(opening, "limit")
        directory = self.tree.open_directory(names)
        try:
            if os.fstat(directory).st_mode & 0o100 == 0:
                # Readable but not searchable is of no use.
                os.fchmod(directory, 0o700)
            count, lines, is_truncated = 0, bytearray(), False
            with os.scandir(directory) as entries:
                for entry in entries:
                    if count == limit:
                        is_truncated = True
                        break
                    line = self._describe(os.fsencode(entry.name), directory, names, entry.is_symlink())
                    count += line is not None
                    lines += line or b""
                    if len(lines) >= LINES:
                        yield from request.say(bytes(lines))
                        lines.clear()
                    if count % STEP == 0 or entry.is_symlink():
                        yield GO_ON
            yield from request.say(bytes(lines))
        finally:
            os.close(directory)
        return {"truncated": is_truncated}

    def _describe(self, name: bytes, directory: int, names: list[bytes], is_link: bool) -> bytes | None:
        """Return the line of an entry. What vanished meanwhile is none."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if is_link:
            # One that leads nowhere is shown as it is.
            status = self._status_behind([*names, name]) or status
        is_directory = stat.S_ISDIR(status.st_mode)
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        line = {"name": name.hex(), "directory": is_directory, "size": size, **_time(status)}
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"

    def _status_behind(self, names: list[bytes]) -> os.stat_result | None:
        try:
            with self.tree.walk() as walk:
                found = walk.go(names)
                if found is None:
                    return os.fstat(walk.directory)
                os.close(found[0])
                return found[1]
        except (OSError, TreeError):
            return None

    def _open(self, opening: dict[str, Any], request: Request) -> Steps:
        yield from ()
        if len(self._handles) >= MOST_HANDLES:
            raise TreeError("busy", "too many files are open")
        file, status = self.tree.open_file(_names(opening), _flag(opening, "follow", True))
        if _flag(opening, "directory", False):
            os.close(file)
            raise TreeError("notADirectory")
        self._handles[request.stream] = file
        return {"size": status.st_size, **_time(status), "tag": entity_tag(status)}

    def _read(self, opening: dict[str, Any], request: Request) -> Steps:
        offset, remaining = _number(opening, "offset"), _number(opening, "length")
        # Of its own, so that the handle may be closed meanwhile.
        file = os.dup(self._handle(opening))
        try:
            while remaining > 0:
                wanted = min(CHUNK, remaining, request.sendable)
                if wanted <= 0:
                    yield WAIT
                    continue
                data = os.pread(file, wanted, offset)
                if not data:
                    break
                yield from request.say(data)
                offset += len(data)
                remaining -= len(data)
                yield GO_ON
        finally:
            os.close(file)
        return {}

    def _close(self, opening: dict[str, Any], request: Request) -> Steps:
        yield from ()
        self._handle(opening)
        os.close(self._handles.pop(opening["handle"]))
        return {}

    def _handle(self, opening: dict[str, Any]) -> int:
        file = self._handles.get(_number(opening, "handle"))
        if file is None:
            raise TreeError("notFound", "no such handle")
        return file

    # Changing

    def _write(self, opening: dict[str, Any], request: Request) -> Steps:
        names, limit, holds = _names(opening), _number(opening, "limit"), _condition(opening)
        follow = _flag(opening, "follow", True)
        if _flag(opening, "directory", False):
            raise TreeError("isADirectory")
        self.tree.check_replaceable(names, follow, holds)
        draft = Draft(self.tree.root)
        try:
            yield from _fill(draft, request, limit)
            is_new, tag = self.tree.publish(draft, names, follow, holds)
        finally:
            draft.close()
        return {"new": is_new, "tag": tag}

    def _stage(self, opening: dict[str, Any], request: Request) -> Steps:
        names, sha256 = _names(opening), opening.get("sha256")
        if not isinstance(sha256, str):
            raise PacketError("sha256 is a text")
        try:
            draft = Draft(self.tree.root)
            try:
                size = yield from _fill(draft, request, None)
                self._check_staging(names)
                self.tree.publish(draft, names, False, lambda _: True)
            finally:
                draft.close()
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise TreeError("notARegularFile") from error
        self._staged[b"/".join(names)] = Staged(size, sha256.lower())
        return {"size": size}

    def _check_staging(self, names: list[bytes]) -> None:
        """Only files are replaced."""
        if not names:
            raise TreeError("notARegularFile")
        try:
            with self.tree.walk(False) as walk:
                walk.enter(names[:-1])
                status = os.stat(names[-1], dir_fd=walk.directory, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(status.st_mode):
            raise TreeError("notARegularFile")

    def _remove(self, opening: dict[str, Any], request: Request) -> Steps:
        names = _names(opening)
        if not names:
            raise TreeError("isRoot")
        with self.tree.walk() as walk:
            walk.enter(names[:-1])
            parent, name = walk.directory, names[-1]
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                for _ in Removal().remove(name, parent):
                    yield GO_ON
            elif _flag(opening, "directory", False):
                raise TreeError("notADirectory")
            else:
                os.unlink(name, dir_fd=parent)
        return {}

    # What a program made

    def _produced(self, opening: dict[str, Any], request: Request) -> Steps:
        limits = Limits(
            count=_number(opening, "count"),
            file_bytes=_number(opening, "file_bytes"),
            total_bytes=_number(opening, "total_bytes"),
            depth=_number(opening, "depth"),
            entries=_number(opening, "entries"),
        )
        survey = Survey(self.tree, self._staged, limits)
        for _ in survey.run():
            yield GO_ON
        lines = bytearray()
        for path, size in survey.files:
            lines += b'{"path":"%s","size":%d}\n' % (path.hex().encode(), size)
            if len(lines) >= LINES:
                yield from request.say(bytes(lines))
                lines.clear()
        yield from request.say(bytes(lines))
        return {"omitted": survey.omitted}


def _fill(draft: Draft, request: Request, limit: int | None) -> Generator[bool, None, int]:
    """Put the content of a request into a draft; return how much it is."""
    size = 0
    while True:
        piece = request.take()
        if piece is None:
            if request.is_complete:
                return size
            yield WAIT
            continue
        size += len(piece)
        if limit is not None and size > limit:
            raise TreeError("tooLarge")
        draft.append(piece)
        if len(piece) >= CHUNK // 4:
            yield GO_ON


def _time(status: os.stat_result) -> dict[str, int]:
    seconds, nanoseconds = divmod(status.st_mtime_ns, 1_000_000_000)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


def _names(opening: dict[str, Any]) -> list[bytes]:
    """Return the names of a path. Raises `PacketError` and `TreeError`."""
    text = opening.get("path")
    if not isinstance(text, str):
        raise PacketError("a path is a text")
    try:
        path = bytes.fromhex(text)
    except ValueError as error:
        raise PacketError("a path is hexadecimal") from error
    if not path:
        return []
    if b"\0" in path:
        raise TreeError("invalidPath")
    names = path.split(b"/")
    if any(name in (b"", b".", b"..") for name in names):
        raise TreeError("outsideWorkspace")
    if len(path) > 4096 or any(len(name) > LONGEST_NAME for name in names):
        raise TreeError("nameTooLong")
    return names


def _number(opening: dict[str, Any], name: str) -> int:
    value = opening.get(name)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise PacketError(f"{name} is a number")
    return value


def _flag(opening: dict[str, Any], name: str, default: bool) -> bool:
    value = opening.get(name, default)
    if not isinstance(value, bool):
        raise PacketError(f"{name} is true or false")
    return value


def _condition(opening: dict[str, Any]) -> Callable[[str | None], bool]:
    """Return what tells, from the entity tag of a file or None where there is none, whether it may be replaced."""
    condition = opening.get("condition", {"if": "none"})
    kind = condition.get("if") if isinstance(condition, dict) else None
    if kind == "none":
        return lambda _: True
    if kind == "missing":
        return lambda tag: tag is None
    if kind == "exists":
        return lambda tag: tag is not None
    tags = condition.get("tags") if kind == "tags" else None
    if not isinstance(tags, list):
        raise PacketError("an unknown condition")
    return lambda tag: tag in tags
