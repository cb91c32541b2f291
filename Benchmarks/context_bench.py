"""Contexts beside ipykernel: how long a cell takes, how fast output comes, what an idle one costs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import ipykernel_peer
import machine
import programs
from client import Connection, Stream
from goals import OURS
from ipykernel_peer import IPyKernel
from server import Server
from table import Row, latency_row, value_row

PEER = ipykernel_peer.NAME

# How many contexts stand idle while they are measured; kernels of ipykernel are alike, and slow to start.
IDLE_CONTEXTS = 20
IDLE_KERNELS = 5
IDLE_SECONDS = 5

# What is printed, by its name in the table: code and number of characters.
OUTPUTS = [
    ("50,000 lines of 1 kB printed", programs.PRINT_LINES, programs.LINES * 1000),
    ("100 × 1 MB printed", programs.PRINT_BLOCKS, programs.BLOCKS * 1_000_000),
    ("100 MB from a subprocess", programs.SUBPROCESS, programs.SUBPROCESS_BYTES),
]

PNG = b'"png":'


class ContextBench:
    """One run against a server and a driver of ipykernel, in turns."""

    def __init__(self, server: Server, quick: bool) -> None:
        self._server = server
        self._quick = quick
        self._rows: list[Row] = []
        self._connection = Connection(server.port)
        self._peer = IPyKernel()

    def run(self) -> list[Row]:
        """Everything, in the order of the table."""
        try:
            self._news()
            context, kernel = self._connection.create_context(), self._peer.new(programs.EXPRESSION)["kernel"]
            self._cells(context, kernel)
            self._outputs(context, kernel)
            self._interrupts(context, kernel)
            self._connection.delete_context(context)
            self._peer.close(kernel)
            self._idle()
        finally:
            self._connection.close()
            self._peer.stop()
        return self._rows

    def _rounds(self, usual: int) -> int:
        return max(2, usual // 10) if self._quick else usual

    def _add(self, what: str, ours: list[float], theirs: list[float]) -> None:
        self._rows += [latency_row(what, OURS, ours), latency_row(what, PEER, theirs)]

    def _news(self) -> None:
        """From nothing to the first result, and to the end of the cell."""
        firsts: dict[str, list[float]] = {OURS: [], PEER: []}
        ends: dict[str, list[float]] = {OURS: [], PEER: []}
        for number in range(self._rounds(100)):
            first, end = self._new_context()
            # The first one takes the tenant's sandbox as well, as it does once.
            if number > 0:
                firsts[OURS].append(first)
                ends[OURS].append(end)
            if number % 5 == 0:
                started = self._peer.new(programs.EXPRESSION)
                firsts[PEER].append(started["first_ms"])
                ends[PEER].append(started["end_ms"])
                self._peer.close(started["kernel"])
        self._add("new context to its first result", firsts[OURS], firsts[PEER])
        self._add("new context to the end of its first cell", ends[OURS], ends[PEER])

    def _new_context(self) -> tuple[float, float]:
        began = time.perf_counter()
        context = self._connection.create_context()
        made = (time.perf_counter() - began) * 1000
        stream = self._connection.cell(programs.EXPRESSION, context)
        self._connection.delete_context(context)
        return made + stream.first_ms, made + stream.end_ms

    def _cells(self, context: str, kernel: float) -> None:
        """Cells that show something, in an interpreter that has run them once."""
        shown = [
            ("1+1 in a context", programs.EXPRESSION, 2000, b'"type":"result"'),
            ("pandas describe in a context", programs.DESCRIBE, 200, b'"html":'),
            ("matplotlib PNG in a context", programs.FIGURE, 60, PNG),
        ]
        for what, code, usual, first in shown:
            self._check(self._connection.cell(code, context, first), first)
            self._peer.run(kernel, code)
            ours, theirs = [], []
            for _ in range(self._rounds(usual) // 2):
                ours += [self._connection.cell(code, context, first).end_ms for _ in range(2)]
                theirs.append(self._peer.run(kernel, code)["end_ms"])
            self._add(what, ours, theirs)

    @staticmethod
    def _check(stream: Stream, expected: bytes) -> None:
        if not stream.has(expected):
            raise RuntimeError(f"the cell did not show {expected!r}: {str(stream.lines())[:600]}")

    def _outputs(self, context: str, kernel: float) -> None:
        """Megabytes of text a second, from the request to the end."""
        for what, code, characters in OUTPUTS:
            ours, theirs = [], []
            for number in range(self._rounds(20)):
                stream = self._connection.cell(code, context)
                # Parsing takes longer than printing.
                if number == 0 and len(stream.text()) != characters:
                    raise RuntimeError(f"{what}: {len(stream.text())} characters of {characters} came")
                ours.append(characters / stream.end_ms / 1000)
                if number % 4 == 0:
                    ran = self._peer.run(kernel, code)
                    theirs.append(ran["characters"] / ran["end_ms"] / 1000)
            self._rows.append(value_row(what, OURS, statistics.median(ours), "MB/s", len(ours)))
            self._rows.append(value_row(what, PEER, statistics.median(theirs), "MB/s", len(theirs)))

    def _interrupts(self, context: str, kernel: float) -> None:
        """From the interrupt to the end of what it interrupts."""
        other = Connection(self._server.port)
        for what, code in [("a busy loop", programs.BUSY), ("a sleep", programs.SLEEP)]:
            ours, theirs = [], []
            for _ in range(self._rounds(40)):
                ours.append(self._interrupt(other, context, code))
                theirs.append(self._peer.interrupt(kernel, code)["end_ms"])
            self._add(f"interrupt of {what} to its end", ours, theirs)
        other.close()

    def _interrupt(self, other: Connection, context: str, code: str) -> float:
        stream = self._connection.begin_cell(code, context)
        stream.wait_for(b'"type":"stdout"')
        began = time.perf_counter()
        other.interrupt_context(context)
        stream.finish(b'"type":"error"')
        took = (time.perf_counter() - began) * 1000
        self._check(stream, b"KeyboardInterrupt")
        return took

    def _idle(self) -> None:
        """What an interpreter costs in which nothing happens: memory and processor time."""
        before = set(machine.descendants(self._server.process.pid))
        contexts = [self._connection.create_context() for _ in range(IDLE_CONTEXTS)]
        for context in contexts:
            self._connection.cell(programs.EXPRESSION, context)
        kernels = [self._peer.new(programs.EXPRESSION) for _ in range(IDLE_KERNELS)]
        ours = [pid for pid in machine.descendants(self._server.process.pid) if pid not in before]
        theirs = [int(kernel["pid"]) for kernel in kernels]
        self._idle_rows(OURS, ours)
        self._idle_rows(PEER, theirs)
        for context in contexts:
            self._connection.delete_context(context)
        for kernel in kernels:
            self._peer.close(kernel["kernel"])

    def _idle_rows(self, who: str, pids: list[int]) -> None:
        if not pids:
            raise RuntimeError(f"{who}: no process of an idle context was found")
        private = self._each(machine.private_dirty_mb, pids)
        if private:
            what = "private memory of an idle context"
            self._rows.append(value_row(what, who, statistics.median(private), "MB", len(private)))
        used = machine.processor_seconds(pids)
        time.sleep(IDLE_SECONDS)
        used = (machine.processor_seconds(pids) - used) / IDLE_SECONDS / len(pids)
        self._rows.append(value_row("processor time of an idle context", who, used * 1e6, "µs/s", len(pids)))

    @staticmethod
    def _each(measure: Callable[[int], float], pids: list[int]) -> list[float]:
        """What can be measured: of processes of other users nothing, unless we are root."""
        try:
            return [measure(pid) for pid in pids]
        except PermissionError:
            return []
