#!/usr/bin/env python3
"""Contexts for long: many at once, thousands that come and go, and ten thousand random actions with many deaths.

    endurance_contexts.py [--program PATH | --url URL --pid PID] [--parts many cycles actions] [--count N] [--seed N]

Starts a server of its own, as root or not, or uses one that is named; with `--pid` (as root, on the same machine) it
also kills interpreters and zygotes of that server and compares what the server holds before and after. `--count` is
the number of actions; the others follow it in proportion: 10,000 actions, 2,000 cycles, 300 contexts at once. Prints
its seed. Ends with 0 if everything held.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import context_processes as processes
from context_actions import World, run_actions
from context_client import Broken, Client, Late
from endurance import process_tree

PROGRAM = Path(__file__).resolve().parents[2] / ".build/release/code-interpreter"
PARTS = ["many", "cycles", "actions"]

# What a server needs for three hundred contexts of one client, and for interpreters that die quickly.
SETTINGS = {
    "MAX_CONTEXTS": "400",
    "CONTEXT_MEMORY_LIMIT_MB": "12288",
    "CONTEXT_MAX_PROCESSES": "4096",
    "POOL_SIZE_BARE": "1",
    "POOL_SIZE_FULL": "1",
    "INTERRUPT_GRACE_SEC": "1",
}
# A memory bomb is to go off soon.
SETTINGS_FOR_ACTIONS = SETTINGS | {"CONTEXT_MEMORY_LIMIT_MB": "1024"}

# How long the server may take to be as it was.
SETTLING_SECONDS = 60


class Failed(Exception):
    """Something did not hold."""


@contextlib.contextmanager
def own_server(program: Path, settings: dict[str, str]) -> Iterator[tuple[str, int]]:
    """A server on a free port with files of its own; its URL and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="code-interpreter-endurance-"))
    folder.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PORT": str(port)} | settings
    environment |= {"FILE_STORAGE_DIR": str(folder / "storage")}
    if "PYTHON_ENVIRONMENT" in os.environ:
        environment["PYTHON_ENVIRONMENT"] = os.environ["PYTHON_ENVIRONMENT"]
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen([str(program), "serve"], env=environment, stdout=output, stderr=output)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}", server.pid
        if server.poll() is not None:
            raise Failed(f"the server ended with status {server.returncode}")
    except Failed:
        print("\n".join(log.read_text(errors="replace").splitlines()[-30:]))
        raise
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            print("the server did not end by itself")
            server.kill()
            server.wait()
        warnings = [line for line in log.read_text(errors="replace").splitlines() if " error " in line.lower()]
        print("\n".join(["  log: " + line[:300] for line in warnings[:10]]), end="\n" if warnings else "")
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Waits until a cell runs."""
    deadline = time.monotonic() + 90
    while True:
        with contextlib.suppress(Broken, Late):
            if cell(Client(url), "1", None).endswith("1"):
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise Failed("the server does not become ready")
        time.sleep(0.1)


def cell(client: Client, code: str, context: str | None) -> str:
    """Runs a cell that must go well; the text of its results."""
    body = {"code": code} | ({"context_id": context} if context else {})
    answer = client.request("POST", "/execute", body)
    if answer.status != 200:
        raise Broken(f"status {answer.status}: {answer.body[:300]!r}")
    lines = answer.lines()
    if lines[-1]["type"] != "end_of_execution" or any(line["type"] in ("error", "ending") for line in lines):
        raise Failed(f"{code!r} went wrong: {lines[-4:]}")
    return " ".join(line.get("text", "") for line in lines if line["type"] == "result")


def create(client: Client) -> str:
    """Makes a context; its id."""
    answer = client.request("POST", "/contexts", {})
    if answer.status != 200:
        raise Failed(f"no context: {answer.status} {answer.body[:300]!r}")
    return str(json.loads(answer.body)["id"])


def delete(client: Client, context: str) -> None:
    """Ends a context that must exist."""
    answer = client.request("DELETE", f"/contexts/{context}")
    if answer.status != 200:
        raise Failed(f"DELETE {context}: {answer.status} {answer.body[:300]!r}")


def delete_all(client: Client) -> None:
    """Ends every context there is."""
    for context in json.loads(client.request("GET", "/contexts").body):
        client.request("DELETE", f"/contexts/{context['id']}")


def settled(pid: int, wanted: processes.Holdings | None = None) -> processes.Holdings:
    """What the server holds once that is what is wanted, or no longer changes."""
    end = time.monotonic() + SETTLING_SECONDS
    last, same = processes.holdings(pid), 0
    while time.monotonic() < end and same < 8:
        time.sleep(0.25)
        now = processes.holdings(pid)
        same = same + 1 if (not leaks(wanted, now) if wanted else not leaks(last, now) and not leaks(now, last)) else 0
        last = now
    return last


def leaks(before: processes.Holdings, after: processes.Holdings) -> list[str]:
    """What there is more of than before; threads come and go with what a server does."""
    return [
        f"{name}: {before[name]} before, {after[name]} after"
        for name in before
        if after.get(name, 0) > before[name] + (4 if name.startswith("threads") else 0)
    ]


def many(url: str, pid: int | None, count: int, _: str) -> list[str]:
    """So many contexts at once, each with a variable of its own."""
    client = Client(url)
    delete(client, create(client))
    before = settled(pid) if pid else None
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        contexts = list(pool.map(lambda _: create(Client(url)), range(count)))
        made = time.monotonic() - began
        list(pool.map(lambda pair: cell(Client(url), f"mine = {pair[0]}", pair[1]), enumerate(contexts)))
        began = time.monotonic()
        answers = list(pool.map(lambda context: cell(Client(url), "1+1, mine", context), contexts))
        asked = time.monotonic() - began
    problems = [
        f"context {number} says {answer}" for number, answer in enumerate(answers) if answer != f"(2, {number})"
    ]
    print(f"many: {count} contexts made in {made:.1f} s, all asked in {asked:.1f} s")
    if pid:
        found = processes.kernels(pid)
        private = sorted(processes.memory_bytes(member, "Private_Dirty") for member in found)
        everything = sum(processes.memory_bytes(member, "Pss") for member in process_tree(pid)) / 1e6
        median, most = statistics.median(private) / 1e6, private[-1] / 1e6
        total = sum(private) / 1e6
        print(f"  {len(found)} interpreters, private {median:.1f} MB each, most {most:.1f}, together {total:.0f} MB")
        print(f"  server with everything below it: {everything:.0f} MB")
        if len(found) < count:
            problems.append(f"{len(found)} interpreters for {count} contexts")
    for context in contexts:
        delete(client, context)
    if pid and before:
        problems += leaks(before, settled(pid, before))
    return problems


def cycles(url: str, pid: int | None, count: int, _: str) -> list[str]:
    """Contexts that come, run a cell, and go."""
    client = Client(url)

    def cycle(number: int) -> None:
        context = create(client)
        text = cell(client, f"{number} + 1", context)
        if text != str(number + 1):
            raise Failed(f"cycle {number} says {text}")
        delete(client, context)

    for number in range(min(50, count // 4)):
        cycle(number)
    before = settled(pid) if pid else None
    memory, times = [], []
    for number in range(count):
        began = time.monotonic()
        cycle(number)
        times.append((time.monotonic() - began) * 1000)
        if pid:
            memory.append(processes.resident_bytes(pid) / 1e6)
    times.sort()
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    print(f"cycles: {count}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {times[-1]:.0f} ms")
    problems = []
    if pid and before:
        third = max(1, count // 3)
        first, last = statistics.mean(memory[:third]), statistics.mean(memory[-third:])
        print(f"  server memory: first third {first:.1f} MB, last third {last:.1f} MB, most {max(memory):.1f} MB")
        if last > first + 5:
            problems.append(f"memory: {first:.1f} MB in the first third, {last:.1f} in the last")
        problems += leaks(before, settled(pid, before))
    return problems


def actions(url: str, pid: int | None, count: int, seed: str) -> list[str]:
    """Random actions of several clients, with deaths of every kind."""
    # What is opened once must be there before the first look.
    warm = World(url, None)
    run_actions(warm, f"{seed}-warm", min(100, count // 4), 4, 0)
    delete_all(Client(url))
    before = settled(pid) if pid else None
    memory = processes.resident_bytes(pid) if pid else 0
    world = World(url, pid)
    began = time.monotonic()
    run_actions(world, seed, count, clients=8, zygote_kills=max(1, count // 1500))
    took = time.monotonic() - began
    print(f"actions: {count} in {took:.0f} s, seed {seed}, longest {world.worst_seconds:.1f} s")
    for name, number in sorted(world.outcomes.items()):
        print(f"  {name}: {number}")
    problems = warm.violations + world.violations
    try:
        cell(Client(url), "6 * 7", None)
        delete_all(Client(url))
    except (Failed, Broken, Late) as error:
        problems.append(f"afterwards: {error}")
    if pid and before:
        after = settled(pid, before)
        problems += leaks(before, after)
        grown = (processes.resident_bytes(pid) - memory) / 1e6
        print(f"  server memory grew by {grown:.1f} MB; before {before}, after {after}")
        if grown > 60:
            problems.append(f"memory: grown by {grown:.0f} MB")
    return problems


def main() -> int:
    """Run the parts and say how they went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--program", type=Path, default=PROGRAM, help="the server to start, unless --url is given")
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--pid", type=int, help="its process id")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--count", type=int, default=10_000, help="actions; the other parts in proportion")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 32)))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    counts = {"many": max(3, options.count * 3 // 100), "cycles": max(10, options.count // 5), "actions": options.count}
    does = {"many": many, "cycles": cycles, "actions": actions}
    problems: list[str] = []
    for part in options.parts:
        settings = SETTINGS_FOR_ACTIONS if part == "actions" else SETTINGS
        named = contextlib.nullcontext((options.url, options.pid))
        try:
            with named if options.url else own_server(options.program, settings) as (url, pid):
                # As an ordinary user the processes of a server cannot be told apart from outside.
                found = does[part](url, pid if os.geteuid() == 0 else None, counts[part], options.seed)
        except (Failed, Broken, Late) as error:
            found = [str(error)]
        for problem in found:
            print(f"NOT GOOD: {part}: {problem}", flush=True)
        problems += found
    print("all good" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
