"""A client of the notebook family that waits for nothing for ever, and can go away in the middle."""

from __future__ import annotations

import json
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Line = dict[str, Any]


class Late(Exception):
    """Something did not come in time."""


class Broken(Exception):
    """The server closed the connection, or said what is no HTTP."""


@dataclass
class Answer:
    """What came of a request; `was_dropped` where its client went away before the end."""

    status: int
    body: bytes = b""
    was_dropped: bool = False

    def lines(self) -> list[Line]:
        """The body of a cell's stream, parsed."""
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Drop:
    """When a client goes away: after so many bytes or so many seconds, with a reset or politely."""

    after_bytes: int = 1 << 60
    after_seconds: float = 1e9
    is_rude: bool = False


@dataclass
class Client:
    """One kept connection, opened anew when it was closed."""

    url: str
    _socket: socket.socket | None = None
    _received: bytearray = field(default_factory=bytearray)

    def request(
        self, method: str, path: str, body: object = None, deadline: float = 60, drop: Drop | None = None
    ) -> Answer:
        """Sends a request and takes the answer within `deadline` seconds.

        Raises `Late` and `Broken`; the connection is gone then, as it is when the request was dropped.
        """
        end = time.monotonic() + deadline
        going = Drop() if drop is None else drop
        leaves = time.monotonic() + going.after_seconds
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        head += "Content-Type: application/json\r\n\r\n"
        try:
            self._open().sendall(head.encode() + content)
            return self._answer(end, leaves, going)
        except _Dropped as dropped:
            self._close(going.is_rude)
            return Answer(0, bytes(dropped.body), was_dropped=True)
        except (OSError, ValueError, IndexError) as error:
            self._close()
            raise Broken(f"{method} {path}: {error!r}") from error
        except (Late, Broken):
            self._close()
            raise

    def close(self) -> None:
        """Closes the connection."""
        self._close()

    def _open(self) -> socket.socket:
        if self._socket is None:
            parts = urlsplit(self.url)
            self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=30)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._received.clear()
        return self._socket

    def _close(self, is_rude: bool = False) -> None:
        if self._socket is None:
            return
        if is_rude:
            # Linger for no time: the other side gets a reset.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()
        self._socket = None
        self._received.clear()

    def _answer(self, end: float, leaves: float, drop: Drop) -> Answer:
        reader = _Reader(self._open(), self._received, end, leaves, drop.after_bytes)
        head = reader.until(b"\r\n\r\n").decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        if fields.get("transfer-encoding") == "chunked":
            body = reader.chunks()
        else:
            body = reader.exactly(int(fields.get("content-length", "0")))
        if fields.get("connection") == "close":
            self._close()
        return Answer(status, body)


class _Dropped(Exception):
    def __init__(self, body: bytes) -> None:
        super().__init__("dropped")
        self.body = body


@dataclass
class _Reader:
    """Takes an answer apart, until its time is up or it is to be left."""

    connection: socket.socket
    received: bytearray
    end: float
    leaves: float
    after_bytes: int
    body: list[bytes] = field(default_factory=list)
    total: int = 0

    def until(self, mark: bytes) -> bytes:
        while (place := self.received.find(mark)) < 0:
            self._receive()
        taken = bytes(self.received[:place])
        del self.received[: place + len(mark)]
        return taken

    def exactly(self, count: int) -> bytes:
        while len(self.received) < count:
            self._receive()
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    def chunks(self) -> bytes:
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            self.body.append(self.exactly(size))
            self.exactly(2)
        self.until(b"\r\n")
        return b"".join(self.body)

    def _receive(self) -> None:
        now = time.monotonic()
        if now >= self.leaves or self.total >= self.after_bytes:
            raise _Dropped(b"".join(self.body))
        if now >= self.end:
            tail = b"".join(self.body)[-300:] + bytes(self.received)[-300:]
            raise Late(f"no end; so far {self.total} bytes, the last {tail!r}")
        self.connection.settimeout(max(0.001, min(self.end, self.leaves) - now))
        try:
            data = self.connection.recv(1 << 17)
        except TimeoutError:
            return
        if not data:
            raise Broken(f"closed after {self.total} bytes")
        self.total += len(data)
        self.received += data
