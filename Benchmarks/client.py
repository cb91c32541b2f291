"""A small HTTP client over one kept connection, so that what is measured is the server."""

from __future__ import annotations

import json
import socket
import uuid


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
