import TestSupport
import Testing

extension OneShot {
    /// Libraries that people use for data, each doing something real inside a sandbox with default limits.
    @Suite("The scientific stack")
    struct ScientificStack {
        /// A program that prints `ok` when everything it tried worked.
        struct Program: CustomTestStringConvertible, Sendable {
            var name: String
            var code: String
            var files: [String] = []

            var testDescription: String { name }
        }

        @Test("libraries work inside", arguments: libraries + documents + images)
        func library(program: Program) async throws {
            let answer = try await TestServer.current.execute(program.code, timeout: 60_000)
            #expect(answer.stdout == "ok\n", "\(answer.json)")
            #expect(answer.exitCode == 0)
            #expect(answer.paths == program.files.sorted())
        }

        static let libraries = [
            Program(
                name: "numpy",
                code: """
                    import numpy as np
                    a = np.random.default_rng(1).normal(size=(300, 300))
                    u, s, v = np.linalg.svd(a)
                    print("ok" if np.allclose(u @ np.diag(s) @ v, a) and np.fft.ifft(np.fft.fft(a[0])).real.round(9).tolist() == a[0].round(9).tolist() else "wrong")
                    """
            ),
            Program(
                name: "pandas",
                code: """
                    import pandas as pd
                    frame = pd.DataFrame({"k": list("abab"), "v": [1, 2, 3, 4], "d": pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin")})
                    print("ok" if frame.groupby("k").v.sum().to_dict() == {"a": 4, "b": 6} and len(frame.describe()) > 5 else "wrong")
                    """
            ),
            Program(
                name: "scipy",
                code: """
                    from scipy import optimize, stats, signal, sparse
                    root = optimize.brentq(lambda x: x * x - 2, 0, 2)
                    print("ok" if abs(root - 2 ** .5) < 1e-9 and stats.norm.cdf(0) == .5 and sparse.eye(3).sum() == 3 else "wrong")
                    """
            ),
            Program(
                name: "scikit-learn",
                code: """
                    from sklearn.datasets import make_classification
                    from sklearn.ensemble import RandomForestClassifier
                    from sklearn.linear_model import LogisticRegression
                    x, y = make_classification(300, random_state=0)
                    print("ok" if RandomForestClassifier(20, n_jobs=2, random_state=0).fit(x, y).score(x, y) > .9 and LogisticRegression().fit(x, y).score(x, y) > .7 else "wrong")
                    """
            ),
            Program(
                name: "xgboost",
                code: """
                    import numpy as np, xgboost
                    x = np.random.default_rng(0).normal(size=(200, 4)); y = (x[:, 0] > 0).astype(int)
                    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=2).fit(x, y)
                    print("ok" if (model.predict(x) == y).mean() > .9 else "wrong")
                    """
            ),
            Program(
                name: "sympy",
                code:
                    "import sympy\nx = sympy.symbols('x')\nprint('ok' if sympy.integrate(sympy.sin(x) ** 2, (x, 0, sympy.pi)) == sympy.pi / 2 else 'wrong')"
            ),
            Program(
                name: "scikit-image",
                code: """
                    import numpy as np
                    from skimage import filters, measure
                    image = np.zeros((40, 40)); image[5:15, 5:15] = 1; image[20:30, 20:30] = 1
                    print("ok" if measure.label(filters.gaussian(image, 1) > .5).max() == 2 else "wrong")
                    """
            ),
            Program(
                name: "pydantic",
                code:
                    "import pydantic\nclass A(pydantic.BaseModel): x: int\nprint('ok' if A(x='3').x == 3 else 'wrong')"
            ),
            Program(
                name: "beautifulsoup4, lxml and requests",
                code: """
                    import bs4, requests
                    try: requests.get("http://192.0.2.1", timeout=5)
                    except requests.exceptions.ConnectionError: print("ok" if bs4.BeautifulSoup("<p>x</p>", "lxml").p.text == "x" else "wrong")
                    """
            ),
            Program(
                name: "IPython",
                code:
                    "import IPython.display\nprint('ok' if IPython.display.HTML('<b>x</b>').data == '<b>x</b>' else 'wrong')"
            ),
            Program(
                name: "tabulate, yaml and dateutil",
                code:
                    "import tabulate, yaml, dateutil.parser\nprint('ok' if yaml.safe_load('a: 1') == {'a': 1} else 'wrong')"
            ),
            Program(
                name: "sqlite3 in a file",
                code: """
                    import sqlite3
                    with sqlite3.connect("data.db") as db:
                        db.execute("pragma journal_mode=wal"); db.execute("create table t (x)"); db.executemany("insert into t values (?)", [(i,) for i in range(100)])
                    db.close()
                    print("ok" if sqlite3.connect("data.db").execute("select sum(x) from t").fetchone() == (4950,) else "wrong")
                    import os
                    for rest in ("data.db-wal", "data.db-shm"):
                        if os.path.exists(rest): os.remove(rest)
                    """,
                files: ["data.db"]
            ),
            Program(
                name: "ssl, hashlib and secrets",
                code:
                    "import ssl, hashlib, secrets\nssl.create_default_context()\nprint('ok' if len(secrets.token_bytes(9)) == 9 and hashlib.scrypt(b'a', salt=b'b', n=2, r=1, p=1) else 'wrong')"
            ),
            Program(
                name: "zoneinfo, locale and decimal",
                code:
                    "import zoneinfo, datetime, decimal, locale\nprint('ok' if datetime.datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo('Asia/Tokyo')).utcoffset().seconds == 32400 else 'wrong')"
            ),
        ]

