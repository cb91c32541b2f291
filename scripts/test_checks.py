"""The checks find what they are there for."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from checks import forbidden, imports, lengths, links
from checks.sources import blanked


class Blanking(unittest.TestCase):
    def test_comments_and_strings_disappear_and_offsets_stay(self) -> None:
        text = 'a("}") // {\nb /* { */ c'
        self.assertEqual(blanked(text, swift=True), 'a(" ")     \nb         c')

    def test_code_in_an_interpolation_stays(self) -> None:
        text = r'"x\(f("{") + y)z" {'
        code = blanked(text, swift=True)
        self.assertEqual(len(code), len(text))
        self.assertIn("+ y", code)
        self.assertEqual(code.count("{"), 1)

    def test_raw_and_multiline_strings(self) -> None:
        text = '#"a " {"# b """\n{ " {\n""" c'
        code = blanked(text, swift=True)
        self.assertNotIn("{", code)
        self.assertIn("b", code)
        self.assertTrue(code.endswith("c"))


class Lengths(unittest.TestCase):
    def test_a_swift_function_is_measured_to_its_own_bracket(self) -> None:
        head = "struct A {\n    func f(\n        x: Int\n    ) -> Int {\n"
        text = head + "        if x > 0 { g() }\n        return 2\n    }\n}\n"
        self.assertEqual(list(lengths.functions("a.swift", text)), [(2, 6)])

    def test_a_requirement_without_a_body_is_no_function(self) -> None:
        text = "protocol P {\n    func f() async throws\n    var x: Int { get }\n}\nfunc g() {\n}\n"
        self.assertEqual(list(lengths.functions("a.swift", text)), [(3, 1), (5, 2)])

    def test_c_functions_but_not_structures(self) -> None:
        text = "struct s {\n  int a;\n};\n\nstatic int f(int a)\n{\n  return a;\n}\n"
        self.assertEqual(list(lengths.functions("a.c", text)), [(5, 4)])


class Forbidden(unittest.TestCase):
    def test_calls_are_found_in_code_only(self) -> None:
        self.assertEqual(len(forbidden.in_text("Sources/Execution/a.swift", "let a = try! f()\nprint(1)\n")), 2)
        self.assertEqual(forbidden.in_text("Sources/Execution/a.swift", '// try! is bad\nlet a = "print(1)"\n'), [])
        self.assertEqual(forbidden.in_text("Sources/code-interpreter/a.swift", "print(1)\n"), [])

    def test_waiting_for_anybody_is_for_init_only(self) -> None:
        code = "int f(void) { return waitpid(-1, 0, 0); }\n"
        self.assertEqual(len(forbidden.in_text("Sources/sandbox-launcher/main.c", code)), 1)
        self.assertEqual(forbidden.in_text("Sources/sandbox-launcher/init.c", code), [])

    def test_unfinished_work_is_found_in_comments(self) -> None:
        self.assertEqual(len(forbidden.in_text("a.c", "// TO" + "DO later\n")), 1)

    def test_unsafe_promises_need_a_reason(self) -> None:
        bare = "final class A: @unchecked Sendable {}\n"
        self.assertEqual(len(forbidden.in_text("Sources/Execution/a.swift", bare)), 1)
        self.assertEqual(forbidden.in_text("Sources/Execution/a.swift", "// Safety: never changed.\n" + bare), [])


class Imports(unittest.TestCase):
    def test_only_the_allowed_direction_passes(self) -> None:
        self.assertEqual(imports.in_text("Sources/HTTPAPI/a.swift", "package import Execution\n"), [])
        self.assertEqual(len(imports.in_text("Sources/HTTPAPI/a.swift", "import NativeSandbox\n")), 1)
        self.assertEqual(len(imports.in_text("Sources/Execution/a.swift", "@preconcurrency import Glibc\n")), 1)
        self.assertEqual(len(imports.in_text("Sources/NativeSandbox/a.swift", "import struct Foundation.URL\n")), 1)


class Links(unittest.TestCase):
    def test_anchors_are_made_as_readers_of_markdown_make_them(self) -> None:
        self.assertEqual(links.anchors("# One, two\n```\n# no\n```\n## `run` it\n"), {"one-two", "run-it"})

    def test_a_missing_file_or_heading_is_broken(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "b.md").write_text("# There\n")
            self.assertTrue(links._leads_somewhere(root, "a.md", "b.md#there"))
            self.assertFalse(links._leads_somewhere(root, "a.md", "b.md#elsewhere"))
            self.assertFalse(links._leads_somewhere(root, "a.md", "c.md"))


if __name__ == "__main__":
    unittest.main()
