"""The bridge with the real kernels of bash, JavaScript and TypeScript."""

from __future__ import annotations

import json
import os
import unittest
from typing import ClassVar

from bridge_case import BridgeTest, Context, errors_of, kernel_is_installed, text_of

#: Everything that quoting could get wrong.
AWKWARD = 'it\'s "quoted" $HOME $(id) `id` \\ back\\nslash !! \n second line\t\u00e9\U0001f600 end'


class LanguageTest(BridgeTest):
    """What is the same in every language; subclasses say how."""

    language: ClassVar[str]
    hello: ClassVar[str]
    set_state: ClassVar[str]
    get_state: ClassVar[str]
    failing: ClassVar[str]
    folder_code: ClassVar[str]
    forever: ClassVar[str]
    variable: ClassVar[str]
    many_lines: ClassVar[str]

    def setUp(self) -> None:
        super().setUp()
        if not kernel_is_installed(self.language):
            self.skipTest(f"there is no kernel of {self.language}")

    def value_of(self, context: Context, name: str, environment: dict[str, str] | None = None) -> str:
        """What the program sees as the value of a variable, as JSON."""
        raise NotImplementedError

    def test_output_state_and_count(self) -> None:
        context = self.open(self.language)
        received = context.run(self.hello)
        self.assertEqual([frame["stream"] for frame in received if frame["type"] == "output"], ["stdout"])
        self.assertEqual(text_of(received), "hello\n")
        context.run(self.set_state)
        received = context.run(self.get_state)
        self.assertEqual(received[0]["execution_count"], 3)
        self.assertEqual(text_of(received).strip(), "41")

    def test_an_error_is_one_and_the_next_execution_works(self) -> None:
        context = self.open(self.language)
        self.assertEqual(len(errors_of(context.run(self.failing))), 1)
        self.assertEqual(context.text(self.hello), "hello\n")

    def test_the_folder_is_the_one_asked_for(self) -> None:
        self.assertIn(self.folder, self.open(self.language).text(self.folder_code))

    def test_nothing_is_left_in_the_folder(self) -> None:
        self.open(self.language).run(self.hello)
        self.assertEqual(sorted(os.listdir(self.folder)), [".home", ".tmp"])
        self.assertEqual(os.listdir(f"{self.folder}/.home"), [])

    def test_all_lines_arrive_in_order_before_the_end(self) -> None:
        context = self.open(self.language)
        # Below the thousand messages beyond which a Jupyter kernel throws away what was not fetched yet.
        for _ in range(3):
            lines = context.text(self.many_lines).split()
            self.assertEqual(lines, [str(number) for number in range(900)])

    def test_an_interrupt_ends_the_execution_and_keeps_the_state(self) -> None:
        context = self.open(self.language)
        context.run(self.set_state)
        context.send(self.forever)
        context.wait_for_text("running")
        context.interrupt()
        self.assertEqual(errors_of(context.rest())[-1][0], "KeyboardInterrupt")
        # Outside of an execution it is nothing.
        context.interrupt()
        self.assertEqual(context.text(self.get_state).strip(), "41")

    def test_variables_hold_for_one_execution_exactly(self) -> None:
        context = self.open(self.language, {"KEPT": "before"})
        wanted = {"KEPT": AWKWARD, "MADE": "made", "EMPTY": ""}
        for name, value in wanted.items():
            self.assertEqual(json.loads(self.value_of(context, name, wanted)), value)
        self.assertEqual(json.loads(self.value_of(context, "KEPT")), "before")
        self.assertIsNone(json.loads(self.value_of(context, "MADE")))
        self.assertIsNone(json.loads(self.value_of(context, "EMPTY")))
        self.assertEqual(context.run(self.hello)[0]["execution_count"], 7)

    def test_variables_are_put_back_after_an_error(self) -> None:
        context = self.open(self.language)
        self.assertEqual(len(errors_of(context.run(self.failing, {"MADE": "made"}))), 1)
        self.assertIsNone(json.loads(self.value_of(context, "MADE")))

    def test_closing_the_channel_ends_all_processes(self) -> None:
        context = self.open(self.language)
        kernel = context.wait_for_child()
        context.send(self.forever)
        context.wait_for_text("running")
        self.assertEqual(context.close(), 0)
        self.assert_gone(kernel)


