"""The bridge in a child of the zygote that contexts are forked from."""

from __future__ import annotations

import contextlib
import os
import sys
import unittest
from pathlib import Path

import kernel_harness
import launcher_harness
from bridge_case import kernel_is_installed


class ZygoteTest(kernel_harness.KernelTestCase):
    """Other languages, opened as the server opens them; only PATH is the host's."""

    def open_language(self, language: str) -> kernel_harness.Context:
        if not kernel_is_installed(language):
            self.skipTest(f"there is no kernel of {language}")
        path = f"{sys.prefix}/bin:{os.environ['PATH']}"
        return self.open(
            language=language, environment={"PATH": path, "HOME": self.workspace, "TMPDIR": self.workspace}
        )

    def test_javascript(self) -> None:
        context = self.open_language("javascript")
        self.assertEqual(context.execute("let state = 6 * 7; state").value, "42")
        found = context.execute("console.log(state, Deno.env.get('ONCE'))", {"ONCE": "now"})
        frames = [frame for kind, frame in found.events if kind == "output"]
        self.assertEqual("".join(frame["text"] for frame in frames), "42 now\n")

    def test_bash_and_its_interrupt(self) -> None:
        context = self.open_language("bash")
        context.start("echo running; sleep 61.25")
        has_run: list[bool] = []

        def interrupt_once(execution: kernel_harness.Execution) -> None:
            if execution.frames("output") and not has_run:
                has_run.append(True)
                # Not while the shell starts it: bash_kernel can then take a prompt too many for its own.
                launcher_harness.wait_until(lambda: _is_running(b"sleep\x0061.25\x00"), "the program runs")
                context.interrupt()

        self.assertEqual(context.finish(interrupt_once).error[0], "KeyboardInterrupt")
        self.assertEqual(context.execute("echo on").frames("output")[0]["text"], "on\n")

    def test_an_unknown_language_is_refused(self) -> None:
        context = kernel_harness.Context(self.nursery, self.workspace, language="cobol")
        self.addCleanup(context.close)
        self.assertEqual((context.answer["type"], context.answer["reason"]), ("refused", "language"))

    def test_a_missing_folder_is_refused(self) -> None:
        for language in ("bash", "javascript"):
            context = kernel_harness.Context(self.nursery, self.workspace, language=language, cwd="/missing")
            self.addCleanup(context.close)
            self.assertEqual((context.answer["type"], context.answer["reason"]), ("refused", "directory"))


def _is_running(command: bytes) -> bool:
    """Return whether a process of the machine has this command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes() == command:
                return True
    return False


if __name__ == "__main__":
    unittest.main()
