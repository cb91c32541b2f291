"""Sandboxes in containers beside `docker run`, on the same daemon and from the same image."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import comparisons
import machine
import programs
from client import Connection
from goals import IN_DOCKER as OURS
from server import Server
from table import Row, latency_row, milliseconds, value_row

PEER = "docker run"

# What stands ready; with one of each the pool is full again soonest.
POOL = {"POOL_SIZE_BARE": "1", "POOL_SIZE_FULL": "1", "POOL_SIZE_NOTEBOOK": "1"}
NO_POOL = dict.fromkeys(POOL, "0")
CLIENTS = [1, 2, 4]
# A sandbox for each of the most clients.
BURST_POOL = POOL | {"POOL_SIZE_BARE": str(max(CLIENTS))}

_VERSION = Path(__file__).resolve().parent.parent / "Sources/Settings/Version.swift"


def default_image() -> str:
    """The guest that `make images` builds."""
    found = re.search(r'"(\d+\.\d+\.\d+[^"]*)"', _VERSION.read_text())
    return f"code-interpreter-guest:{found[1] if found else 'latest'}"


def is_available(image: str) -> bool:
    """Whether a daemon answers and has the image; none is downloaded."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


class DockerBench:
    """Everything that is measured with containers; one server after the other."""

    def __init__(self, image: str, quick: bool) -> None:
        self._image = image
        self._quick = quick
        self._rows: list[Row] = []

    def run(self) -> list[Row]:
        """Everything, in the order of the table."""
        self._with(POOL, self._hits)
        self._with(NO_POOL, self._misses)
        self._with(BURST_POOL, self._throughput)
        return self._rows

    def _with(self, pool: dict[str, str], measure: Callable[[Server, Connection], None]) -> None:
        settings = {"EXECUTOR_BACKEND": "docker", "PYTHON_EXECUTOR_DOCKER_IMAGE": self._image, "DOCKER_PULL": "false"}
        settings |= {"MAX_CONTEXTS": "64"} | pool
        if host := os.environ.get("DOCKER_HOST"):
            settings["DOCKER_HOST"] = host
        server = Server(settings)
        try:
            server.wait_until_filled(_size(pool))
            connection = Connection(server.port)
            try:
                measure(server, connection)
            finally:
                connection.close()
        finally:
            server.stop()

    def _rounds(self, usual: int) -> int:
        return max(3, usual // 10) if self._quick else usual

    def _hits(self, server: Server, connection: Connection) -> None:
        """Requests that find a sandbox ready: between two of them the pool becomes full again."""
        self._memory("memory, idle", server)
        for what, code in [("hello", programs.HELLO), ("pandas groupby + describe", programs.PANDAS)]:
            ours, theirs = [], []
            for number in range(self._rounds(100)):
                server.wait_until_filled(_size(POOL))
                # What filling left to do is no part of the request.
                time.sleep(0.1)
                ours.append(milliseconds(partial(connection.execute, code)))
                if number % 4 == 0:
                    server.wait_until_filled(_size(POOL))
                    theirs.append(milliseconds(partial(self._docker_run, code)))
            self._rows += [latency_row(f"{what}, pool hit", OURS, ours), latency_row(what, PEER, theirs)]
        self._contexts(server, connection)
        self._memory("memory after all this", server)

    def _contexts(self, server: Server, connection: Connection) -> None:
        # The first one takes the tenant's container from the pool, as it does once.
        first, news = self._new_context(connection), []
        server.wait_until_filled(_size(POOL))
        for _ in range(self._rounds(50)):
            news.append(self._new_context(connection))
        context = connection.create_context()
        connection.cell(programs.EXPRESSION, context)
        cells = [connection.cell(programs.EXPRESSION, context).end_ms for _ in range(self._rounds(1000))]
        connection.delete_context(context)
        self._rows.append(value_row("first context of a tenant to its first result", OURS, first, "ms"))
        self._rows.append(latency_row("new context to its first result", OURS, news))
        self._rows.append(latency_row("1+1 in a context", OURS, cells))

    @staticmethod
    def _new_context(connection: Connection) -> float:
        began = time.perf_counter()
        context = connection.create_context()
        made = (time.perf_counter() - began) * 1000
        stream = connection.cell(programs.EXPRESSION, context)
        connection.delete_context(context)
        return made + stream.first_ms

    def _misses(self, server: Server, connection: Connection) -> None:
        """Each request has its container made, warm, and used."""
        times = [milliseconds(lambda: connection.execute(programs.HELLO)) for _ in range(self._rounds(30))]
        self._rows.append(latency_row("hello, pool miss", OURS, times))

    def _throughput(self, server: Server, connection: Connection) -> None:
        """Executions a second for as long as it takes, the making of their containers included."""
        connection.execute(programs.HELLO)
        for clients in CLIENTS:
            server.wait_until_filled(_size(BURST_POOL))
            count = max(clients, self._rounds(100)) // clients
            began = time.monotonic()
            server.in_parallel(clients, count, programs.HELLO)
            server.wait_until_filled(_size(BURST_POOL))
            rate = clients * count / (time.monotonic() - began)
            row = value_row(f"bare, {clients} clients", OURS, rate, "executions/s", clients * count)
            self._rows.append(row)

    def _docker_run(self, code: str) -> None:
        arguments = ["--rm", "--network", "none", "--entrypoint", "python3", self._image, "-c", code]
        comparisons.run(["docker", "run", *arguments])

    def _memory(self, what: str, server: Server) -> None:
        self._rows.append(value_row(what, f"server, {OURS}", machine.resident_mb(server.process.pid), "MB"))


def _size(pool: dict[str, str]) -> int:
    return sum(int(size) for size in pool.values())
