#!/usr/bin/env python3
"""Ten thousand executions, eight at a time, a tenth hostile: nobody else fails, nothing leaks, memory stays flat.

    endurance.py [--url http://127.0.0.1:8000] [--pid PID-of-the-server] [--count 10000] [--clients 8] [--seed N]

Not a part of `make test`: it takes minutes. With --pid (on the same machine, as root or as the server's user) it
also compares the server's processes, descriptors, memory and control groups before and after. Ends with 0 if
everything held.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import random
import statistics
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

# Name: code, and the reasons for which it may end.
HOSTILE = {
    "fork bomb": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        {"timeout", "cpu", "signal", "exit", "memory"},
    ),
    "memory bomb": ("x = []\nwhile True: x.append(bytearray(1 << 22))", {"memory", "exit", "timeout"}),
    "output flood": ("import os\nwhile True: os.write(1, b'x' * 65536)", {"output_limit", "cpu", "timeout"}),
    "sparse file": ("open('sparse', 'wb').truncate(1 << 45)", {"exit"}),
    "full disk": ("with open('fill', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", {"exit", "memory", "timeout"}),
    "many files": ("for i in range(100000): open(str(i), 'w')", {"exit", "memory", "timeout", "cpu"}),
    "daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid(); [os.close(n) for n in (0, 1, 2)]\n    time.sleep(1000)",
        {"exit"},
    ),
    "crash": ("import ctypes; ctypes.string_at(0)", {"signal"}),
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {"timeout"}),
    "false frames": (
        "import os\nos.write(900, b'\\xff' * 4096)\nimport time; time.sleep(30)",
        {"timeout", "exit", "signal"},
    ),
    "threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(30,)).start()",
        {"exit", "timeout", "cpu"},
    ),
}
HOSTILE_TIMEOUT_MS = 1000
HONEST_TIMEOUT_MS = 30_000


@dataclass
class Tally:
    """What happened so far; guarded by its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    honest_milliseconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    retries: int = 0


