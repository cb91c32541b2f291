"""What a kernel's messages become on the channel: frames whose shape and size the server accepts."""

from __future__ import annotations

import json
from typing import Any

import frames

#: Longest text of one `output` frame, in characters: at most four bytes each.
MAXIMUM_TEXT = 64 << 10
#: Most text that is kept of what a kernel prints between two executions.
MAXIMUM_LATE_TEXT = 256 << 10
#: Longest name, value and traceback of an `error` frame, in characters.
MAXIMUM_ERROR_TEXT = 512 << 10
#: Most representations of one display, and the longest name of one.
MAXIMUM_TYPES = 60
MAXIMUM_TYPE_NAME = 255
#: Deepest JSON of a display; the server takes little more.
MAXIMUM_DEPTH = 200

#: Types whose values are base64, which some kernels break into lines.
_BASE64 = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
_STREAMS = ("stdout", "stderr")


class Output:
    """Sends what belongs to the execution under way, and keeps what comes between two for the next."""

    def __init__(self, channel: frames.Channel) -> None:
        """Send over `channel`, whose errors go to the caller of whatever is called here."""
        self._channel = channel
        self._id: object = None
        # Text that is not sent yet, of one stream.
        self._name = ""
        self._pending: list[str] = []
        self._pending_length = 0
        # Text that came while nothing ran.
        self._late: list[tuple[str, str]] = []
        self._late_length = 0
        self._late_dropped = 0
        #: Whether an error was reported in this execution.
        self.has_error = False

    def begin(self, identity: object, count: int) -> None:
        """Begin an execution; what came before it is delivered first."""
        self._channel.send({"type": "started", "id": identity, "execution_count": count})
        self._id, self.has_error = identity, False
        late, dropped = self._late, self._late_dropped
        self._late, self._late_length, self._late_dropped = [], 0, 0
        for name, text in late:
            self.stream(name, text)
        if dropped:
            self.stream("stderr", f"[{dropped} characters that were printed between two executions are lost]\n")

    def end(self, is_last: bool = False) -> None:
        """End the execution; `is_last` where the interpreter ends with it."""
        self.flush()
        frame: dict[str, object] = {"type": "done", "id": self._id}
        self._id = None
        self._channel.send(frame | {"ends": True} if is_last else frame)

    def stream(self, name: str, text: str) -> None:
        """Print. Texts that follow each other are joined until `flush`."""
        if name not in _STREAMS or not text:
            return
        if self._id is None:
            self._keep(name, text)
            return
        if name != self._name:
            self.flush()
            self._name = name
        self._pending.append(text)
        self._pending_length += len(text)
        if self._pending_length >= MAXIMUM_TEXT:
            self.flush()

    def flush(self) -> None:
        """Send the text that waits."""
        text = "".join(self._pending)
        self._pending, self._pending_length = [], 0
        for start in range(0, len(text), MAXIMUM_TEXT):
            piece = sound(text[start : start + MAXIMUM_TEXT])
            self._channel.send({"type": "output", "id": self._id, "stream": self._name, "text": piece})

    def display(self, content: dict[str, Any], is_main: bool) -> None:
        """Show a MIME bundle; between two executions there is nobody to show it to."""
        if self._id is None:
            return
        self.flush()
        frame = {"type": "display", "id": self._id, "main": is_main, "data": bundle(content.get("data"))}
        if frame["data"]:
            try:
                self._channel.send(frame)
            except frames.FrameError:
                self._channel.send(frame | {"data": {"text/plain": "[a display that is too large]"}})

    def error(self, name: object, value: object, traceback: object) -> None:
        """Report an error, whatever the kernel calls one."""
        if self._id is None:
            return
        self.flush()
        self.has_error = True
        lines = [line for line in traceback if isinstance(line, str)] if isinstance(traceback, list) else []
        texts = {"name": name, "value": value, "traceback": "\n".join(lines)}
        limited = {
            key: sound(str(text if text is not None else "")[:MAXIMUM_ERROR_TEXT]) for key, text in texts.items()
        }
        self._channel.send({"type": "error", "id": self._id, **limited})

    def _keep(self, name: str, text: str) -> None:
        room = MAXIMUM_LATE_TEXT - self._late_length
        if room > 0:
            self._late.append((name, text[:room]))
            self._late_length += len(text[:room])
        self._late_dropped += max(0, len(text) - max(0, room))


def sound(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 cannot carry."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def bundle(data: object) -> dict[str, object]:
    """Return what can be shown of a MIME bundle: texts, and JSON for JSON's types."""
    shown: dict[str, object] = {}
    if not isinstance(data, dict):
        return shown
    for kind, value in list(data.items())[:MAXIMUM_TYPES]:
        if not isinstance(kind, str) or not 0 < len(kind) <= MAXIMUM_TYPE_NAME:
            continue
        if isinstance(value, list) and all(isinstance(line, str) for line in value) and not _is_json(kind):
            value = "".join(value)
        if isinstance(value, str):
            shown[sound(kind)] = sound("".join(value.split()) if kind in _BASE64 else value)
        elif _is_json(kind) and _depth(value) <= MAXIMUM_DEPTH:
            shown[sound(kind)] = json.loads(sound(json.dumps(value, ensure_ascii=False)))
    return shown


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _depth(value: object) -> int:
    """How many containers lie in each other at most."""
    depth, level = 0, [value]
    while level:
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [part for item in containers for part in (item.values() if isinstance(item, dict) else item)]
        depth += bool(containers)
    return depth
