"""Programs whose last expression is shown: statement by statement, frames named ``<stdin>``."""

from __future__ import annotations

import os
import signal
import sys
import unittest
from typing import Any

import harness


class Interactive(harness.RuntimeTestCase):
    """One rule a test."""

    maxDiff = None

    def shows(self, code: str, stdout: str, stderr: str = "", exit_code: int = 0, **more: Any) -> None:
        """Run `code` and compare."""
        self.assert_ran(code, stdout, stderr, exit_code, interactive=True, **more)

    def fails(self, code: str, stdout: str, *pieces: str) -> None:
        """Run `code`, which must end with exit code 1 and mention `pieces` on standard error."""
        result = self.run_program(code, interactive=True)
        self.assertEqual((result.stdout, result.exit_code), (stdout, 1), result)
        for piece in pieces:
            self.assertIn(piece, result.stderr)
        self.assertNotIn("script.py", result.stderr)

    def test_last_expression_is_shown(self) -> None:
        """Its repr follows what was printed."""
        self.shows("print('a')\nx = 2\nx + 1", "a\n3\n")
        self.shows("'text'", "'text'\n")
        self.shows("1; 2; 3", "3\n")
        self.shows("1\n2\n3  # three\n\n", "3\n")

    def test_only_the_last_expression_is_shown(self) -> None:
        """Neither earlier ones nor those inside other statements."""
        self.shows("1\n2\nx = 3", "")
        self.shows("for i in range(2):\n    i", "")
        self.shows("if True:\n    5", "")

    def test_none_is_not_shown(self) -> None:
        """As at the prompt."""
        self.shows("print('a')", "a\n")
        self.shows("None", "")

    def test_programs_without_statements(self) -> None:
        """They end well."""
        for code in ("", "\n", "# comment", "   ", "pass"):
            with self.subTest(code):
                self.shows(code, "")

    def test_display_hook(self) -> None:
        """A replaced hook is honoured, and the value is `_` afterwards."""
        self.shows("import sys\nsys.displayhook = lambda v: print('shown', v)\n5", "shown 5\n")
        self.shows("import atexit, builtins\natexit.register(lambda: print(builtins._))\n7", "7\n7\n")

    def test_statements_before_a_wrong_one_run(self) -> None:
        """What only the compiler refuses is refused when its turn comes."""
        for last in ("return 5", "break", "yield 1", "await x", "nonlocal y", "def f(a, a): pass", "x = 1; return 2"):
            with self.subTest(last):
                self.fails(f"print(1)\n{last}", "1\n", 'File "<stdin>", line 2', last, "SyntaxError")
                self.fails(f"print(1)\n{last}\nprint(2)", "1\n", 'File "<stdin>", line 2', last, "SyntaxError")

    def test_syntax_error_runs_nothing(self) -> None:
        """A program that cannot be parsed does not begin."""
        self.fails("print(1)\nx = = 2", "", 'File "<stdin>", line 2', "    x = = 2\n", "SyntaxError: invalid syntax")

    def test_future_import_holds_for_all(self) -> None:
        """Also for the last expression, and for statements on their own."""
        code = "'doc'\nfrom __future__ import annotations\ndef f(x: nowhere): pass\n"
        self.shows(code + "f.__annotations__", "{'x': 'nowhere'}\n")
        self.shows(code + "(lambda: 0).__code__.co_flags & 0x1000000 > 0", "True\n")
        self.fails(code + "print(f.__annotations__, __doc__)\nreturn", "{'x': 'nowhere'} doc\n", "SyntaxError")

    def test_late_future_import_is_an_error(self) -> None:
        """It must stand at the beginning, however the program is compiled."""
        self.fails("print(1)\nfrom __future__ import annotations", "1\n", "at the beginning of the file")
        self.fails("'a'\n'b'\nfrom __future__ import annotations\n1", "", "at the beginning of the file")

    def test_docstring(self) -> None:
        """The first text is the docstring, no other one is."""
        self.shows("'''first'''\n'second'\n__doc__", "'first'\n")
        self.fails("x = 1\n'second'\nprint(__doc__)\nreturn", "None\n", "SyntaxError")

    def test_names_cannot_break_the_last_line(self) -> None:
        """User variables are only user variables."""
        names = (
            "tree",
            "ast",
            "compile",
            "exec",
            "print",
            "repr",
            "sys",
            "code",
            "last",
            "namespace",
            "source",
            "_",
            "__builtins__",
        )
        for name in names:
            with self.subTest(name):
                self.shows(f"{name} = 5\n1 + 1", "2\n")
        self.shows(
            "import builtins\nfor n in ('compile', 'exec', 'repr', 'len', 'type'): delattr(builtins, n)\n3", "3\n"
        )

    def test_globals(self) -> None:
        """They are those of a script."""
        expected = "['__annotations__', '__builtins__', '__cached__', '__doc__', '__file__', '__loader__', '__name__'"
        self.shows("sorted(globals())", f"{expected}, '__package__', '__spec__']\n")

    def test_traceback(self) -> None:
        """Frames are named <stdin> and show their source, none is ours."""
        code = "def f(x):\n    return 1 / x\n\nf(0)\n5"
        carets = "           ~~^~~\n"
        call = "    ~^^^\n" if sys.version_info >= (3, 13) else ""
        self.shows(
            code,
            "",
            'Traceback (most recent call last):\n  File "<stdin>", line 4, in <module>\n    f(0)\n'
            f'{call}  File "<stdin>", line 2, in f\n    return 1 / x\n{carets}ZeroDivisionError: division by zero\n',
            1,
        )

    def test_suggestions(self) -> None:
        """They are kept, in chained exceptions too."""
        self.fails("number = 1\nnunber", "", "    nunber\n", "Did you mean: 'number'?")
        code = "number = 1\ntry:\n    nunber\nexcept NameError:\n    1 / 0\n"
        self.fails(code, "", "Did you mean: 'number'?", "During handling", "ZeroDivisionError")

    def test_groups_notes_and_causes(self) -> None:
        """All that an exception carries is shown."""
        code = "e = ExceptionGroup('g', [ValueError(1)])\ne.add_note('a note')\nraise e from KeyError('k')"
        self.fails(
            code, "", "ExceptionGroup: g (1 sub-exception)", "ValueError: 1", "a note", "KeyError: 'k'", "direct cause"
        )

    def test_recursion(self) -> None:
        """A traceback of a thousand frames is folded."""
        self.fails("def f(): f()\nf()", "", "more times]", "RecursionError")

    def test_repr_that_raises(self) -> None:
        """Is an error of the program."""
        self.fails(
            "class C:\n    def __repr__(self): raise ValueError('no')\nC()", "", "line 2, in __repr__", "ValueError: no"
        )

    def test_source_is_found(self) -> None:
        """By traceback, warnings and inspect, though there is no file of that name."""
        self.shows("import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))", "def f():\n    return 1\n\n")
        self.shows("import inspect\nclass C:\n    x = 1\nprint(inspect.getsource(C))", "class C:\n    x = 1\n\n")
        result = self.run_program(
            "import traceback\ntry:\n    1 / 0\nexcept Exception: traceback.print_exc()", interactive=True
        )
        self.assertIn("    1 / 0\n", result.stderr)

    def test_exit_codes(self) -> None:
        """They are those of a script."""
        for code, number in (
            ("raise SystemExit(3)", 3),
            ("import sys\nsys.exit(256)", 0),
            ("exit(-1)", 255),
            ("exit()", 0),
        ):
            with self.subTest(code):
                self.shows(code, "", "", number)
        self.shows("print(1)\nraise SystemExit('bye')", "1\n", "bye\n", 1)

    def test_keyboard_interrupt(self) -> None:
        """Exit code 130, with a traceback, in both modes."""
        for interactive in (True, False):
            result = self.run_program("raise KeyboardInterrupt", interactive=interactive)
            self.assertEqual(result.exit_code, 130)
            self.assertTrue(result.stderr.endswith("KeyboardInterrupt\n"), result)

    def test_interrupt_signal(self) -> None:
        """SIGINT raises KeyboardInterrupt where the program is."""
        result = self.run_program(
            "try:\n    print('here')\n    while True: pass\nexcept KeyboardInterrupt: print('caught')",
            interactive=True,
            while_running=lambda process, output: (
                os.kill(process, signal.SIGINT) if output["stdout"] == b"here\n" else None
            ),
        )
        self.assertEqual((result.stdout, result.exit_code), ("here\ncaught\n", 0))

    def test_null_byte(self) -> None:
        """Is a syntax error in both modes."""
        for interactive in (True, False):
            result = self.run_program("print(1)\nx = '\0'", interactive=interactive)
            self.assertEqual((result.stdout, result.exit_code), ("", 1))
            self.assertIn("SyntaxError: source code", result.stderr)

    def test_lone_surrogate_in_the_text(self) -> None:
        """Is an error of the program in both modes."""
        for interactive in (True, False):
            result = self.run_program("x = '\ud800'", interactive=interactive)
            self.assertEqual((result.stdout, result.exit_code), ("", 1))
            self.assertIn("surrogates not allowed", result.stderr)
            self.assertNotIn("script.py", result.stderr)

    def test_deep_and_long_programs(self) -> None:
        """As deep as the interpreter itself can go, and thousands of statements."""
        # Python 3.12 has a lower limit for syntax trees than for text, and it is fixed.
        depth = 500 if sys.version_info[:2] == (3, 12) else 2000
        self.shows("a = 1\n" + "+".join(["a"] * depth), f"{depth}\n")
        self.shows("".join(f"a{i} = {i}\n" for i in range(5000)) + "a4999", "4999\n")

    def test_line_endings(self) -> None:
        """Carriage returns and form feeds count as in a file."""
        self.fails("x = 1\r\n\x0cprint(x)\r\n1 / 0\r\n", "1\n", "line 3, in <module>\n    1 / 0\n")

    def test_warnings_appear_once(self) -> None:
        """Also when the program is compiled in pieces."""
        result = self.run_program("x = 1\nx is 1", interactive=True)
        self.assertEqual((result.stdout, result.stderr.count("SyntaxWarning")), ("True\n", 1))

    def test_lone_surrogate_as_value(self) -> None:
        """The hook shows what can be shown."""
        self.shows("'\\ud800'", "'\\ud800'\n")

    def test_multiprocessing_by_spawn(self) -> None:
        """The new process finds the functions of the program in its file."""
        code = "import multiprocessing as m\ndef f(x): return x * 2\nif __name__ == '__main__':\n"
        self.shows(code + "    with m.get_context('spawn').Pool(2) as p: print(p.map(f, [1, 2]))", "[2, 4]\n")


if __name__ == "__main__":
    unittest.main()