class Client:
    """One connection that is opened anew when it breaks."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url).netloc
        self.connection = http.client.HTTPConnection(self.address, timeout=120)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Sends a request and gives the status and the body."""
        content = None if body is None else json.dumps(body).encode()
        try:
            self.connection.request(method, path, content, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = http.client.HTTPConnection(self.address, timeout=120)
            raise


@dataclass
class Observation:
    """What the server holds at one moment."""

    processes: int
    descriptors: int
    control_groups: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Observation:
        """Looks at the server of that process id."""
        tree = process_tree(pid)
        groups = {group for member in tree for group in control_group_roots(member)}
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
        return cls(
            len(tree), len(os.listdir(f"/proc/{pid}/fd")), sum(len(os.listdir(group)) for group in groups), resident
        )


def process_tree(root: int) -> list[int]:
    """Give the process and everything below it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    tree = [root]
    for member in tree:
        tree += children.get(member, [])
    return tree


def control_group_roots(pid: int) -> set[str]:
    """The folders in /sys/fs/cgroup that the server made, for the hierarchies a process is in."""
    roots = set()
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return set()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        parts = path.strip("/").split("/")
        own = [index for index, part in enumerate(parts) if part.startswith("code-interpreter")]
        if own:
            for top in [f"/sys/fs/cgroup/{name}" for name in controllers.split(",")] + [
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/unified",
            ]:
                folder = f"{top}/" + "/".join(parts[: own[0] + 1])
                if os.path.isdir(folder):
                    roots.add(folder)
                    break
    return roots


def run_hostile(client: Client, name: str, tally: Tally) -> None:
    """Run one hostile program and look whether it ended as it may."""
    code, reasons = HOSTILE[name]
    status, body = client.request(
        "POST", "/v1/execute", {"code": code, "timeout_ms": HOSTILE_TIMEOUT_MS, "last_line_interactive": False}
    )
    answer = json.loads(body)
    reason = answer.get("outcome", {}).get("reason", "none") if status == 200 else f"HTTP {status}"
    with tally.lock:
        tally.outcomes[f"{name}: {reason}"] += 1
        if status not in (200, 429) or (status == 200 and reason not in reasons):
            tally.failures.append(f"{name}: {status} {reason} {body[:300]!r}")
    for file in answer.get("files", []) if status == 200 else []:
        client.request("DELETE", f"/v1/files/{file['file_id']}")


def run_honest(client: Client, number: int, tally: Tally) -> None:
    """Run one honest program; nothing but its right answer will do."""
    kind = number % 3
    code = f"print({number})"
    if kind == 1:
        code = f"import pandas as pd\nprint(int(pd.Series([{number}]).sum()))"
    elif kind == 2:
        code = f"open('out.txt', 'w').write('{number}')\nprint({number})"
    began = time.monotonic()
    while True:
        status, body = client.request("POST", "/v1/execute", {"code": code, "timeout_ms": HONEST_TIMEOUT_MS})
        if status != 429:
            break
        with tally.lock:
            tally.retries += 1
        time.sleep(1)
    took = (time.monotonic() - began) * 1000
    answer = json.loads(body)
    failure = (
        ""
        if status == 200 and answer["stdout"] == f"{number}\n" and answer["exit_code"] == 0
        else f"{status} {body[:600]!r}"
    )
    if not failure and kind == 2:
        failure = check_file(client, answer, str(number))
    with tally.lock:
        tally.honest_milliseconds.append(took)
        if failure:
            tally.failures.append(f"honest {number}: {failure}")


def check_file(client: Client, answer: dict[str, list[dict[str, str]]], content: str) -> str:
    """Fetch and remove the one produced file; give what is wrong with it."""
    if [file["path"] for file in answer["files"]] != ["out.txt"]:
        return f"files {answer['files']}"
    path = f"/v1/files/{answer['files'][0]['file_id']}"
    status, body = client.request("GET", path)
    client.request("DELETE", path)
    return "" if status == 200 and body.decode() == content else f"download {status} {body[:100]!r}"


def work(url: str, tasks: queue.SimpleQueue[tuple[int, str] | None], tally: Tally) -> None:
    """Carry out tasks until there are no more."""
    client = Client(url)
    while (task := tasks.get()) is not None:
        number, hostile = task
        try:
            if hostile:
                run_hostile(client, hostile, tally)
            else:
                run_honest(client, number, tally)
        except (
            OSError,
            http.client.HTTPException,
            ValueError,
            KeyError,
        ) as error:  # a broken connection is a failure like any other, and the next task goes on
            with tally.lock:
                tally.failures.append(f"{hostile or 'honest'} {number}: {error!r}")


def progress(tally: Tally, done: threading.Event, total: int, pid: int | None) -> None:
    """Print a line every ten seconds."""
    while not done.wait(10):
        with tally.lock:
            count = len(tally.honest_milliseconds) + sum(tally.outcomes.values())
            failures = len(tally.failures)
        memory = f", server {Observation.of(pid).resident_bytes >> 20} MB" if pid else ""
        print(f"{count} of {total}, {failures} failures{memory}", flush=True)


def settle(pid: int, wanted: Observation | None = None, seconds: float = 60) -> Observation:
    """Waits until the server holds what it should, or what it holds no longer changes."""
    end = time.monotonic() + seconds
    last = Observation.of(pid)
    same = 0
    while time.monotonic() < end and same < 8:
        time.sleep(0.25)
        now = Observation.of(pid)
        shape = (now.processes, now.descriptors, now.control_groups)
        goal = wanted or last
        same = same + 1 if shape == (goal.processes, goal.descriptors, goal.control_groups) else 0
        last = now
    return last


def compare(before: Observation, after: Observation, most_growth: int) -> list[str]:
    """Give what the server holds more of than before."""
    problems = []
    for name in ("processes", "descriptors", "control_groups"):
        old, new = getattr(before, name), getattr(after, name)
        if new > old:
            problems.append(f"{name}: {old} before, {new} after")
    growth = after.resident_bytes - before.resident_bytes
    if growth > most_growth:
        problems.append(f"memory: grown by {growth >> 20} MB")
    return problems


def run_all(options: argparse.Namespace, count: int, tally: Tally) -> float:
    """Run that many executions and give the seconds it took."""
    generator = random.Random(options.seed)
    tasks: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
    names = sorted(HOSTILE)
    for number in range(count):
        tasks.put((number, generator.choice(names) if number % 10 == 0 else ""))
    threads = [threading.Thread(target=work, args=(options.url, tasks, tally)) for _ in range(options.clients)]
    for _ in threads:
        tasks.put(None)
    done = threading.Event()
    reporter = threading.Thread(target=progress, args=(tally, done, count, options.pid))
    began = time.monotonic()
    for thread in [*threads, reporter]:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    done.set()
    reporter.join()
    return took


def summary(
    options: argparse.Namespace, tally: Tally, took: float, before: Observation | None, after: Observation | None
) -> list[str]:
    """Print the figures and give what is not good."""
    times = sorted(tally.honest_milliseconds)
    rate = options.count / took
    print(f"\n{options.count} executions, {options.clients} clients, {took:.0f} s, {rate:.0f}/s, seed {options.seed}")
    if times:
        p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        print(f"honest: {len(times)}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {times[-1]:.0f} ms")
        print(f"  told to come back later: {tally.retries}")
    for name, number in sorted(tally.outcomes.items()):
        print(f"  {name}: {number}")
    problems = [f"{len(tally.failures)} failures, such as {tally.failures[0]}"] if tally.failures else []
    if before and after:
        print(f"before {before}\nafter  {after}")
        problems += compare(before, after, options.memory_growth << 20)
    return problems


def main() -> int:
    """Run, compare, and say how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--pid", type=int, help="process id of the server, for the leak check")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--memory-growth", type=int, default=20, help="most MB that the server may grow")
    options = parser.parse_args()
    # What is opened or allocated once must be there before the first look.
    run_all(options, min(400, options.count), Tally())
    before = settle(options.pid) if options.pid else None
    tally = Tally()
    took = run_all(options, options.count, tally)
    after = settle(options.pid, wanted=before) if options.pid else None
    problems = summary(options, tally, took, before, after)
    for problem in problems:
        print(f"NOT GOOD: {problem}")
    print("all good" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
