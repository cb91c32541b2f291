"""What clients of contexts do, and what they may be told: random actions, and the rules every answer keeps."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from context_client import Answer, Broken, Client, Drop, Late, Line
from context_processes import kill_kernel, kill_zygote

# What a stream or another request may take at the most, whatever happens around it.
STREAM_SECONDS = 120.0
REQUEST_SECONDS = 120.0

MOST_CONTEXTS = 8

# Name: how often, the code ("MARK" stands for a word of its own), and the time it is given in milliseconds.
CELLS: dict[str, tuple[int, str, int]] = {
    "print": (24, "print('MARK')\n1 + 1", 60_000),
    "many lines": (8, "for n in range(3000): print(n, 'x' * 40)\nprint('MARK')", 60_000),
    "plot": (2, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('MARK')", 60_000),
    "other letters": (2, "print('MARK')\n'é — 漢字 🙂'", 60_000),
    "error": (6, "print('MARK')\n1 / 0", 60_000),
    "syntax error": (2, "def f(:\n'MARK'", 60_000),
    "sleep": (6, "import time\ntime.sleep(0.2)\nprint('MARK')", 60_000),
    "await": (3, "import asyncio\nawait asyncio.sleep(0.1)\nprint('MARK')", 60_000),
    "subprocess": (4, "import subprocess\nsubprocess.run(['echo', 'MARK'])", 60_000),
    "shell": (2, "!echo MARK", 60_000),
    "big output": (3, "print('x' * 3_000_000)\nprint('MARK')", 60_000),
    "late thread": (
        2,
        "import threading\nthreading.Timer(0.1, lambda: print('late')).start()\nprint('MARK')",
        60_000,
    ),
    "fork": (1, "import os, time\nif os.fork() == 0:\n    time.sleep(2); os._exit(0)\nprint('MARK')", 60_000),
    "exit": (1, "exit()", 60_000),
    "os._exit": (2, "import os\nos._exit(3)", 60_000),
    "crash": (2, "import ctypes\nctypes.string_at(0)", 60_000),
    "memory bomb": (1, "x = []\nwhile True: x.append(bytearray(1 << 24))", 20_000),
    "endless": (2, "while True: pass", 300),
    "deaf": (1, "import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass", 300),
    "stopped": (1, "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", 300),
    "closed descriptors": (1, "import os\nos.closerange(0, 900)\nprint('MARK')", 2000),
    "false frames": (1, "import os\nos.write(900, b'\\xff' * 4096)", 2000),
    "orphan": (1, "import subprocess, os\nsubprocess.Popen(['sleep', '5'])\nos._exit(0)", 60_000),
}

# Cells whose mark must come, unless the stream says what went wrong.
HONEST = {name for name, (_, code, _) in CELLS.items() if "MARK" in code} - {"syntax error", "closed descriptors"}

OTHERS = {"create": 5, "delete": 3, "restart": 3, "interrupt": 7, "list": 2, "kill a kernel": 2}

# Why a cell or a context may be refused: the context is gone, its queue is full, its interpreter died as it started.
REFUSALS = {404, 429, 500, 503}


@dataclass
class World:
    """What all clients share; guarded by its lock."""

    url: str
    pid: int | None
    lock: threading.Lock = field(default_factory=threading.Lock)
    contexts: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    worst_seconds: float = 0.0
    done: int = 0

    def count(self, outcome: str) -> None:
        with self.lock:
            self.outcomes[outcome] += 1

    def violated(self, what: str) -> None:
        """Notes that a rule was broken, and when."""
        with self.lock:
            self.violations.append(f"{time.strftime('%H:%M:%S')} after {self.done} actions: {what}")
            print(f"  VIOLATION {self.violations[-1]}", flush=True)


class Actor:
    """One client that does what a seed says."""

    def __init__(self, world: World, seed: str) -> None:
        self._world = world
        self._random = random.Random(seed)
        self._client = Client(world.url)
        self._marks = 0
        self._context: str | None = None
        self._name = seed.rpartition("-")[2]

    def act(self) -> None:
        """One action. What breaks a rule is noted in the world."""
        choices = {name: weight for name, (weight, _, _) in CELLS.items()} | OTHERS
        name = self._random.choices(list(choices), list(choices.values()))[0]
        began = time.monotonic()
        self._context = None
        try:
            if name in CELLS:
                self._cell(name)
            else:
                self._other(name)
        except Late as late:
            self._world.violated(f"{name} in {self._context} waited for {time.monotonic() - began:.0f} s: {late}")
        except Broken as broken:
            self._world.violated(f"{name}: {broken}")
        except ValueError as error:
            self._world.violated(f"{name}: what came is no JSON: {error}")
        with self._world.lock:
            self._world.done += 1
            self._world.worst_seconds = max(self._world.worst_seconds, time.monotonic() - began)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _cell(self, name: str) -> None:
        _, code, milliseconds = CELLS[name]
        self._marks += 1
        mark = f"mark-{self._name}-{self._marks}"
        body: dict[str, object] = {"code": code.replace("MARK", mark), "timeout_ms": milliseconds}
        context = self._some_context()
        if context:
            body["context_id"] = context
        answer = self._client.request("POST", "/execute", body, STREAM_SECONDS, self._drop())
        if answer.was_dropped:
            self._world.count("cell: dropped")
        elif answer.status == 200:
            self._check_stream(name, mark, answer.lines())
        else:
            self._check_refusal(f"cell {name}", answer)

    def _check_stream(self, name: str, mark: str, lines: list[Line]) -> None:
        # Whoever waits for a turn hears that the server lives.
        kinds = [line["type"] for line in lines if line["type"] != "keepalive"]
        if not kinds or kinds[-1] != "end_of_execution" or kinds.count("end_of_execution") != 1:
            self._world.violated(f"{name}: the stream does not end with its end: {lines[-3:]}")
            return
        if kinds[0] != "number_of_executions" and kinds != ["error", "end_of_execution"]:
            self._world.violated(f"{name}: the stream begins with {lines[0]}")
        ending = next((line for line in lines if line["type"] == "ending"), None)
        excused = ending is not None or "error" in kinds
        if name in HONEST and ending is not None and ending["reason"] == "protocol":
            self._world.violated(f"{name}: an honest cell is said to break the rules of the channel: {lines[-3:]}")
        if name in HONEST and not excused:
            text = "".join(line["text"] for line in lines if line["type"] == "stdout")
            if mark not in text:
                self._world.violated(f"{name}: {mark} did not come: {lines[:2]} … {lines[-3:]}")
        error = next((line["name"] for line in lines if line["type"] == "error"), "done")
        how = f"{ending['reason']}, {ending['context']}" if ending else error
        self._world.count(f"cell {name}: {how}")

    def _check_refusal(self, name: str, answer: Answer) -> None:
        if answer.status not in REFUSALS:
            self._world.violated(f"{name}: {answer.status} {answer.body[:300]!r}")
        self._world.count(f"refused with {answer.status}: {_without_ids(answer.body)}")

    def _other(self, name: str) -> None:
        if name == "kill a kernel":
            if self._world.pid and kill_kernel(self._world.pid, self._random):
                self._world.count(name)
            return
        if name == "create":
            self._create()
            return
        if name == "list":
            answer = self._client.request("GET", "/contexts", None, REQUEST_SECONDS)
        else:
            context = self._some_context() or "default"
            path = f"/contexts/{context}" + ("" if name == "delete" else f"/{name}")
            if name == "delete":
                with self._world.lock:
                    if context in self._world.contexts:
                        self._world.contexts.remove(context)
            method = "DELETE" if name == "delete" else "POST"
            answer = self._client.request(method, path, None, REQUEST_SECONDS)
        if answer.status == 200:
            self._world.count(name)
        else:
            self._check_refusal(name, answer)

    def _create(self) -> None:
        with self._world.lock:
            if len(self._world.contexts) >= MOST_CONTEXTS:
                return
        answer = self._client.request("POST", "/contexts", {}, REQUEST_SECONDS)
        if answer.status == 200:
            with self._world.lock:
                self._world.contexts.append(json.loads(answer.body)["id"])
            self._world.count("create")
        else:
            self._check_refusal("create", answer)

    def _some_context(self) -> str | None:
        with self._world.lock:
            known = list(self._world.contexts)
        self._context = self._random.choice([None, *known])
        return self._context

    def _drop(self) -> Drop | None:
        if self._random.random() > 0.1:
            return None
        is_rude = self._random.random() < 0.5
        if self._random.random() < 0.5:
            return Drop(after_seconds=self._random.random() * 0.3, is_rude=is_rude)
        return Drop(after_bytes=self._random.choice([1, 200, 1000, 100_000]), is_rude=is_rude)


def _without_ids(body: bytes) -> str:
    words = body.decode(errors="replace")[:200].split()
    return " ".join("…" if word.count("-") == 4 else word for word in words)


def run_actions(world: World, seed: str, count: int, clients: int, zygote_kills: int) -> None:
    """Does that many actions from a seed, with the zygote of contexts killed now and then."""
    shares = [count // clients + (number < count % clients) for number in range(clients)]

    def work(number: int) -> None:
        actor = Actor(world, f"{seed}-{number}")
        for _ in range(shares[number]):
            actor.act()
        actor.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    killed, said = 0, time.monotonic()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.1)
        if world.pid and killed < zygote_kills and world.done >= count * (killed + 1) // (zygote_kills + 1):
            killed += 1
            world.outcomes["kill the zygote"] += kill_zygote(world.pid)
        if time.monotonic() - said >= 10:
            said = time.monotonic()
            print(f"  {world.done} of {count} actions, {len(world.violations)} violations", flush=True)
    for thread in threads:
        thread.join()