class BashTest(LanguageTest):
    """bash, by bash_kernel."""

    language = "bash"
    hello = "echo hello"
    set_state = "state=41"
    get_state = "echo $state"
    failing = "no-such-command"
    folder_code = "pwd"
    forever = "echo running; while :; do :; done"
    many_lines = "for ((i = 0; i < 900; i++)); do echo $i; done"

    def value_of(self, context: Context, name: str, environment: dict[str, str] | None = None) -> str:
        program = f"import json, os; print(json.dumps(os.environ.get({name!r})))"
        return context.text(f'python3 -c "{program}"', environment)

    def test_aliases(self) -> None:
        self.assertEqual(self.open("sh").text("echo ${0##*/}"), "bash\n")

    def test_incomplete_code_is_an_error(self) -> None:
        context = self.open("bash")
        (error,) = errors_of(context.run("if true; then"))
        self.assertIn("incomplete", error[1])
        self.assertEqual(context.text("echo on"), "on\n")

    def test_what_was_there_before_comes_back_with_its_attributes(self) -> None:
        context = self.open("bash")
        context.run("declare -a LIST=(1 '2 3'); declare -i NUMBER=4; PLAIN=x; export SEEN=y; set -eu")
        context.run("true", {"LIST": "a", "NUMBER": "5", "PLAIN": "b", "SEEN": "c", "FRESH": "d"})
        expected = (
            'declare -a LIST=([0]="1" [1]="2 3")\ndeclare -i NUMBER="4"\ndeclare -- PLAIN="x"\ndeclare -x SEEN="y"\n'
        )
        self.assertEqual(context.text("declare -p LIST NUMBER PLAIN SEEN"), expected)
        self.assertEqual(context.text("echo ${FRESH-unset}"), "unset\n")

    def test_variables_leave_no_trace_in_the_history(self) -> None:
        context = self.open("bash")
        context.run("echo one")
        context.run("echo two", {"SECRET": "secret-value"})
        history = context.text("history")
        self.assertIn("echo two", history)
        self.assertNotIn("/proc/", history)
        self.assertNotIn("secret-value", history)

    def test_names_that_bash_cannot_have_are_refused(self) -> None:
        context = self.open("bash")
        for name in ("A.B", "a b", "x;id", "1"):
            (error,) = errors_of(context.run("echo ran", {name: "1"}))
            self.assertEqual(error[0], "EnvironmentError")
        self.assertEqual(context.text("echo ran", {"PS1": "> ", "PROMPT_COMMAND": "id", "A": "1"}), "ran\n")

    def test_the_end_of_the_shell_is_not_the_end_of_the_context(self) -> None:
        context = self.open("bash")
        context.run("exit 3")
        self.assertEqual(context.text("echo on"), "on\n")


