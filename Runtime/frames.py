"""Frames: how a guest and the server talk over the channel, a Unix stream socket.

A frame is four bytes of length (little-endian, of what follows) and that many bytes of JSON: an object with a ``type``.
Descriptors ride on the first byte of their frame (SCM_RIGHTS). docs/PROTOCOL.md names the frames.
"""

from __future__ import annotations

import _socket
import builtins
import json
import sys

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: Longest frame a guest may send; the server refuses longer ones.
MAXIMUM_SENT = 1 << 20
#: The same for a guest that is a context: pictures and tables are in its frames.
MAXIMUM_SENT_BY_CONTEXT = 32 << 20
#: Longest frame a guest accepts: a program with a hundred megabytes of source is no program.
MAXIMUM_RECEIVED = 100 << 20
#: Most descriptors that one frame may carry.
MAXIMUM_DESCRIPTORS = 8

_LENGTH_BYTES = 4
_INTEGER_BYTES = 4
_ANCILLARY_BYTES = _socket.CMSG_SPACE(MAXIMUM_DESCRIPTORS * _INTEGER_BYTES)
_CHUNK_BYTES = 1 << 20

# User code may replace the functions of these modules; what the runtime needs later is bound now.
_decode = json.loads
_encode = json.dumps


class FrameError(Exception):
    """The other side broke the rules of the channel, or the stream ended in the middle of a frame."""


class Channel:
    """One end of a channel. It does not own the descriptor: closing that stays with the caller."""

    __slots__ = ("_maximum_sent", "_socket")

    def __init__(self, descriptor: int, maximum_sent: int = MAXIMUM_SENT) -> None:
        """Speak over ``descriptor``, a connected stream socket, which becomes blocking."""
        self._maximum_sent = maximum_sent
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, descriptor)
        self._socket.setblocking(True)

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._socket.fileno()

    def detach(self) -> int:
        """Forget the descriptor without closing it, and return it. The channel is unusable afterwards."""
        return self._socket.detach()

    def send(self, payload: dict[str, object], descriptors: tuple[int, ...] = ()) -> None:
        """Send one frame. Raises ``OSError`` when the other side is gone, ``FrameError`` when it is too long."""
        self.send_encoded(_encode(payload, separators=(",", ":")).encode("ascii"), descriptors)

    def send_encoded(self, body: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Send one frame whose JSON is ready."""
        if len(body) > self._maximum_sent:
            raise FrameError(f"a frame of {len(body)} bytes is too long")
        data = len(body).to_bytes(_LENGTH_BYTES, "little") + body
        ancillary = []
        if descriptors:
            packed = b"".join(number.to_bytes(_INTEGER_BYTES, sys.byteorder) for number in descriptors)
            ancillary = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
        sent = self._socket.sendmsg([data], ancillary, _socket.MSG_NOSIGNAL)
        while sent < len(data):
            sent += self._socket.send(data[sent:], _socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[dict[str, object], list[int]]:
        """Wait for the next frame; return it and its descriptors, close-on-exec, which the caller then owns.

        Raises ``EOFError`` when the other side closed the channel between two frames, ``FrameError`` for anything that
        is no frame.
        """
        header, descriptors = self._receive_header()
        length = int.from_bytes(header, "little")
        if length > MAXIMUM_RECEIVED:
            raise FrameError(f"a frame of {length} bytes is too long")
        try:
            payload = _decode(self._receive_exactly(length))
        except (ValueError, RecursionError) as error:
            raise FrameError("a frame is not JSON") from error
        if not isinstance(payload, dict) or not isinstance(payload.get("type"), str):
            raise FrameError("a frame has no type")
        return payload, descriptors

    def _receive_header(self) -> tuple[bytes, list[int]]:
        """Read the four bytes of length and the descriptors that came with the first of them."""
        data, ancillary, flags, _ = self._socket.recvmsg(_LENGTH_BYTES, _ANCILLARY_BYTES, _socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise EOFError
        if flags & _socket.MSG_CTRUNC:
            raise FrameError("a frame carries too many descriptors")
        descriptors = []
        for level, kind, packed in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                for start in range(0, len(packed) - len(packed) % _INTEGER_BYTES, _INTEGER_BYTES):
                    descriptors.append(int.from_bytes(packed[start : start + _INTEGER_BYTES], sys.byteorder))
        return data + self._receive_exactly(_LENGTH_BYTES - len(data)), descriptors

    def _receive_exactly(self, count: int) -> bytes:
        """Read ``count`` bytes, however the kernel cuts them up."""
        chunks = []
        while count > 0:
            chunk = self._socket.recv(min(count, _CHUNK_BYTES))
            if not chunk:
                raise FrameError("the channel ended inside a frame")
            chunks.append(chunk)
            count -= len(chunk)
        return b"".join(chunks)
