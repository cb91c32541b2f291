#!/usr/bin/env python3
"""Measures a release server and what else runs Python on this machine, and prints one table: `make bench`.

Times are those of a client over HTTP on a kept connection. What is compared takes turns, in the same run: a slow minute
of the machine is slow for all.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import comparisons
import machine
import programs
from client import Connection
from server import Server

POOL = {"POOL_SIZE_BARE": "8", "POOL_SIZE_FULL": "8"}
CLIENTS = [1, 2, 4, 8]

# Processors in use by others above which nothing is said about processor time.
BUSY = 0.2

# What is measured, and how often for each round of the comparisons.
PROGRAMS = [
    ("hello", programs.HELLO, 20),
    ("pandas groupby + describe", programs.PANDAS, 5),
    ("matplotlib PNG", programs.PLOT, 3),
]

Row = dict[str, object]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def milliseconds(action: Callable[[], object]) -> float:
    """How long it took."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def latency_row(what: str, who: str, values: list[float]) -> Row:
    """A row with the usual percentiles."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    return {"what": what, "who": who, "n": len(values)} | {
        name: percentile(values, share) for name, share in shares.items()
    }


class Bench:
    """One run: a server, and everything that is measured with it."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.rows: list[Row] = []
        self.background = machine.background_load(1 if quick else 3)
        self.server = Server(POOL)
        self._wait_until_filled()
        self.connection = Connection(self.server.port)

    def run(self) -> None:
        """Everything, in the order of the table."""
        self.starts()
        self.latencies()
        self.file_round_trip()
        self.throughput("bare", programs.HELLO)
        self.throughput("full", programs.HELLO_FULL)
        self.burst()
        self.memory("memory after all this")

    def starts(self) -> None:
        self.rows.append(
            {"what": "start until listening", "who": "server", "value": self.server.listening_ms, "unit": "ms"}
        )
        self.rows.append({"what": "start until warm", "who": "server", "value": self.server.warm_ms, "unit": "ms"})
        self.memory("memory, idle")

    def memory(self, what: str) -> None:
        pid = self.server.process.pid
        everything = machine.proportional_mb([pid, *machine.descendants(pid)])
        self.rows.append({"what": what, "who": "server", "value": machine.resident_mb(pid), "unit": "MB"})
        self.rows.append(
            {"what": what, "who": "server, zygotes and ready sandboxes", "value": everything, "unit": "MB"}
        )

    def latencies(self) -> None:
        """Each program here and in every comparison, in turns."""
        rounds = 5 if self.quick else 40
        runners = comparisons.available()
        for what, code, ours in PROGRAMS:
            times: dict[str, list[float]] = {name: [] for name in ["code-interpreter", *runners]}
            self.connection.execute(code)
            for _ in range(rounds):
                times["code-interpreter"] += [self._pool_hit(code) for _ in range(ours)]
                for name, runner in runners.items():
                    times[name].append(milliseconds(partial(runner, code)))
            self.rows += [latency_row(what, name, values) for name, values in times.items() if values]

    def _pool_hit(self, code: str) -> float:
        # A pause longer than making a sandbox: what is asked is the time of a request that finds one ready.
        time.sleep(0.02)
        return milliseconds(lambda: self.connection.execute(code))

    def file_round_trip(self) -> None:
        """A file of 1 MB uploaded, read and written by a program, and fetched."""
        content = bytes(range(256)) * (programs.FILE_BYTES // 256)

        def once() -> None:
            identifier = self.connection.upload("in.bin", content)
            answer = self.connection.execute(programs.FILE, [{"path": "in.bin", "file_id": identifier}])
            files = answer["files"]
            assert isinstance(files, list) and len(files) == 1
            status, body = self.connection.request("GET", f"/v1/files/{files[0]['file_id']}")
            assert status == 200 and body == content[::-1]

        times = [milliseconds(once) for _ in range(20 if self.quick else 200)]
        self.rows.append(latency_row("1 MB file in, through and out", "code-interpreter", times))

    def throughput(self, kind: str, code: str) -> None:
        """Executions a second, and processor time of everything each one needs."""
        for clients in CLIENTS:
            self._wait_until_filled()
            count = max(clients, 100 if self.quick else 1500)
            used = machine.ProcessorTime(self.background)
            began = time.monotonic()
            self._in_parallel(clients, count // clients, code)
            self._wait_until_filled()
            seconds = time.monotonic() - began
            done = clients * (count // clients)
            row: Row = {"what": f"{kind}, {clients} clients", "who": "code-interpreter", "n": done}
            row |= {"value": done / seconds, "unit": "executions/s"}
            # What others use meanwhile can only be taken off where it is little.
            if self.background < BUSY:
                row["cpu_ms"] = used.seconds() * 1000 / done
            self.rows.append(row)

    def burst(self) -> None:
        """A hundred clients at the same moment."""
        self._wait_until_filled()
        connections = [Connection(self.server.port) for _ in range(100)]
        barrier = threading.Barrier(101)
        times: list[float] = []

        def one(connection: Connection) -> None:
            barrier.wait()
            times.append(milliseconds(lambda: connection.execute(programs.HELLO)))

        threads = [threading.Thread(target=one, args=(connection,)) for connection in connections]
        for thread in threads:
            thread.start()
        barrier.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        total = (time.perf_counter() - began) * 1000
        self.rows.append(
            {"what": "burst of 100", "who": f"{len(times)} succeeded", "value": total, "unit": "ms until the last"}
        )

    def _wait_until_filled(self) -> None:
        self.server.wait_until_filled(sum(int(size) for size in POOL.values()))

    def _in_parallel(self, clients: int, count: int, code: str) -> None:
        failures: list[Exception] = []

        def one() -> None:
            connection = Connection(self.server.port)
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


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | who | n | p50 ms | p90 ms | p99 ms | value | CPU ms each |", "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        value = f"{number(row['value'])} {row['unit']}" if "value" in row else ""
        cells = [
            row["what"],
            row["who"],
            row.get("n", ""),
            *(number(row.get(name)) for name in ("p50", "p90", "p99")),
            value,
            number(row.get("cpu_ms")),
        ]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def number(value: object) -> str:
    """Three digits that count."""
    if not isinstance(value, (int, float)):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    arguments = parser.parse_args()
    bench = Bench(arguments.quick)
    try:
        bench.run()
    finally:
        bench.server.stop()
    print(f"{machine.description()}; {bench.background:.2f} processors in use by others before the run\n")
    print(table(bench.rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine.description(), "rows": bench.rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
