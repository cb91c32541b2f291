"""The bridge and kernels that do not keep to Jupyter's protocol."""

from __future__ import annotations

import json
import os
import unittest
from unittest import mock

from bridge_case import TESTS, BridgeTest, Context, errors_of, kernel_is_installed, text_of


class HostileKernelTest(BridgeTest):
    """Contexts of the kernel that misbehaves."""

    def setUp(self) -> None:
        super().setUp()
        self.places = os.path.join(self.folder, ".kernels")
        for mode in ("fake", "never", "fails", "missing"):
            os.makedirs(f"{self.places}/{mode}")
            program = "no-such-program" if mode == "missing" else "python3"
            arguments = [program, os.path.join(TESTS, "fake_kernel.py"), mode, "{connection_file}"]
            with open(f"{self.places}/{mode}/kernel.json", "w", encoding="utf-8") as file:
                json.dump({"argv": arguments, "language": mode, "display_name": mode}, file)

    def open_fake(self) -> Context:
        return self.open("fake", places=self.places)

    def refusal(self, language: str, folder: str | None = None) -> tuple[str, str]:
        context = Context(language, self.folder if folder is None else folder, places=self.places)
        self.addCleanup(context.close)
        self.assertEqual(context.first["type"], "refused")
        self.assertEqual(context.process.wait(30), 0)
        return str(context.first["reason"]), str(context.first["message"])

    def assert_works(self, context: Context) -> None:
        self.assertEqual(text_of(context.run("echo still here")), "still here")

    def test_refusals_say_why(self) -> None:
        self.assertEqual(self.refusal("cobol")[0], "language")
        reason, message = self.refusal("fails")
        self.assertEqual(reason, "start")
        self.assertIn("exit status 1", message)
        self.assertIn("this kernel cannot start", message)
        self.assertEqual(self.refusal("missing")[0], "start")

    def test_a_kernel_that_never_answers_is_ended_with_the_channel(self) -> None:
        # The folder of the context is told to the kernel, so that it can be found.
        context = Context.__new__(Context)
        context.start("never", self.folder, {}, self.places)
        self.addCleanup(context.close)
        kernel = context.wait_for_child()
        self.assertEqual(context.close(), 0)
        self.assert_gone(kernel)

    def test_huge_messages_are_cut_up_or_replaced(self) -> None:
        context = self.open_fake()
        received = context.run("huge")
        printed = [frame["text"] for frame in received if frame["type"] == "output"]
        self.assertEqual("".join(printed), "x" * (3 << 20))
        self.assertLessEqual(max(len(text.encode()) for text in printed), 256 << 10)
        (shown,) = [frame for frame in received if frame["type"] == "display"]
        self.assertIn("too large", shown["data"]["text/plain"])
        self.assert_works(context)

    def test_a_message_beyond_all_limits_is_none(self) -> None:
        context = self.open_fake()
        self.assertEqual(text_of(context.run("beyond")), "")
        self.assert_works(context)

    def test_deep_json_is_no_message_and_no_display(self) -> None:
        context = self.open_fake()
        received = context.run("deep")
        self.assertEqual(text_of(received), "kept")
        (shown,) = [frame for frame in received if frame["type"] == "display"]
        self.assertEqual(list(shown["data"]), ["text/plain"])
        self.assert_works(context)

    def test_wrong_types_are_no_messages(self) -> None:
        context = self.open_fake()
        received = context.run("types")
        self.assertEqual(text_of(received), "\ufffd kept")
        (shown,) = [frame for frame in received if frame["type"] == "display"]
        self.assertEqual(shown["data"], {"image/png": "ab"})
        self.assertEqual(errors_of(received), [("['x']", "{'a': 1}")])
        self.assert_works(context)

    def test_values_are_json(self) -> None:
        (shown,) = [frame for frame in self.open_fake().run("numbers") if frame["type"] == "display"]
        self.assertEqual(shown["data"]["application/json"], [None, None, None, None, 1.5, "\ufffd", None])

    def test_forged_messages_end_nothing(self) -> None:
        context = self.open_fake()
        received = context.run("forged")
        self.assertEqual([frame["type"] for frame in received], ["started", "output", "done"])
        self.assertEqual(text_of(received), "true")

    def test_what_comes_after_the_end_comes_with_the_next_execution(self) -> None:
        context = self.open_fake()
        self.assertEqual(text_of(context.run("idle_first")), "")
        self.assertEqual(text_of(context.run("echo next")), "latenext")

    def test_an_execution_ends_without_idle(self) -> None:
        context = self.open_fake()
        self.assertEqual(text_of(context.run("no_idle")), "said")
        self.assert_works(context)

    def test_an_execution_ends_without_reply(self) -> None:
        context = self.open_fake()
        received = context.run("no_reply")
        self.assertEqual(errors_of(received)[0][0], "NoReply")
        self.assert_works(context)

    def test_a_dead_kernel_is_told(self) -> None:
        for code, how in (("die 7", "exit status 7"), ("kill", "SIGKILL")):
            context = self.open_fake()
            received = context.run(code)
            (error,) = errors_of(received)
            self.assertEqual(error[0], "KernelDied")
            self.assertIn(how, error[1])
            self.assertIs(received[-1]["ends"], True)
            if code != "kill":
                self.assertTrue(text_of(received).startswith("last words"))
                self.assertIn("complaint", error[1])
            with self.assertRaises(EOFError):
                context.receive()
            self.assertEqual(context.process.wait(30), 1)

    def test_a_kernel_that_dies_between_executions_ends_the_context(self) -> None:
        context = self.open_fake()
        context.run("die_after")
        with self.assertRaises(EOFError):
            context.receive()
        self.assertEqual(context.process.wait(30), 1)

    def test_an_interrupt_reaches_the_kernel_and_not_the_bridge(self) -> None:
        context = self.open_fake()
        for _ in range(3):
            context.interrupt()
        self.assert_works(context)
        identity = context.send("interruptible")
        received = context.wait_for_text("waiting")
        context.interrupt()
        received += context.rest()
        self.assertEqual(text_of(received), "waitinginterrupted")
        self.assertEqual(errors_of(received)[0][0], "KeyboardInterrupt")
        self.assertEqual(received[-1]["id"], identity)
        self.assert_works(context)

    def test_a_closed_channel_ends_a_kernel_that_does_not_end(self) -> None:
        for code in ("no_end", "flood"):
            context = self.open_fake()
            context.send(code)
            context.wait_for_text("said" if code == "no_end" else "flood")
            kernel = context.wait_for_child()
            self.assertEqual(context.close(), 0)
            self.assert_gone(kernel)

    def test_a_killed_bridge_leaves_no_kernel(self) -> None:
        context = self.open_fake()
        kernel = context.wait_for_child()
        context.process.kill()
        self.assert_gone(kernel)
        context.process.wait(30)

    def test_a_kernel_that_wants_to_end_ends_the_context(self) -> None:
        context = self.open_fake()
        received = context.run("quit")
        self.assertEqual([frame["type"] for frame in received], ["started", "done"])
        self.assertIs(received[-1]["ends"], True)
        self.assertEqual(context.process.wait(30), 0)

    def test_input_is_refused(self) -> None:
        context = self.open_fake()
        self.assertEqual(text_of(context.run("ask")), "[input was asked for; there is none]\nanswered")

    def test_what_is_not_in_the_contract_is_dropped(self) -> None:
        context = self.open_fake()
        self.assertEqual([frame["type"] for frame in context.run("dropped")], ["started", "done"])

    def test_variables_are_refused_where_there_is_no_way(self) -> None:
        context = self.open_fake()
        received = context.run("echo never", {"A": "1"})
        self.assertEqual(text_of(received), "")
        self.assertEqual(errors_of(received)[0][0], "EnvironmentNotSupported")
        self.assert_works(context)

    def test_empty_code_does_not_count(self) -> None:
        context = self.open_fake()
        counts = [context.run(code)[0]["execution_count"] for code in (" \n", "echo 1", "", "echo 2")]
        self.assertEqual(counts, [0, 1, 1, 2])

    def test_the_key_lies_in_no_file_that_has_a_name(self) -> None:
        before = set(os.listdir("/tmp"))
        context = self.open_fake()
        kernel = context.wait_for_child()
        with open(f"/proc/{kernel}/cmdline", "rb") as file:
            connection_file = file.read().split(b"\0")[3].decode()
        self.assertRegex(connection_file, r"^/proc/self/fd/\d+$")
        made = {name for name in set(os.listdir("/tmp")) - before if "jupyter" in name or "kernel" in name}
        self.assertEqual(made, set())


class OldSystemTest(HostileKernelTest):
    """The same where the system has neither files that begin without a name nor descriptors of processes."""

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.object(Context, "on_old_system", True)
        patch.start()
        self.addCleanup(patch.stop)

    def test_variables_for_one_execution(self) -> None:
        if not kernel_is_installed("bash"):
            self.skipTest("there is no kernel of bash")
        context = self.open("bash")
        self.assertEqual(context.text("echo $WORD", {"WORD": "there"}), "there\n")
        self.assertEqual(context.text("echo $WORD"), "\n")


if __name__ == "__main__":
    unittest.main()
