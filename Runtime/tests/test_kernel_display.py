"""Displays: which formats they have, and that they are valid JSON of a bounded length."""

from __future__ import annotations

import importlib.util
import json
import time
import unittest
from typing import Any

import harness
import kernel_harness

import display

HAS_STACK = all(importlib.util.find_spec(name) for name in ("pandas", "matplotlib", "PIL", "e2b_charts"))


@unittest.skipUnless(HAS_STACK, "needs the libraries")
class Formats(kernel_harness.KernelTestCase):
    """Tables, charts, JSON and pictures."""

    imports = kernel_harness.IMPORTS

    def setUp(self) -> None:
        """Open a context."""
        super().setUp()
        self.context = self.open()

    def result(self, code: str) -> dict[str, Any]:
        """The data of the only main result of `code`."""
        (data,) = self.context.execute(code).displays(True)
        return data

    def test_tables(self) -> None:
        """Lists of what JSON has; moments in ISO 8601, what is missing is null. As a result and displayed."""
        code = """
import datetime, decimal
import pandas as pd, numpy as np
frame = pd.DataFrame({
    'number': [1, 2], 'share': [0.5, float('nan')], 'infinite': [float('inf'), 1], 'text': ['a', None],
    'moment': [pd.Timestamp('2024-02-29 12:30'), pd.NaT], 'zone': pd.to_datetime(['2024-01-01', None], utc=True),
    'span': [pd.Timedelta(hours=1), pd.NaT], 'kind': pd.Categorical(['x', 'y']), 'whole': pd.array([1, None], 'Int64'),
    'day': [datetime.date(2024, 1, 1), None], 'exact': [decimal.Decimal('1.10'), None], 'array': [np.arange(2), []],
    'huge': [2 ** 100, 1], 5: [True, False], ('a', 'b'): [b'x', {1: {2}}],
})
"""
        expected = {
            "number": [1, 2],
            "share": [0.5, None],
            "infinite": [None, 1.0],
            "text": ["a", None],
            "moment": ["2024-02-29T12:30:00", None],
            "zone": ["2024-01-01T00:00:00+00:00", None],
            "span": ["P0DT1H0M0S", None],
            "kind": ["x", "y"],
            "whole": [1, None],
            "day": ["2024-01-01", None],
            "exact": ["1.10", None],
            "array": [[0, 1], []],
            "huge": [str(2**100), 1],
            "5": [True, False],
            "('a', 'b')": ["eA==", {"1": [2]}],
        }
        data = self.result(code + "frame")
        self.assertEqual(data["e2b/data"], expected)
        self.assertIn("<table", data["text/html"])
        (data,) = self.context.execute(code + "display(frame)").displays(False)
        self.assertEqual(data["e2b/data"], expected)

    def test_odd_tables(self) -> None:
        """Equal names, no rows, subclasses; a series is no table; one that is too large has only text and HTML."""
        made = "import pandas as pd\n"
        self.assertEqual(self.result(made + "pd.DataFrame([[1, 2]], columns=['a', 'a'])")["e2b/data"], {"a": [2]})
        self.assertEqual(self.result(made + "pd.DataFrame()")["e2b/data"], {})
        self.assertNotIn("e2b/data", self.result(made + "pd.Series([1])"))
        subclass = made + "class Mine(pd.DataFrame): pass\nMine({'a': [1]})"
        self.assertEqual(self.result(subclass)["e2b/data"], {"a": [1]})
        large = self.result(made + "pd.DataFrame({'a': range(1_000_001)})")
        self.assertEqual(sorted(large), ["text/html", "text/plain"])
        long = self.result(made + "pd.DataFrame({'a': ['x' * 1000] * 40_000})")
        self.assertEqual(sorted(long), ["text/html", "text/plain"])

    def test_charts(self) -> None:
        """At the end of the cell, by plt.show, and as a value; a figure that shows nothing has none."""
        context = self.context
        draws = {
            "plt.plot([1, 2])": "line",
            "plt.bar(['a'], [1])": "bar",
            "plt.scatter([1], [2])": "scatter",
            "plt.pie([1, 2])": "pie",
            "plt.subplots(1, 2)[1][0].plot([1])": "superchart",
            "plt.imshow([[1, 2]])": "unknown",
        }
        context.execute("import matplotlib.pyplot as plt")
        for draw, kind in draws.items():
            for end in (";", ";\nplt.show()", "\nfigure = plt.gcf()\nplt.close()\ndisplay(figure)"):
                with self.subTest(draw, end=end):
                    (data,) = context.execute(draw + end).displays(False)
                    self.assertEqual(data["e2b/chart"]["type"], kind)
                    self.assertTrue(data["image/png"].startswith("iVBOR"))
        self.assertNotIn("e2b/chart", context.execute("plt.figure();").displays(False)[0])
        context.execute("%config InlineBackend.figure_formats = ['svg']")
        (data,) = context.execute("plt.plot([1, 2]);").displays(False)
        self.assertEqual((data["e2b/chart"]["type"], "image/png" in data), ("line", False))
        self.assertTrue(data["image/svg+xml"].startswith("<?xml"))

    def test_json(self) -> None:
        """For dicts and lists that are results, and are JSON."""
        for code, expected in (
            ("{'a': [1, None, True, 'x', 2.5]}", {"a": [1, None, True, "x", 2.5]}),
            ("[1, (2, 3)]", [1, [2, 3]]),
            ("{1: 2}", {"1": 2}),
            ("[float('nan'), float('inf')]", [None, None]),
            ("[2 ** 100]", [str(2**100)]),
            ("['\\ud800']", ["\N{REPLACEMENT CHARACTER}"]),
            ("[]", []),
        ):
            with self.subTest(code):
                self.assertEqual(self.result(code)["application/json"], expected)
        for code in ("[{1, 2}]", "[object()]", "(1, 2)", "'text'", "5", "a = []\na.append(a)\na", "{(1, 2): 3}"):
            with self.subTest(code):
                self.assertNotIn("application/json", self.result(code))
        self.assertEqual(list(self.context.execute("display([1])").displays(False)[0]), ["text/plain"])

    def test_pictures(self) -> None:
        """PIL's are shown as PNG."""
        self.assertTrue(self.result("import PIL.Image\nPIL.Image.new('RGB', (2, 2))")["image/png"].startswith("iVBOR"))