        static let documents = [
            Program(
                name: "openpyxl and pandas round trip",
                code: """
                    import openpyxl, pandas as pd
                    pd.DataFrame({"a": [1, 2], "b": ["x", "é"]}).to_excel("t.xlsx", index=False)
                    book = openpyxl.load_workbook("t.xlsx"); book.active["C1"] = "=SUM(A2:A3)"; book.save("t.xlsx")
                    print("ok" if pd.read_excel("t.xlsx").b.tolist() == ["x", "é"] else "wrong")
                    """,
                files: ["t.xlsx"]
            ),
            Program(
                name: "xlsxwriter",
                code:
                    "import xlsxwriter\nbook = xlsxwriter.Workbook('w.xlsx'); book.add_worksheet().write('A1', 3); book.close()\nprint('ok')",
                files: ["w.xlsx"]
            ),
            Program(
                name: "python-docx",
                code:
                    "import docx\nd = docx.Document(); d.add_heading('Title'); d.add_paragraph('text'); d.save('d.docx')\nprint('ok' if docx.Document('d.docx').paragraphs[1].text == 'text' else 'wrong')",
                files: ["d.docx"]
            ),
            Program(
                name: "python-pptx",
                code: """
                    import pptx
                    p = pptx.Presentation(); s = p.slides.add_slide(p.slide_layouts[0]); s.shapes.title.text = "Title"; p.save("p.pptx")
                    print("ok" if pptx.Presentation("p.pptx").slides[0].shapes.title.text == "Title" else "wrong")
                    """,
                files: ["p.pptx"]
            ),
            Program(
                name: "fpdf2, pypdf and pdfplumber",
                code: """
                    import fpdf, pypdf, pdfplumber
                    pdf = fpdf.FPDF(); pdf.add_page(); pdf.set_font("helvetica", size=12); pdf.cell(text="hello pdf"); pdf.output("f.pdf")
                    with pdfplumber.open("f.pdf") as book: text = book.pages[0].extract_text()
                    print("ok" if "hello pdf" in pypdf.PdfReader("f.pdf").pages[0].extract_text() and "hello pdf" in text else "wrong")
                    """,
                files: ["f.pdf"]
            ),
        ]

        static let images = [
            Program(
                name: "matplotlib",
                code: """
                    import matplotlib.pyplot as plt
                    plt.plot([1, 3, 2]); plt.title("Title"); plt.savefig("m.png"); plt.savefig("m.svg"); plt.savefig("m.pdf")
                    print("ok" if open("m.png", "rb").read(4) == b"\\x89PNG" else "wrong")
                    """,
                files: ["m.pdf", "m.png", "m.svg"]
            ),
            Program(
                name: "seaborn",
                code:
                    "import seaborn, pandas as pd, matplotlib.pyplot as plt\nseaborn.histplot(pd.DataFrame({'a': [1, 2, 2, 3]}), x='a'); plt.savefig('s.png')\nprint('ok')",
                files: ["s.png"]
            ),
            Program(
                name: "matplotlib-venn",
                code:
                    "import matplotlib_venn, matplotlib.pyplot as plt\nmatplotlib_venn.venn2((3, 2, 1)); plt.savefig('v.png')\nprint('ok')",
                files: ["v.png"]
            ),
            Program(
                name: "pillow",
                code:
                    "from PIL import Image, ImageDraw\ni = Image.new('RGB', (64, 64)); ImageDraw.Draw(i).text((5, 5), 'x'); i.save('i.jpg')\nprint('ok' if Image.open('i.jpg').size == (64, 64) else 'wrong')",
                files: ["i.jpg"]
            ),
            Program(
                name: "opencv",
                code: """
                    import cv2, numpy as np
                    image = np.zeros((100, 100, 3), np.uint8); cv2.circle(image, (50, 50), 20, (255, 255, 255), -1); cv2.imwrite("c.png", image)
                    contours, _ = cv2.findContours(cv2.cvtColor(cv2.imread("c.png"), cv2.COLOR_BGR2GRAY), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
                    print("ok" if len(contours) == 1 else "wrong")
                    """,
                files: ["c.png"]
            ),
            Program(
                name: "plotly",
                code:
                    "import plotly.graph_objects as go\ngo.Figure(go.Bar(y=[1, 2])).write_html('p.html')\nprint('ok')",
                files: ["p.html"]
            ),
        ]

