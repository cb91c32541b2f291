"""Measures the launcher: what a sandbox costs in time and in processor time.

Run it by hand, as root: `launcher_bench.py [ENVIRONMENT] [COUNT] [root|single|subordinate]`. ENVIRONMENT is a Python
environment with numpy, pandas and matplotlib; without it, or with `-`, only the bare zygote is measured.
"""

from __future__ import annotations

import os
import sys
import time

import launcher_harness as harness
import launcher_plan as plans

FULL_IMPORTS = "numpy,pandas,matplotlib.pyplot"


def percentiles(samples: list[float]) -> str:
    """p50, p90 and p99 in milliseconds."""
    ordered = sorted(samples)
    picks = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.99)]
    return "  ".join(f"{pick * 1000:7.2f}" for pick in picks)


class ProcessorTime:
    """Processor time of this process, the launcher and all sandboxes, whatever else the machine does.

    Kernel threads are not in it.
    """

    def __init__(self) -> None:
        """Moves this process into a group of its own; whoever it starts follows."""
        self.group = f"/sys/fs/cgroup/cpuacct/ci-bench-{os.getpid()}"
        os.mkdir(self.group)
        self._move(self.group)

    @staticmethod
    def _move(group: str) -> None:
        with open(f"{group}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")

    def milliseconds(self) -> float:
        """Used so far, but for our own part of it."""
        with open(f"{self.group}/cpuacct.usage", encoding="ascii") as file:
            return int(file.read()) / 1e6 - time.process_time() * 1000

    def close(self) -> None:
        """Moves this process back."""
        self._move(os.path.dirname(self.group))
        os.rmdir(self.group)


def measure_cycles(launcher: harness.Launcher, zygote: int, count: int, processor: ProcessorTime) -> None:
    """One sandbox after the other."""
    created, executed, destroyed = [], [], []
    for _ in range(10):
        sandbox = launcher.create(zygote)
        sandbox.run("print('hello')")
        launcher.destroy(sandbox)
    before = processor.milliseconds()
    for _ in range(count):
        start = time.perf_counter()
        sandbox = launcher.create(zygote)
        created.append(time.perf_counter() - start)
        start = time.perf_counter()
        sandbox.run("print('hello')")
        executed.append(time.perf_counter() - start)
        start = time.perf_counter()
        launcher.destroy(sandbox)
        destroyed.append(time.perf_counter() - start)
    busy = processor.milliseconds() - before
    print(f"  create to ready  {percentiles(created)}")
    print(f"  hello            {percentiles(executed)}")
    print(f"  destroy          {percentiles(destroyed)}")
    print(f"  processor time of a cycle {busy / count:.2f} ms")


def measure_burst(launcher: harness.Launcher, zygote: int, count: int) -> None:
    """All at once."""
    start = time.perf_counter()
    asked = [launcher.ask(zygote) for _ in range(count)]
    sandboxes = [launcher.wait_created(number) for number in asked]
    for sandbox in sandboxes:
        sandbox.expect_ready()
    ready = time.perf_counter() - start
    start = time.perf_counter()
    for sandbox in sandboxes:
        launcher.request(harness.DESTROY, sandbox.id)
    for sandbox in sandboxes:
        launcher.wait_for(harness.DESTROYED, sandbox.id)
        sandbox.close()
    gone = time.perf_counter() - start
    print(f"  {count} at once: ready after {ready * 1000:.0f} ms, gone after {gone * 1000:.0f} ms")


def main() -> None:
    """Measure every zygote there is."""
    environment = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] != "-" else None
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    mode = sys.argv[3] if len(sys.argv) > 3 else "root"
    user = harness.find_user()
    identity = plans.Identity("root") if mode == "root" or user is None else plans.Identity(mode, *user)
    processor = ProcessorTime()
    parents = [(name, processor.group if name == "cpuacct" else path) for name, path in plans.cgroup_parents()]
    with harness.prepared_folder(environment) as folder:
        imports = FULL_IMPORTS if environment else None
        plan = plans.make_plan(folder, identity, str(os.getpid()), imports, 256, parents)
        start = time.perf_counter()
        launcher = harness.Launcher(f"{folder}/sandbox-launcher", plan.encode(), identity)
        try:
            launcher.wait_for(harness.LAUNCHER_READY)
            print(f"{identity.mode}: launcher ready after {(time.perf_counter() - start) * 1000:.0f} ms")
            for _ in range(2 if environment else 1):
                event = launcher.wait_for(harness.ZYGOTE_READY)
                print(f"zygote {event.value} ready after {(time.perf_counter() - start) * 1000:.0f} ms")
            for zygote in range(2 if environment else 1):
                print(f"zygote {zygote}                  p50      p90      p99")
                measure_cycles(launcher, zygote, count, processor)
                measure_burst(launcher, zygote, 200)
        finally:
            launcher.close()
            processor.close()


if __name__ == "__main__":
    main()