@unittest.skipUnless(HAS_STACK, "needs the libraries")
class Cold(kernel_harness.KernelTestCase):
    """The libraries, where the zygote has not imported them."""

    def test_figures_and_tables(self) -> None:
        """They are shown all the same."""
        context = self.open()
        loaded = "import sys\n[n for n in ('numpy', 'pandas', 'matplotlib') if n in sys.modules]"
        self.assertEqual(context.execute(loaded).value, "[]")
        (figure,) = context.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]);").displays(False)
        self.assertEqual((figure["image/png"][:5], figure["e2b/chart"]["type"]), ("iVBOR", "line"))
        table = context.execute("import pandas as pd\npd.DataFrame({'a': [1]})").displays(True)[0]
        self.assertEqual(table["e2b/data"], {"a": [1]})


class Ascii(unittest.TestCase):
    """The server takes nothing else."""

    def test_encoding(self) -> None:
        """Characters beyond ASCII are escaped, in values and in names; what is no character is U+FFFD."""
        self.assertEqual(display.encode("é€\x7f"), b'"\\u00e9\\u20ac\x7f"')
        self.assertEqual(display.encode({"ключ": ["😀", "\ud83d\ude00", "\ud800"]}).isascii(), True)
        self.assertEqual(json.loads(display.encode({"ключ": ["😀", "\ud83d\ude00"]})), {"ключ": ["😀", "😀"]})
        self.assertEqual(json.loads(display.encode("\ud800")), "\ufffd")
        self.assertTrue(display.encode_error("É", "é", ["ü"]).isascii())
        self.assertTrue(display.encode_display(True, {"text/plain": "é", "ü/x": {"é": "é"}}).isascii())


class Bounds(kernel_harness.KernelTestCase):
    """Frames are valid, and no longer than the server takes."""

    def test_too_large(self) -> None:
        """The reader is told; what programs read goes first."""
        context = self.open()
        limit = harness.frames.MAXIMUM_SENT_BY_CONTEXT
        (data,) = context.execute(f"display({{'text/plain': 'x' * {limit}, 'text/html': 'y'}}, raw=True)").displays(
            False
        )
        self.assertEqual(data, {"text/plain": "[This display is longer than 32 MiB and was left out.]"})
        (data,) = context.execute(f"display({{'text/plain': 'é' * {limit // 2}}}, raw=True)").displays(False)
        self.assertIn("left out", data["text/plain"])
        (data,) = context.execute(f"display({{'text/plain': 'x' * {limit // 2}}}, raw=True)").displays(False)
        self.assertEqual(len(data["text/plain"]), limit // 2)
        result = context.execute("[['x' * 100_000] * 200]").displays(True)[0]
        self.assertEqual(list(result), ["text/plain"])

    def test_errors_are_cut(self) -> None:
        """However long name, value and traceback are."""
        (error,) = (
            self.open().execute("class E(Exception): pass\nE.__name__ = 'n' * 10**6\nraise E('x' * 10**8)").errors
        )
        self.assertLess(len(json.dumps(error)), 8 << 20)

    def test_late_displays_are_bounded(self) -> None:
        """What a task displays between cells waits for the next, and the rest is counted."""
        context = self.open()
        context.execute("""
import asyncio
async def flood():
    await asyncio.sleep(0.01)
    for number in range(150): display(number)
    print('flooded')
task = asyncio.create_task(flood())
""")
        seen = kernel_harness.Execution()
        while seen.stdout != "flooded\n":
            context.read(seen, time.monotonic() + harness.DEADLINE)
        texts = [data["text/plain"] for data in context.execute("5").displays(False)]
        self.assertEqual(texts[:100], [str(number) for number in range(100)])
        self.assertEqual(texts[100:], ["[50 more displays between two cells were left out.]"])


if __name__ == "__main__":
    unittest.main()
