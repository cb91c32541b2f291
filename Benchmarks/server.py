"""A server of our own to measure: a free port, its own storage."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from client import Connection

# BENCH_PROGRAM measures another build.
PROGRAM = Path(
    os.environ.get("BENCH_PROGRAM") or Path(__file__).resolve().parents[1] / ".build/release/code-interpreter"
)


class Server:
    """`code-interpreter serve`, from its start to its end."""

    def __init__(self, settings: dict[str, str]) -> None:
        self.port = _free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="code-interpreter-bench-"))
        self._folder.chmod(0o755)
        self.log: list[str] = []
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "PORT": str(self.port)}
        environment |= {"FILE_STORAGE_DIR": str(self._folder / "storage")} | settings
        self._began = time.monotonic()
        self.process = subprocess.Popen([str(PROGRAM), "serve"], env=environment, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.listening_ms = self._wait_for("listening")
        self.warm_ms = self._wait_for("warm")

    def stop(self) -> None:
        """Ends it as an operator would and removes its files."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_until_filled(self, expected: int) -> None:
        """Waits until the pool holds what it should. Raises `RuntimeError` when it never does."""
        connection, ready = Connection(self.port), 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            text = connection.request("GET", "/metrics")[1].decode()
            ready = sum(
                int(float(value)) for value in re.findall(r"^code_interpreter_pool_ready\S* (\S+)$", text, re.M)
            )
            if ready >= expected:
                return connection.close()
            time.sleep(0.02)
        raise RuntimeError(f"the pool holds {ready} of {expected}")

    def in_parallel(self, clients: int, count: int, code: str) -> None:
        """Has so many clients run a program so often each, and waits for them."""
        failures: list[Exception] = []

        def one() -> None:
            connection = Connection(self.port)
            try:
                for _ in range(count):
                    connection.execute(code)
            except (RuntimeError, OSError, AssertionError) as error:
                failures.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=one) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _wait_for(self, word: str) -> float:
        """Milliseconds from the start until the log says so."""
        while True:
            for line in list(self.log):
                stamp, _, text = line.partition(" ")
                if re.search(rf" {word}( |$)", text):
                    return (float(stamp) - self._began) * 1000
            if self.process.poll() is not None or time.monotonic() - self._began > 60:
                raise RuntimeError("the server did not start:\n" + "\n".join(self.log))
            time.sleep(0.001)

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(f"{time.monotonic()} {line.rstrip()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
