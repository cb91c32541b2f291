import Foundation
import TestSupport
import Testing

extension NotebookAPI {
    @Suite("Results of cells")
    struct Results {
        /// A cell and fields of its last result. A value nil says that the field must not be there.
        struct Case: CustomTestStringConvertible, Sendable {
            var code: String
            var fields: [String: JSON?]

            init(_ code: String, _ fields: [String: JSON?]) {
                self.code = code
                self.fields = fields
            }

            var testDescription: String { code }
        }

        private static func expect(_ test: Case, isMain: Bool = true) async throws {
            let cell = try await NotebookAPI.run(test.code)
            let result = try #require(cell.results.last, "\(cell)")
            #expect(result["is_main_result"]?.bool == isMain, "\(cell)")
            for (name, value) in test.fields { #expect(result[name] == value, "\(name): \(cell)") }
        }

        @Test(
            "the value of the last expression is text, one pair of quotes stripped",
            arguments: [
                Case("5", ["text": "5"]), Case("'abc'", ["text": "abc"]), Case("\"it's\"", ["text": "it's"]),
                Case("\"'a'\"", ["text": "'a'"]), Case("'\"a\"'", ["text": "\"a\""]), Case("''", ["text": ""]),
                Case("\"a'\" + '\"b'", ["text": "a\\'\"b"]), Case("b'x'", ["text": "b'x'"]),
                Case("'a\\nb'", ["text": "a\\nb"]), Case("1.0", ["text": "1.0", "html": nil, "png": nil, "data": nil]),
                Case("1,", ["text": "(1,)"]),
                Case("class A:\n    def __repr__(self): return \"'x\"\nA()", ["text": "'x"]),
                Case("class A:\n    def __repr__(self): return \"'\"\nA()", ["text": "'"]),
                Case("x = 3\nx", ["text": "3", "extra": [:]]),
            ]
        )
        func text(test: Case) async throws { try await Self.expect(test) }

        @Test(
            "a cell without a value has no result",
            arguments: ["None", "x = 1", "5;", "print(1)", "# 5", "def f(): pass"]
        )
        func noResult(code: String) async throws {
            let cell = try await NotebookAPI.run(code)
            #expect(cell.results.isEmpty, "\(cell)")
        }

        @Test(
            "rich forms have a field of their own",
            arguments: [
                Case("display(HTML('<b>x</b>'))", ["html": "<b>x</b>"]),
                Case("display(Markdown('*x*'))", ["markdown": "*x*"]),
                Case("display(Latex('$x$'))", ["latex": "$x$"]),
                Case("display(Math('x^2'))", ["latex": "$\\displaystyle x^2$"]),
                Case("display(Javascript('alert(1)'))", ["javascript": "alert(1)"]),
                Case("display({'application/pdf': 'JVBERi0='}, raw=True)", ["pdf": "JVBERi0="]),
                Case("display({'application/json': {'a': [1, None]}}, raw=True)", ["json": ["a": [1, nil]]]),
                Case(
                    "display({'application/x-own': 'v', 'text/plain': 't'}, raw=True)",
                    ["text": "t", "extra": ["application/x-own": "v"]]
                ),
                Case(
                    "display({'application/x-own+json': {'k': [1.5, {'b': False}]}}, raw=True)",
                    ["extra": ["application/x-own+json": ["k": [1.5, ["b": false]]]]]
                ),
            ]
        )
        func displayed(test: Case) async throws {
            let test = Case("from IPython.display import *\n" + test.code, test.fields)
            try await Self.expect(test, isMain: false)
        }

        @Test("a class may say what it looks like")
        func representations() async throws {
            let test = Case(
                """
                class Rich:
                    def __repr__(self): return "plain"
                    def _repr_html_(self): return "<i>r</i>"
                    def _repr_markdown_(self): return "_r_"
                    def _repr_latex_(self): return "$r$"
                    def _repr_svg_(self): return "<svg/>"
                    def _repr_json_(self): return {"r": 1}
                    def _repr_javascript_(self): return "r()"
                    def _repr_png_(self): return b"\\x89PNG"
                    def _repr_jpeg_(self): return b"\\xff\\xd8"
                Rich()
                """,
                [
                    "text": "plain", "html": "<i>r</i>", "markdown": "_r_", "latex": "$r$", "svg": "<svg/>",
                    "json": ["r": 1], "javascript": "r()", "png": "iVBORw==", "jpeg": "/9g=",
                ]
            )
            try await Self.expect(test)
        }

        @Test("images of PIL and files are pictures, a formula of sympy is LaTeX")
        func images() async throws {
            let cells = try await NotebookAPI.run([
                "from PIL import Image\nImage.new('RGB', (3, 2), 'red')",
                """
                import io
                from IPython.display import Image as Shown
                stream = io.BytesIO()
                Image.new('RGB', (3, 2)).save(stream, 'JPEG')
                Shown(stream.getvalue(), format='jpeg')
                """,
                "import sympy\nsympy.Symbol('x') ** 2 / 3",
            ])
            #expect(Self.bytes(cells[0].main?["png"], begin: [0x89, 0x50, 0x4E, 0x47]), "\(cells[0])")
            #expect(Self.bytes(cells[1].main?["jpeg"], begin: [0xFF, 0xD8]), "\(cells[1])")
            #expect(cells[2].main?["latex"]?.string?.contains("x^{2}") == true, "\(cells[2])")
        }

        private static func bytes(_ base64: JSON?, begin start: [UInt8]) -> Bool {
            let data = Data(base64Encoded: base64?.string ?? "", options: .ignoreUnknownCharacters) ?? Data()
            return data.starts(with: start)
        }

        @Test(
            "a dict or a list is JSON too",
            arguments: [
                Case("{'a': 1, 'b': [True, None, 'x']}", ["json": ["a": 1, "b": [true, nil, "x"]]]),
                Case("[1, 2.5, 'z']", ["json": [1, 2.5, "z"], "text": "[1, 2.5, 'z']"]), Case("[]", ["json": []]),
                Case("{}", ["json": [:]]), Case("{1, 2}", ["json": nil, "text": "{1, 2}"]),
                Case("5", ["json": nil]), Case("'{}'", ["json": nil]),
                Case("{'\u{20AC}': '\u{1F600}'}", ["json": ["\u{20AC}": "\u{1F600}"]]),
            ]
        )
        func json(test: Case) async throws {
            try await Self.expect(test)
        }

        @Test(
            "values that JSON cannot hold still give a valid line with their text",
            arguments: [
                "[float('nan'), float('inf')]", "{'x': float('-inf')}", "a = []\na.append(a)\na",
                "d = {}\nd['d'] = d\nd", "{(1, 2): object()}", "[b'x', {1}, 1j]", "[10 ** 400, -10 ** 30]",
                "a = []\nfor _ in range(100): a = [a]\na", "{None: 1, True: 2, 1.5: 3}", "['\\ud800']", "'\\ud800'",
                "{'\\x00': '\\x7f\\u2028'}", "{1: 'a', '1': 'b'}",
            ]
        )
        func oddValues(code: String) async throws {
            try await TestServer.current.withContext { context in
                let cell = try await context.run(code)
                #expect(cell.text != nil || cell.error != nil, "\(cell)")
                #expect(cell.ending == nil, "\(cell)")
                try await NotebookAPI.expectAnswering(context, fresh: false)
            }
        }

        @Test("a data frame is a table in HTML and its data as lists, times in ISO form")
        func dataFrame() async throws {
            let cell = try await NotebookAPI.run(
                """
                import pandas as pd
                pd.DataFrame({"n": [1, 2], "s": ["a", "b"], "f": [0.5, None],
                              "t": pd.to_datetime(["2024-01-02 00:00:00", "2024-01-03 04:05:06"])})
                """
            )
            let result = try #require(cell.main, "\(cell)")
            #expect(result["html"]?.string?.contains("<table") == true)
            #expect(result["text"]?.string?.contains("2024-01-03") == true)
            let data = try #require(result["data"], "\(cell)")
            #expect(data.keys == ["f", "n", "s", "t"])
            #expect(data["n"] == [1, 2])
            #expect(data["s"] == ["a", "b"])
            #expect(data["f"]?[0] == 0.5)
            #expect(data["t"]?[0]?.string?.hasPrefix("2024-01-02T00:00:00") == true, "\(data)")
            #expect(data["t"]?[1]?.string?.hasPrefix("2024-01-03T04:05:06") == true, "\(data)")
        }

        @Test("a figure is a picture and a chart, whether shown or left over, and is gone with its cell")
        func figures() async throws {
            let cells = try await NotebookAPI.run([
                """
                import matplotlib.pyplot as plt
                plt.plot([1, 2, 3], [4, 5, 6], label="up")
                plt.title("T"); plt.xlabel("X"); plt.ylabel("Y");
                """,
                "plt.bar(['a', 'b'], [1, 2])\nplt.show()\nprint('after')",
                "print(plt.get_fignums())",
                "fig, axes = plt.subplots(1, 2)\naxes[0].pie([1, 2])\naxes[1].scatter([1], [2]);",
                "f = plt.figure(); plt.plot([1]); plt.close(f)",
                "fig, ax = plt.subplots()\nax.plot([1, 2])\nplt.close(fig)\nfig",
            ])
            let line = try #require(cells[0].results.first, "\(cells[0])")
            #expect(cells[0].results.count == 1)
            #expect(Self.bytes(line["png"], begin: [0x89, 0x50, 0x4E, 0x47]))
            let chart = try #require(line["chart"], "\(cells[0])")
            #expect(chart["type"] == "line")
            #expect(chart["title"] == "T")
            #expect(chart["x_label"] == "X" && chart["y_label"] == "Y", "\(chart)")
            #expect(chart["elements"]?[0]?["label"] == "up")
            #expect(chart["elements"]?[0]?["points"]?.array?.count == 3, "\(chart)")
            #expect(cells[1].types == ["number_of_executions", "result", "stdout", "end_of_execution"], "\(cells[1])")
            #expect(cells[1].results.first?["chart"]?["type"] == "bar", "\(cells[1])")
            #expect(cells[2].stdout == "[]\n")
            #expect(cells[3].results.first?["chart"]?["type"] == "superchart", "\(cells[3])")
            #expect(cells[4].results.isEmpty)
            #expect(cells[5].results.count == 1 && cells[5].main?["png"] != nil, "\(cells[5])")
        }

        @Test("a repr that raises is told, and the cell ends like any other")
        func raisingRepresentation() async throws {
            let cell = try await NotebookAPI.run(
                "class A:\n    def __repr__(self): raise ValueError('no repr')\n    def _repr_html_(self): 1/0\nA()"
            )
            #expect("\(cell)".contains("no repr"), "\(cell)")
            #expect(cell.ending == nil)
        }

        @Test("a result of many megabytes arrives whole")
        func largeResult() async throws {
            let cell = try await NotebookAPI.run(
                "from IPython.display import HTML\ndisplay(HTML('x' * 5_000_000))\nlist(range(300_000))"
            )
            #expect(cell.results.first?["html"]?.string?.utf8.count == 5_000_000, "\(cell.types)")
            #expect(cell.main?["json"]?.array?.count == 300_000)
        }
    }
}
