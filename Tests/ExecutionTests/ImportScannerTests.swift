import Testing

@testable import Execution

@Suite("The kind of sandbox follows from the imports")
struct ImportScannerTests {
    @Test(
        "only the standard library, or nothing, needs a bare sandbox",
        arguments: [
            "",
            "print('hello')",
            "import os, sys as s, json\nfrom collections.abc import Mapping",
            "def f():\n\timport math; from os import path\n",
            "if x: import re\nelse: import json",
            "from __future__ import annotations\nimport __main__",
            "from . import numpy_like",
            "from .. import x\nfrom .a.b import c",
            "importance = 1\nfrom_numpy = 2\nx.import_ = 3",
            "x = important(numpy)",
            "import os.path as numpy",
            "from os import path as pandas",
            "import\\\n os",
            "import asyncio, \\\n   json",
            "import tomllib, imp, distutils.core, asyncore",
            "__import__('json')\nimportlib.import_module(\"os.path\")",
            "yield from numbers",
        ]
    )
    func bare(_ code: String) {
        #expect(SandboxKind.chosen(for: code) == .bare)
    }

    @Test(
        "any other module needs a full one",
        arguments: [
            "import numpy",
            "import os, numpy as np",
            "import os as o, numpy",
            "  import pandas as pd",
            "\timport pandas.core.frame",
            "from matplotlib import pyplot as plt",
            "from   scipy . stats\timport norm",
            "try: import requests\nexcept ImportError: pass",
            "import os; import sklearn",
            "import os, \\\n  numpy",
            "from \\\r\n numpy import array",
            "import os\rimport numpy",
            "__import__('numpy')",
            "__import__ ( \"numpy.linalg\" )",
            "importlib.import_module('pandas')",
            "importlib.import_module(\n    'pandas')",
            "importlib.import_module(name)",
            "importlib.import_module(f'{name}')",
            "exec('import numpy')",
            "'''\nimport numpy\n'''",
            "import ｎumpy",
            "import my_module",
            "# coding: utf-8\nimport numpy",
        ]
    )
    func full(_ code: String) {
        #expect(SandboxKind.chosen(for: code) == .full)
    }

    @Test("the names are first components, without aliases")
    func names() {
        let scanner = ImportScanner("import a.b as c, d\nfrom e.f import g as h, i\n__import__('j.k')")
        #expect(scanner.modules == ["a", "d", "e", "j"])
        #expect(!scanner.hasComputedImport)
    }

    @Test(
        "a cut or senseless text ends without a trap",
        arguments: [
            "import", "import ", "from", "from ", "from a", "from a import", "from .", "__import__", "__import__(",
            "__import__('",
            "__import__('')", "import a as", "import a as b,", "import ,", "import \\", "import a.", "import .a", "\\",
            "from a.", "import\0a",
        ]
    )
    func senseless(_ text: String) {
        _ = ImportScanner(text)
    }

    @Test("any bytes end without a trap")
    func randomText() async {
        await withRandomSeed { random in
            let parts = [
                "import", "from", " ", "\n", ".", ",", "as", "numpy", "(", "'", "\\", "__import__", "é", "\0", "#", ":",
                ";", "1",
            ]
            for _ in 0..<2_000 {
                let count = Int.random(in: 0...30, using: &random)
                let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
                _ = SandboxKind.chosen(for: text)
            }
        }
    }

    @Test(
        "hostile texts take no more than time linear in their length",
        .timeLimit(.minutes(2)),
        arguments: [
            "import os, sys; x = '''import numpy'''\n", "a", "import ", "from ", "import a,", "import a.", "\\\n",
            "import a\\\n", "__import__(", "é", " ",
            "import a as ",
        ]
    )
    func linearTime(_ part: String) {
        // The square of this length would take hours.
        _ = ImportScanner(String(repeating: part, count: 500_000 / part.utf8.count))
    }
}