class JavaScriptTest(LanguageTest):
    """JavaScript, by Deno."""

    language = "javascript"
    hello = 'console.log("hello")'
    set_state = "let state = 41; null"
    get_state = "console.log(state)"
    failing = 'throw new TypeError("boo")'
    folder_code = "console.log(Deno.cwd())"
    forever = 'console.log("running"); while (true) {}'
    many_lines = "for (let i = 0; i < 900; i++) console.log(i)"

    def value_of(self, context: Context, name: str, environment: dict[str, str] | None = None) -> str:
        return context.text(f"console.log(JSON.stringify(Deno.env.get({name!r}) ?? null))", environment)

    def test_aliases(self) -> None:
        for alias in ("js", " JavaScript "):
            context = self.open(alias)
            (shown,) = [frame for frame in context.run("6 * 7") if frame["type"] == "display"]
            self.assertEqual((shown["main"], shown["data"]), (True, {"text/plain": "42"}))
            context.close()

    def test_displays(self) -> None:
        code = 'await Deno.jupyter.display({ "text/html": "<b>x</b>", "application/json": { a: [1] } }, { raw: true })'
        (shown,) = [frame for frame in self.open("javascript").run(code) if frame["type"] == "display"]
        self.assertFalse(shown["main"])
        self.assertEqual(shown["data"], {"text/html": "<b>x</b>", "application/json": {"a": [1]}})

    def test_errors_say_what_and_where(self) -> None:
        context = self.open("javascript")
        received = context.run('throw new TypeError("boo")')
        self.assertEqual(errors_of(received), [("TypeError", "boo")])
        received = context.run("let a = 1;\nsyntax error here")
        (error,) = [frame for frame in received if frame["type"] == "error"]
        self.assertEqual(error["name"], "SyntaxError")
        self.assertIn("line 2", error["traceback"])

    def test_output_after_the_end_comes_with_the_next_execution(self) -> None:
        context = self.open("javascript")
        context.run('setTimeout(() => console.log("late"), 50); null')
        received = context.run("await new Promise((done) => setTimeout(done, 300)); console.log(2)")
        self.assertEqual(text_of(received).split(), ["late", "2"])

    def test_exit_ends_the_context_with_its_status(self) -> None:
        context = self.open("javascript")
        received = context.run("Deno.exit(3)")
        (error,) = errors_of(received)
        self.assertEqual(error[0], "KernelDied")
        self.assertIn("exit status 3", error[1])
        self.assertIs(received[-1]["ends"], True)
        self.assertEqual(context.process.wait(30), 1)

    def test_a_broken_display_interface_does_not_keep_executions_from_ending(self) -> None:
        context = self.open("javascript")
        context.run("Deno.jupyter.broadcast = () => { throw 1 }; JSON.parse = null; null")
        self.assertEqual(context.text(self.hello), "hello\n")


class TypeScriptTest(JavaScriptTest):
    """TypeScript, by Deno."""

    language = "typescript"
    set_state = "let state: number = 41; null"

    def test_aliases(self) -> None:
        code = (
            "enum Answer { Yes = 42 }\nfunction f<T>(value: T): T { return value }\nconsole.log(f<number>(Answer.Yes))"
        )
        self.assertEqual(self.open("ts").text(code), "42\n")


class RTest(LanguageTest):
    """R, by IRkernel."""

    language = "r"
    hello = 'cat("hello\\n")'
    set_state = "state <- 41"
    get_state = "cat(state)"
    failing = 'stop("boo")'
    folder_code = "cat(getwd())"
    forever = 'cat("running\\n"); flush.console(); while (TRUE) {}'
    many_lines = 'for (i in 0:899) cat(i, "\\n")'

    def value_of(self, context: Context, name: str, environment: dict[str, str] | None = None) -> str:
        code = (
            f'value <- Sys.getenv("{name}", unset = NA); cat(jsonlite::toJSON(value, auto_unbox = TRUE, na = "null"))'
        )
        return context.text(code, environment)

    def test_quit_ends_the_context(self) -> None:
        context = self.open("r")
        self.assertIs(context.run("quit()")[-1]["ends"], True)
        self.assertEqual(context.process.wait(30), 0)


class SpecTest(unittest.TestCase):
    """Which kernelspec is taken."""

    def test_the_specs_of_this_project_can_be_read(self) -> None:
        import jupyter_kernel

        folder = os.path.join(os.path.dirname(os.path.abspath(jupyter_kernel.__file__)), "kernels")
        found = {spec.name: spec for spec in jupyter_kernel._specs(folder)}
        self.assertEqual(set(found), {"bash", "javascript", "r", "typescript"})
        self.assertEqual(found["javascript"].interrupt_mode, "message")
        self.assertTrue(found["bash"].is_encrypted and found["javascript"].is_tcp)


# It is no test by itself.
del LanguageTest


if __name__ == "__main__":
    unittest.main()