        @Test("processes, threads and their tools work inside", arguments: concurrency)
        func concurrent(program: Program) async throws {
            let server = try TestServer.current
            for isInteractive in [false, true] {
                let answer = try await server.execute(program.code, interactive: isInteractive, timeout: 60_000)
                #expect(answer.stdout == "ok\n", "interactive \(isInteractive): \(answer.json)")
            }
        }

        static let concurrency = [
            Program(
                name: "a process pool made by fork",
                code: """
                    import multiprocessing as mp
                    def square(x): return x * x
                    if __name__ == "__main__":
                        with mp.get_context("fork").Pool(3) as pool: print("ok" if pool.map(square, range(5)) == [0, 1, 4, 9, 16] else "wrong")
                    """
            ),
            Program(
                name: "a process pool made by spawn",
                code: """
                    import multiprocessing as mp
                    def square(x): return x * x
                    if __name__ == "__main__":
                        with mp.get_context("spawn").Pool(2) as pool: print("ok" if pool.map(square, range(3)) == [0, 1, 4] else "wrong")
                    """
            ),
            Program(
                name: "queues, locks and shared memory of multiprocessing",
                code: """
                    import multiprocessing as mp
                    from multiprocessing import shared_memory
                    def work(queue, lock, name):
                        block = shared_memory.SharedMemory(name=name)
                        with lock: block.buf[0] = 42
                        block.close(); queue.put("done")
                    if __name__ == "__main__":
                        queue, lock, block = mp.Queue(), mp.Lock(), shared_memory.SharedMemory(create=True, size=16)
                        p = mp.Process(target=work, args=(queue, lock, block.name)); p.start(); done = queue.get(timeout=20); p.join()
                        print("ok" if done == "done" and block.buf[0] == 42 else "wrong"); block.close(); block.unlink()
                    """
            ),
            Program(
                name: "executors",
                code: """
                    import concurrent.futures as cf
                    if __name__ == "__main__":
                        with cf.ThreadPoolExecutor(8) as t, cf.ProcessPoolExecutor(2) as p:
                            print("ok" if list(t.map(abs, [-1])) + list(p.map(abs, [-2, 3])) == [1, 2, 3] else "wrong")
                    """
            ),
            Program(
                name: "asyncio with subprocesses",
                code: """
                    import asyncio
                    async def main():
                        process = await asyncio.create_subprocess_exec("echo", "hi", stdout=asyncio.subprocess.PIPE)
                        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
                        await asyncio.open_connection(*server.sockets[0].getsockname())
                        print("ok" if (await process.communicate())[0] == b"hi\\n" else "wrong")
                    asyncio.run(main())
                    """
            ),
            Program(
                name: "bash, pipes, coreutils and a terminal",
                code: """
                    import os, pty, subprocess
                    out = subprocess.run(["bash", "-c", "set -o pipefail; seq 3 | sort -r | head -1; test -t 0 || echo no-tty"], capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
                    leader, follower = pty.openpty()
                    print("ok" if out == "3\\nno-tty\\n" and os.isatty(follower) else "wrong " + out)
                    """
            ),
            Program(
                name: "threads with numpy",
                code: """
                    import threading, numpy as np
                    results = []
                    threads = [threading.Thread(target=lambda: results.append(np.linalg.inv(np.eye(200) * 2)[0, 0])) for _ in range(8)]
                    [t.start() for t in threads]; [t.join() for t in threads]
                    print("ok" if results == [.5] * 8 else "wrong")
                    """
            ),
        ]

        @Test(
            "charts in Chinese, Japanese and Korean have no missing letters",
            .enabled(if: Host.has(.cjkFonts), "needs the Noto CJK fonts")
        )
        func cjkChart() async throws {
            let code = """
                import matplotlib.pyplot as plt
                plt.title("漢字 かな カナ 한국어"); plt.savefig("cjk.png")
                """
            let answer = try await TestServer.current.execute(code, timeout: 60_000)
            #expect(!answer.stderr.contains("missing from"), "\(answer.stderr)")
            #expect(answer.paths == ["cjk.png"])
        }

        @Test("a last expression of a data frame and of a chart is their repr")
        func reprs() async throws {
            let server = try TestServer.current
            let frame = try await server.execute("import pandas as pd\npd.DataFrame({'a': [1, 2]})", interactive: true)
            #expect(frame.stdout == "   a\n0  1\n1  2\n", "\(frame.json)")
            let chart = try await server.execute("import matplotlib.pyplot as plt\nplt.plot([1])", interactive: true)
            #expect(chart.stdout.hasPrefix("[<matplotlib.lines.Line2D object at 0x"), "\(chart.json)")
        }
    }
}
