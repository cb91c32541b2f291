"""The same cells in ipykernel, driven by jupyter_client, and in a context: a notebook user sees the same."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import time
import unittest
from typing import Any, ClassVar

import harness
import kernel_harness

#: Whether the other side is there.
HAS_IPYKERNEL = all(importlib.util.find_spec(name) for name in ("ipykernel", "jupyter_client", "pandas", "matplotlib"))

#: Formats that only the kernel of contexts makes.
EXTRAS = ("e2b/data", "e2b/chart", "application/json")

#: Cells that are meant to differ, each with the reason.
DIFFERENCES = {
    "breakpoint": "ipykernel leaves it to a debugger that is not attached; here it is refused, as %debug is",
    "bytes to standard output": "ipykernel's stream has no buffer",
    "arguments": "ipykernel's are those of its launcher, with a connection file",
    "the encoding": "ipykernel spells it UTF-8; here it is that of any Python stream",
}

#: What differs between any two runs, in whichever interpreter.
NOISE = (
    (re.compile(r"0x[0-9a-f]{6,}"), "0xADDRESS"),
    (re.compile(r"/tmp/ipykernel_\d+/\d+\.py"), "CELL.py"),
    (re.compile(r"\(\d+\.py, line"), "(CELL.py, line"),
    (re.compile(r"\d+(\.\d+)?(e\+\d+)? (ns|[uµμ]s|ms|s)\b"), "TIME"),
    (re.compile(r"workspace-[a-z0-9_]+"), "WORKSPACE"),
)

Seen = dict[str, Any]


def without_noise(value: Any) -> Any:
    """Return `value` with what differs between runs replaced."""
    if isinstance(value, str):
        for pattern, text in NOISE:
            value = pattern.sub(text, value)
        return value
    if isinstance(value, (list, tuple)):
        return [without_noise(item) for item in value]
    if isinstance(value, dict):
        return {key: without_noise(item) for key, item in value.items()}
    return value


class Reference:
    """ipykernel in a process of its own."""

    def __init__(self, folder: str, scratch: str) -> None:
        """Start it in `folder`."""
        self.folder = folder
        manager: Any = importlib.import_module("jupyter_client.manager")
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
            "HOME": scratch,
            "IPYTHONDIR": os.path.join(scratch, "ipython"),
            "JUPYTER_RUNTIME_DIR": os.path.join(scratch, "runtime"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self.manager = manager.KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv[0] = sys.executable
        self.manager.connection_file = os.path.join(scratch, "connection.json")
        self.manager.start_kernel(cwd=folder, env=environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=harness.DEADLINE)
        # matplotlib says so where it has to look for fonts first.
        self.client.execute("exec('import matplotlib.font_manager', {})", silent=True)
        self.client.get_shell_msg(timeout=harness.DEADLINE)

    def execute(self, code: str) -> Seen:
        """Run one cell."""
        seen: Seen = {"stdout": "", "stderr": "", "results": [], "displays": [], "errors": [], "count": None}
        number = self.client.execute(code, allow_stdin=False, stop_on_error=False)
        deadline = time.monotonic() + harness.DEADLINE
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != number:
                continue
            self._take(seen, message["msg_type"], message["content"])
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        reply = self.client.get_shell_msg(timeout=harness.DEADLINE)
        while reply["parent_header"].get("msg_id") != number:
            reply = self.client.get_shell_msg(timeout=harness.DEADLINE)
        self._take_reply(seen, reply["content"])
        return seen

    def _take(self, seen: Seen, kind: str, content: dict[str, Any]) -> None:
        if kind == "stream":
            seen[content["name"]] += content["text"]
        elif kind == "execute_input":
            seen["count"] = content["execution_count"]
        elif kind == "execute_result":
            seen["results"].append(content["data"])
        elif kind == "display_data":
            seen["displays"].append(content["data"])
        elif kind == "error":
            seen["errors"].append([content["ename"], content["evalue"], "\n".join(content["traceback"])])

    def _take_reply(self, seen: Seen, content: dict[str, Any]) -> None:
        """Take what is told in the reply alone: what the pager shows, and errors such as a wrong use of a magic."""
        if content["status"] == "error" and not seen["errors"]:
            seen["errors"].append([content["ename"], content["evalue"], "\n".join(content["traceback"])])
        for payload in content.get("payload", []):
            if payload["source"] == "page":
                seen["displays"].append(payload["data"])

    def close(self) -> None:
        """End it."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@unittest.skipUnless(HAS_IPYKERNEL, "needs ipykernel and the libraries")
class Comparison(kernel_harness.KernelTestCase):
    """The cells of cells.txt, one after the other, in both."""

    imports = kernel_harness.IMPORTS
    reference: ClassVar[Reference]

    def test_cells(self) -> None:
        """Streams, displays, results, errors and counts are the same, but for what is meant to differ."""
        scratch = tempfile.mkdtemp(prefix="reference-")
        self.addCleanup(shutil.rmtree, scratch, ignore_errors=True)
        reference = Reference(tempfile.mkdtemp(prefix="workspace-"), scratch)
        self.addCleanup(shutil.rmtree, reference.folder, ignore_errors=True)
        self.addCleanup(reference.close)
        context = self.open(environment={name: os.environ[name] for name in ("PATH",)})
        cells = harness.read_programs("cells.txt")
        self.assertGreaterEqual(len(cells), 150)
        self.assertEqual(len({heading for heading, _ in cells}), len(cells))
        for heading, code in cells:
            with self.subTest(heading):
                theirs = without_noise(reference.execute(code[:-1]))
                self.compare(heading, theirs, self.seen(context.execute(code[:-1]), theirs))

    def seen(self, execution: kernel_harness.Execution, theirs: Seen) -> Seen:
        """Return the same of an execution of ours, without what only we send."""
        sent_by_both = {kind for data in theirs["results"] + theirs["displays"] for kind in data}
        added = [kind for kind in EXTRAS if kind not in sent_by_both]
        results, displays = (
            [{kind: value for kind, value in data.items() if kind not in added} for data in execution.displays(is_main)]
            for is_main in (True, False)
        )
        found: Seen = without_noise(
            {
                "stdout": execution.stdout,
                "stderr": execution.stderr,
                "results": results,
                "displays": displays,
                "errors": [[frame["name"], frame["value"], frame["traceback"]] for frame in execution.errors],
                "count": execution.count,
            }
        )
        return found

    def compare(self, heading: str, theirs: Seen, ours: Seen) -> None:
        """Compare what both made of one cell."""
        self.maxDiff = 20000
        if heading not in DIFFERENCES:
            self.assertEqual(theirs, ours)
            return
        self.assertNotEqual(theirs, ours, "not different any more")


if __name__ == "__main__":
    unittest.main()
