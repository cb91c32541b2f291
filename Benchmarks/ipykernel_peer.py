"""ipykernel beside our contexts; see `ipykernel_driver`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from comparisons import PYTHON

DRIVER = Path(__file__).resolve().parent / "ipykernel_driver.py"

NAME = "ipykernel"


class IPyKernel:
    """A process that drives kernels of ipykernel, and the ways to ask it."""

    def __init__(self) -> None:
        # Connection files, histories and profiles belong to this run.
        self._folder = tempfile.mkdtemp(prefix="code-interpreter-bench-jupyter-")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPY"))}
        environment |= {"HOME": self._folder, "IPYTHONDIR": f"{self._folder}/ipython", "JUPYTER_NO_CONFIG": "1"}
        environment |= {"JUPYTER_RUNTIME_DIR": f"{self._folder}/runtime"}
        self._process = subprocess.Popen(
            [str(PYTHON), str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=self._folder,
        )

    def new(self, code: str) -> dict[str, float]:
        """Starts a kernel and runs `code`: `kernel`, `pid`, and milliseconds from nothing, `first_ms` and `end_ms`."""
        return self._ask({"do": "new", "code": code})

    def run(self, kernel: float, code: str) -> dict[str, float]:
        """Runs a cell: `first_ms`, `end_ms`, `characters` it printed."""
        return self._ask({"do": "run", "kernel": kernel, "code": code})

    def interrupt(self, kernel: float, code: str) -> dict[str, float]:
        """Runs a cell that prints once and goes on, and interrupts it: `end_ms`, from the interrupt."""
        return self._ask({"do": "interrupt", "kernel": kernel, "code": code})

    def close(self, kernel: float) -> None:
        """Ends a kernel."""
        self._ask({"do": "close", "kernel": kernel})

    def stop(self) -> None:
        """Ends the driver and all its kernels."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, request: dict[str, object]) -> dict[str, float]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the driver of ipykernel ended")
        answer: dict[str, float] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"ipykernel: {answer['error']}")
        return answer
