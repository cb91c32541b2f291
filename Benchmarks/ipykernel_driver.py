"""ipykernel as its users drive it, with jupyter_client: started by `ipykernel_peer` with an interpreter that has both.

Takes one JSON object a line and answers each with one: what was asked for is measured here, so that the pipe between
does not count.
"""

from __future__ import annotations

import importlib
import json
import queue
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

TIMEOUT = 120


# What has no types of its own: managers and clients of kernels.
Untyped = Any
Actions = dict[str, Callable[..., dict[str, Any]]]


class Driver:
    """Kernels by number, and one client for each."""

    def __init__(self) -> None:
        self._manager: Any = importlib.import_module("jupyter_client.manager")
        self._kernels: dict[int, tuple[Any, Any]] = {}
        self._last = 0

    def new(self, code: str) -> dict[str, Any]:
        """Starts a kernel and runs `code` in it."""
        began = time.perf_counter()
        manager = self._manager.KernelManager(kernel_name="python3")
        # It repeats there what subprocesses print.
        manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        self._last += 1
        self._kernels[self._last] = (manager, client)
        ran = self._follow(self._last, code, began)
        return ran | {"kernel": self._last, "pid": manager.provisioner.pid}

    def run(self, kernel: int, code: str) -> dict[str, Any]:
        """Runs a cell."""
        return self._follow(kernel, code, time.perf_counter())

    def interrupt(self, kernel: int, code: str) -> dict[str, Any]:
        """Runs a cell that prints and goes on, and interrupts it then; the time of the interrupt alone."""
        manager, client = self._kernels[kernel]
        identifier = client.execute(code)
        self._until(client, identifier, "stream")
        began = time.perf_counter()
        manager.interrupt_kernel()
        self._until(client, identifier, "status")
        return {"end_ms": (time.perf_counter() - began) * 1000}

    def close(self, kernel: int) -> dict[str, Any]:
        """Ends a kernel."""
        manager, client = self._kernels.pop(kernel)
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        return {}

    def close_all(self) -> None:
        for kernel in list(self._kernels):
            self.close(kernel)

    def _follow(self, kernel: int, code: str, began: float) -> dict[str, Any]:
        """Sends a cell and takes what it says until the kernel is idle again."""
        client = self._kernels[kernel][1]
        identifier = client.execute(code)
        first, size = 0.0, 0
        while True:
            message = self._next(client, identifier)
            kind, content = message["msg_type"], message["content"]
            if kind == "error":
                raise RuntimeError("\n".join(content["traceback"])[-600:])
            if kind in ("execute_result", "display_data", "stream"):
                first = first or time.perf_counter()
            if kind == "stream":
                size += len(content["text"])
            if kind == "status" and content["execution_state"] == "idle":
                end = time.perf_counter()
                break
        client.get_shell_msg(timeout=TIMEOUT)
        return {"first_ms": ((first or end) - began) * 1000, "end_ms": (end - began) * 1000, "characters": size}

    def _until(self, client: Untyped, identifier: str, kind: str) -> None:
        """Waits for a message: the first of `stream`, or the `status` that says idle."""
        while True:
            message = self._next(client, identifier)
            if message["msg_type"] != kind:
                continue
            if kind != "status" or message["content"]["execution_state"] == "idle":
                return

    def _next(self, client: Untyped, identifier: str) -> dict[str, Any]:
        while True:
            try:
                message: dict[str, Any] = client.get_iopub_msg(timeout=TIMEOUT)
            except queue.Empty:
                raise RuntimeError("the kernel says nothing") from None
            if message["parent_header"].get("msg_id") == identifier:
                return message


def main() -> int:
    driver = Driver()
    actions: Actions = {"new": driver.new, "run": driver.run, "interrupt": driver.interrupt, "close": driver.close}
    try:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = actions[request.pop("do")](**request)
            except RuntimeError as error:
                answer = {"error": str(error)}
            print(json.dumps(answer), flush=True)
    finally:
        driver.close_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
