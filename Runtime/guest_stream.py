"""Packets between a guest and the server, and credit: how much of each stream may be on its way.

docs/PROTOCOL.md names the packets. Nothing in here blocks.
"""

from __future__ import annotations

import json
import os
import struct
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

#: Kinds of packets.
OPEN, DATA, INPUT, END, CREDIT, SIGNAL, CANCEL, STDOUT, STDERR, EXIT, ANSWER, READY, USAGE = range(1, 14)
_FROM_SERVER = frozenset((OPEN, DATA, INPUT, END, CREDIT, SIGNAL, CANCEL))
_WITHOUT_PAYLOAD = frozenset((END, CANCEL))
_LENGTHS = {CREDIT: 4, SIGNAL: 1}

#: Longest payload of a packet.
MAXIMUM_PAYLOAD = 256 << 10
#: What each side may send of a stream beyond what the other has granted.
WINDOW = 1 << 20
#: Credit is granted in pieces of at least so much. What is not granted yet never keeps the other side from sending.
GRANT = 256 << 10
#: The guest reads no children while so much waits to be sent.
FULL = 1 << 20
#: And not even the server while it is so much, which only a server that reads nothing brings about.
OVERFULL = 8 << 20

_HEADER = struct.Struct("<IBI")
_NUMBER = struct.Struct("<I")
#: The part of the header that counts as length.
_COUNTED = _HEADER.size - _NUMBER.size
_PIECES = 512

_INPUT, _OUTPUT = 0, 1


class PacketError(Exception):
    """The server broke the rules of the stream."""


class Incoming:
    """What the server sends, packet by packet."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def receive(self) -> Iterator[tuple[int, int, bytes]]:
        """Read once and yield kind, stream and payload of each packet that is complete.

        Raises `EOFError` at the end of the input, `PacketError` for anything that is no packet.
        """
        try:
            data = os.read(_INPUT, MAXIMUM_PAYLOAD)
        except BlockingIOError:
            return
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        rest = self._rest
        rest += data
        position = 0
        while len(rest) - position >= _HEADER.size:
            length, kind, stream = _HEADER.unpack_from(rest, position)
            if not _COUNTED <= length <= _COUNTED + MAXIMUM_PAYLOAD:
                raise PacketError(f"a packet of {length} bytes")
            end = position + _NUMBER.size + length
            if len(rest) < end:
                break
            payload = bytes(rest[position + _HEADER.size : end])
            _check(kind, stream, payload)
            position = end
            yield kind, stream, payload
        del rest[:position]


def _check(kind: int, stream: int, payload: bytes) -> None:
    """Raise `PacketError` where a packet cannot be one of the server's."""
    if kind not in _FROM_SERVER or stream == 0:
        raise PacketError(f"a packet of kind {kind} for stream {stream}")
    expected = _LENGTHS.get(kind)
    is_sound = len(payload) == expected if expected is not None else bool(payload) is (kind not in _WITHOUT_PAYLOAD)
    if not is_sound:
        raise PacketError(f"a packet of kind {kind} with {len(payload)} bytes of payload")


def decode_object(payload: bytes) -> dict[str, Any]:
    """Return the JSON object that a payload is. Raises `PacketError`."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise PacketError("a payload is not JSON") from error
    if not isinstance(value, dict):
        raise PacketError("a payload is no JSON object")
    return value


class Outgoing:
    """What the guest sends, in the order in which it was given."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        #: How many bytes wait.
        self.size = 0

    def send(self, kind: int, stream: int, payload: bytes = b"") -> None:
        """Add a packet; `flush` brings it on its way."""
        header = _HEADER.pack(_COUNTED + len(payload), kind, stream)
        if len(payload) < 512:
            self._pieces.append(header + payload)
        else:
            self._pieces.append(header)
            self._pieces.append(payload)
        self.size += len(header) + len(payload)

    def send_object(self, kind: int, stream: int, value: dict[str, Any]) -> None:
        """Add a packet whose payload is JSON."""
        self.send(kind, stream, json.dumps(value, separators=(",", ":")).encode("ascii"))

    def send_in_parts(self, kind: int, stream: int, data: bytes) -> None:
        """Add as many packets as `data`, which may be empty, needs."""
        for start in range(0, len(data), MAXIMUM_PAYLOAD):
            self.send(kind, stream, data[start : start + MAXIMUM_PAYLOAD])

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be made that needs sending."""
        return self.size >= FULL

    def flush(self) -> None:
        """Write what the server takes. Raises `EOFError` when it is gone."""
        pieces = self._pieces
        while pieces:
            batch = list(islice(pieces, _PIECES))
            try:
                written = os.writev(_OUTPUT, batch)
            except BlockingIOError:
                return
            except OSError as error:
                raise EOFError from error
            self.size -= written
            for piece in batch:
                if written < len(piece):
                    break
                written -= len(piece)
                pieces.popleft()
            if written:
                pieces[0] = pieces[0][written:]


class Credit:
    """How much of one stream may be sent, in both directions."""

    __slots__ = ("_acceptable", "_out", "_owed", "_stream", "sendable")

    def __init__(self, out: Outgoing, stream: int) -> None:
        """Begin with what each side may send without having asked."""
        self._out = out
        self._stream = stream
        self._acceptable = WINDOW
        self._owed = 0
        #: How much may be sent.
        self.sendable = WINDOW

    def add(self, payload: bytes) -> None:
        """Take what the server grants."""
        self.sendable += _NUMBER.unpack(payload)[0]

    def receive(self, count: int) -> None:
        """Count what came. Raises `PacketError` when it was more than allowed."""
        self._acceptable -= count
        if self._acceptable < 0:
            raise PacketError(f"stream {self._stream} brings more than it may")

    def pass_on(self, count: int) -> None:
        """Grant so much anew, as it is here no more."""
        self._owed += count
        if self._owed >= GRANT:
            self._out.send(CREDIT, self._stream, _NUMBER.pack(self._owed))
            self._acceptable += self._owed
            self._owed = 0
