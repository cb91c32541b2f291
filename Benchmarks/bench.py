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
from functools import partial
from pathlib import Path

import comparisons
import machine
import programs
from client import Connection
from context_bench import ContextBench
from docker_bench import DockerBench, default_image, is_available
from server import Server
from table import Row, latency_row, milliseconds, table, value_row

POOL = {"POOL_SIZE_BARE": "8", "POOL_SIZE_FULL": "8"}
# What the contexts of one client need that has many.
CONTEXTS = {"POOL_SIZE_NOTEBOOK": "1", "MAX_CONTEXTS": "64"}
CLIENTS = [1, 2, 4, 8]
NATIVE_PARTS = ["starts", "executions", "contexts"]
PARTS = [*NATIVE_PARTS, "docker"]

# Processors in use by others above which nothing is said about processor time.
BUSY = 0.2

# What is measured, and how often for each round of the comparisons.
PROGRAMS = [
    ("hello", programs.HELLO, 20),
    ("pandas groupby + describe", programs.PANDAS, 5),
    ("matplotlib PNG", programs.PLOT, 3),
]


class Bench:
    """One server with native sandboxes, and everything that is measured with it."""

    def __init__(self, quick: bool, background: float) -> None:
        self.quick = quick
        self.rows: list[Row] = []
        self.background = background
        self.server = Server(POOL | CONTEXTS)
        self._wait_until_filled()
        self.connection = Connection(self.server.port)

    def run(self, parts: list[str]) -> None:
        """The parts, in the order of the table."""
        for part in parts:
            getattr(self, part)()

    def starts(self) -> None:
        """From nothing to serving, and what that takes."""
        self.rows.append(value_row("start until listening", "server", self.server.listening_ms, "ms"))
        self.rows.append(value_row("start until warm", "server", self.server.warm_ms, "ms"))
        self.memory("memory, idle")

    def executions(self) -> None:
        """One program, one sandbox."""
        self.latencies()
        self.file_round_trip()
        self.throughput("bare", programs.HELLO)
        self.throughput("full", programs.HELLO_FULL)
        self.burst()
        self.memory("memory after all this")

    def contexts(self) -> None:
        """Live interpreters, beside ipykernel."""
        self.rows += ContextBench(self.server, self.quick).run()

    def memory(self, what: str) -> None:
        pid = self.server.process.pid
        everything = machine.proportional_mb([pid, *machine.descendants(pid)])
        self.rows.append(value_row(what, "server", machine.resident_mb(pid), "MB"))
        self.rows.append(value_row(what, "server, zygotes and ready sandboxes", everything, "MB"))

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
            self.server.in_parallel(clients, count // clients, code)
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
        self.rows.append(value_row("burst of 100", f"{len(times)} succeeded", total, "ms until the last"))

    def _wait_until_filled(self) -> None:
        self.server.wait_until_filled(
            sum(int(size) for name, size in (POOL | CONTEXTS).items() if name.startswith("POOL_"))
        )


def native_rows(quick: bool, background: float, parts: list[str]) -> list[Row]:
    """These parts, with a server of their own."""
    if not parts:
        return []
    bench = Bench(quick, background)
    try:
        bench.run(parts)
    finally:
        bench.server.stop()
    return bench.rows


def docker_rows(quick: bool, image: str) -> list[Row]:
    """With containers, where there are any."""
    if not is_available(image):
        print(f"no Docker daemon answers, or it has no image {image}: nothing is measured with containers\n")
        return []
    return DockerBench(image, quick).run()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, for a first look")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    parser.add_argument("--docker-image", metavar="IMAGE", default=default_image(), help="the guest, %(default)s")
    arguments = parser.parse_args()
    background = machine.background_load(1 if arguments.quick else 3)
    rows = native_rows(arguments.quick, background, [part for part in NATIVE_PARTS if part in arguments.only])
    if "docker" in arguments.only:
        rows += docker_rows(arguments.quick, arguments.docker_image)
    print(f"{machine.description()}; {background:.2f} processors in use by others before the run\n")
    print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine.description(), "rows": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
