"""Jupyter's wire protocol, as far as a bridge needs it: signed requests out, and whatever comes back.

What a kernel sends is user code's word. A message that is not signed, too long, too deep or of the wrong shape is no
message; numbers and characters that JSON cannot carry further are replaced while it is read.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import math
import secrets
import socket
import time
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

#: Longest message that is accepted, in bytes. ZeroMQ's own limit would end the connection for good.
MAXIMUM_MESSAGE = 64 << 20
#: Longest header, of the message or of its parent.
MAXIMUM_HEADER = 64 << 10
#: Longest integer, in characters.
MAXIMUM_DIGITS = 300
#: Messages that wait here for us; beyond that they wait in the kernel.
MAXIMUM_WAITING = 10_000

_DELIMITER = b"<IDS|MSG>"
_PROTOCOL = "5.3"
#: How soon a socket tries again while the kernel does not listen yet, in milliseconds.
_RETRY_MILLISECONDS = 20
_CHANNELS = ("shell", "iopub", "stdin", "control", "hb")


class Message(NamedTuple):
    """What a bridge looks at in a message."""

    kind: str
    #: The id of the request it answers or belongs to; empty where it names none.
    parent: str
    content: dict[str, Any]


@dataclass
class Connection:
    """Where a kernel is to listen and how it is to sign and encrypt."""

    transport: str
    address: str
    ports: dict[str, int]
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    #: Public and secret key of the kernel for CurveZMQ; None where the kernel does not know it.
    curve: tuple[bytes, bytes] | None = None

    def text(self) -> str:
        """Return the connection file."""
        values: dict[str, object] = {f"{name}_port": port for name, port in self.ports.items()}
        values |= {"ip": self.address, "transport": self.transport}
        values |= {"signature_scheme": "hmac-sha256", "key": self.key, "kernel_name": ""}
        if self.curve is not None:
            values |= {"curve_publickey": self.curve[0].decode(), "curve_secretkey": self.curve[1].decode()}
        return json.dumps(values)

    def url(self, name: str) -> str:
        """Return the address of one of its channels."""
        separator = "-" if self.transport == "ipc" else ":"
        return f"{self.transport}://{self.address}{separator}{self.ports[name]}"


def choose_connection(is_tcp: bool, is_encrypted: bool) -> Connection:
    """Return a connection that nobody uses.

    Abstract sockets, which Landlock keeps from other contexts of the sandbox; and where libzmq binds a TCP socket, it
    insists on asking a netlink socket for the network interfaces, and there are no such sockets. TCP is for kernels
    that know nothing else: ports of the loopback device that are free now. Who takes one of them before the kernel
    does keeps it from starting, and learns no key.
    """
    curve = _zeromq().curve_keypair() if is_encrypted else None
    if not is_tcp:
        ports = {name: number for number, name in enumerate(_CHANNELS, 1)}
        return Connection("ipc", f"@jupyter-{secrets.token_hex(16)}", ports, curve=curve)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in _CHANNELS]
    try:
        ports = {name: int(server.getsockname()[1]) for name, server in zip(_CHANNELS, sockets, strict=True)}
    finally:
        for server in sockets:
            server.close()
    return Connection("tcp", "127.0.0.1", ports, curve=curve)


class Wire:
    """The client's sockets of one kernel, and what else is waited for together with them."""

    def __init__(self, connection: Connection) -> None:
        """Connect as soon as the kernel listens; nothing waits for that here."""
        self._zmq = _zeromq()
        self._connection = connection
        self._context = self._zmq.Context()
        self._session = secrets.token_hex(16)
        self._curve = self._zmq.curve_keypair() if connection.curve is not None else None
        self._poller = self._zmq.Poller()
        self._sockets = {name: self._open(name) for name in ("shell", "control", "stdin", "iopub")}
        for name in ("shell", "stdin", "iopub"):
            self._poller.register(self._sockets[name], self._zmq.POLLIN)
        self._names = {opened: name for name, opened in self._sockets.items()}

    def _open(self, name: str) -> Any:
        opened = self._context.socket(self._zmq.SUB if name == "iopub" else self._zmq.DEALER)
        # The same for all: a kernel that wants input asks whoever sent the request.
        opened.identity = self._session.encode("ascii")
        opened.linger = 0
        opened.rcvhwm = MAXIMUM_WAITING
        opened.reconnect_ivl = _RETRY_MILLISECONDS
        if self._connection.curve is not None and self._curve is not None:
            opened.curve_serverkey = self._connection.curve[0]
            opened.curve_publickey, opened.curve_secretkey = self._curve
        if name == "iopub":
            opened.subscribe(b"")
        # Nothing can be sent before there is somebody to take it: so it shows when there is.
        opened.immediate = name == "stdin"
        opened.connect(self._connection.url(name))
        return opened

    def watch(self, descriptor: int) -> None:
        """Let `wait` report this descriptor too when it is readable or at its end."""
        self._poller.register(descriptor, self._zmq.POLLIN)

    def ignore(self, descriptor: int) -> None:
        """Undo `watch`."""
        self._poller.register(descriptor, 0)

    def wait(self, seconds: float | None, channel: str | None = None) -> set[str | int]:
        """Wait until something is there; return the channels and descriptors where it is, none when time is up.

        With a `channel`, only for that.
        """
        timeout = None if seconds is None else max(0, int(seconds * 1000) + 1)
        if channel is not None:
            return {channel} if self._sockets[channel].poll(timeout) else set()
        return {self._names.get(source, source) for source, _ in self._poller.poll(timeout)}

    def wait_for_stdin(self, seconds: float) -> None:
        """Wait until the kernel could ask for input: a question before that would be lost, and nobody would know."""
        self._sockets["stdin"].poll(int(seconds * 1000), self._zmq.POLLOUT)

    def request(self, channel: str, kind: str, content: dict[str, object]) -> str:
        """Send a request without waiting; return its id. One that finds no room is lost."""
        identity = secrets.token_hex(16)
        header = {
            "msg_id": identity,
            "msg_type": kind,
            "session": self._session,
            "username": "user",
            "version": _PROTOCOL,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        parts = [json.dumps(part).encode("ascii") for part in (header, {}, {}, content)]
        try:
            self._sockets[channel].send_multipart([_DELIMITER, self._sign(parts), *parts], self._zmq.NOBLOCK)
        except self._zmq.Again:
            pass
        return identity

    def receive(self, channel: str) -> Message | None:
        """Take the next message that is one; None where there is none now."""
        while True:
            try:
                parts = self._sockets[channel].recv_multipart(self._zmq.NOBLOCK)
            except self._zmq.Again:
                return None
            message = self._read(parts)
            if message is not None:
                return message

    def _read(self, parts: list[bytes]) -> Message | None:
        """Take a message apart; None for anything that is none."""
        if _DELIMITER not in parts:
            return None
        body = parts[parts.index(_DELIMITER) + 1 :][:5]
        if len(body) != 5 or max(map(len, body[:3])) > MAXIMUM_HEADER or len(body[4]) > MAXIMUM_MESSAGE:
            return None
        if not hmac.compare_digest(body[0], self._sign(body[1:])):
            return None
        header, parent, content = (_parse(part) for part in (body[1], body[2], body[4]))
        if header is None or parent is None or content is None:
            return None
        kind, parent_id = header.get("msg_type"), parent.get("msg_id", "")
        if not isinstance(kind, str) or not isinstance(parent_id, str):
            return None
        return Message(kind, parent_id, content)

    def _sign(self, parts: list[bytes]) -> bytes:
        digest = hmac.new(self._connection.key.encode("ascii"), digestmod=hashlib.sha256)
        for part in parts:
            digest.update(part)
        return digest.hexdigest().encode("ascii")


def _zeromq() -> ModuleType:
    return importlib.import_module("zmq")


def _parse(text: bytes) -> dict[str, Any] | None:
    """Read an object; None where the text is none, or deeper or larger than can be read."""
    try:
        value = json.loads(text, parse_constant=lambda _: None, parse_float=_finite, parse_int=_bounded)
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _bounded(text: str) -> int | None:
    """Read an integer; None where it has more digits than the server takes."""
    return int(text) if len(text) <= MAXIMUM_DIGITS else None


def _finite(text: str) -> float | None:
    """Read a number; None where it is beyond what a double holds."""
    value = float(text)
    return value if math.isfinite(value) else None
