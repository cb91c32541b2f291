"""A small HTTP client over one kept connection, so that what is measured is the server."""

from __future__ import annotations

import json
import socket
import time
import uuid

# How the body of a cell's stream ends: no text of a program can look like it, because texts are JSON strings.
END_OF_STREAM = b'{"type":"end_of_execution"}\n\r\n0\r\n\r\n'


class Stream:
    """The stream of one cell; what happened when is in milliseconds since its request."""

    def __init__(self, connection: socket.socket, began: float, piece: bytes) -> None:
        self.first_ms = 0.0
        self.end_ms = 0.0
        self._socket = connection
        self._began = began
        self._pieces = [piece]

    def wait_for(self, mark: bytes) -> None:
        """Reads until `mark` came, which must be before the end."""
        while mark not in b"".join(self._pieces[-2:]):
            self._read()

    def finish(self, first: bytes) -> None:
        """Reads to the end; keeps what comes and does no more. When `first` came for the first time is `first_ms`."""
        tail, piece = b"", self._pieces[-1]
        while True:
            if not self.first_ms and first in piece:
                self.first_ms = self._now()
            tail = piece if len(piece) >= len(END_OF_STREAM) else tail[-len(END_OF_STREAM) :] + piece
            if tail.endswith(END_OF_STREAM):
                break
            piece = self._read()
        self.end_ms = self._now()

    def has(self, mark: bytes) -> bool:
        """Whether it came; a mark must be short, and not be cut by the server."""
        return mark in b"".join(self._pieces)

    def lines(self) -> list[dict[str, object]]:
        """Every line, parsed."""
        return [json.loads(line) for line in _unchunked(b"".join(self._pieces)).splitlines()]

    def text(self) -> str:
        """Everything it printed."""
        return "".join(str(line["text"]) for line in self.lines() if line["type"] == "stdout")

    def _now(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    def _read(self) -> bytes:
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self._pieces.append(piece)
        return piece


def _unchunked(data: bytes) -> bytes:
    """The body of an answer whose head was taken off, out of its chunks."""
    parts: list[bytes] = []
    place = 0
    while True:
        end = data.index(b"\r\n", place)
        size = int(data[place:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[end + 2 : end + 2 + size])
        place = end + size + 4


class Connection:
    """One connection to the server, used by one thread."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()

    def close(self) -> None:
        self._socket.close()

    def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        if body:
            head += f"Content-Type: {content_type}\r\n"
        self._socket.sendall(head.encode() + b"\r\n" + body)
        head_bytes = self._until(b"\r\n\r\n")
        lines = head_bytes.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        status = int(lines[0].split()[1])
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return status, self._chunks()
        return status, self._exactly(int(headers.get("content-length", "0")))

    def execute(
        self, code: str, files: list[dict[str, str]] | None = None, timeout_ms: int = 60_000
    ) -> dict[str, object]:
        """Runs a program, which must end with status 0."""
        payload = {"code": code, "timeout_ms": timeout_ms, "files": files or [], "last_line_interactive": False}
        status, body = self.request("POST", "/v1/execute", json.dumps(payload).encode())
        if status != 200:
            raise RuntimeError(f"status {status}: {body[:300]!r}")
        answer: dict[str, object] = json.loads(body)
        if answer["exit_code"] != 0:
            raise RuntimeError(f"the program failed: {str(answer)[:600]}")
        return answer

    def cell(self, code: str, context: str, first: bytes = b'"type":"result"') -> Stream:
        """Runs a cell; `first` is what its stream must bring for the first time to be taken."""
        stream = self.begin_cell(code, context)
        stream.finish(first)
        return stream

    def begin_cell(self, code: str, context: str) -> Stream:
        """Sends a cell; its stream must be finished before the next request."""
        body = json.dumps({"code": code, "context_id": context}).encode()
        head = f"POST /execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        began = time.perf_counter()
        self._socket.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body)
        answer = self._until(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the cell was refused: {answer[:600]!r}")
        piece = bytes(self._received)
        self._received.clear()
        return Stream(self._socket, began, piece)

    def create_context(self) -> str:
        """Makes a context; its id."""
        return str(json.loads(self._expect("POST", "/contexts", b"{}"))["id"])

    def interrupt_context(self, context: str) -> None:
        self._expect("POST", f"/contexts/{context}/interrupt")

    def delete_context(self, context: str) -> None:
        self._expect("DELETE", f"/contexts/{context}")

    def _expect(self, method: str, path: str, body: bytes = b"") -> bytes:
        status, answer = self.request(method, path, body)
        if status != 200:
            raise RuntimeError(f"{method} {path}: status {status}: {answer[:300]!r}")
        return answer

    def upload(self, name: str, content: bytes) -> str:
        """Stores a file; its id."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
        status, answer = self.request("POST", "/v1/files", body, f"multipart/form-data; boundary={boundary}")
        if status != 201:
            raise RuntimeError(f"status {status}: {answer[:300]!r}")
        return str(json.loads(answer)["file_id"])

    def _receive(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data

    def _until(self, end: bytes) -> bytes:
        while (place := self._received.find(end)) < 0:
            self._receive()
        taken = bytes(self._received[:place])
        del self._received[: place + len(end)]
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            parts.append(self._exactly(size))
            self._exactly(2)
        self._until(b"\r\n")
        return b"".join(parts)
