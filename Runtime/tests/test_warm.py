"""What a warm zygote leaves behind, and what its children can do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import harness

import warm

#: Whether the scientific stack is installed for this interpreter.
HAS_STACK = all(importlib.util.find_spec(name) for name in ("numpy", "pandas", "matplotlib"))
HAS_EVERYTHING = HAS_STACK and importlib.util.find_spec("xgboost") is not None


class Preparation(unittest.TestCase):
    """The zygote itself."""

    def reports(self, imports: str, modules: dict[str, str] | None = None) -> list[str]:
        """Prepare a zygote, with `modules` to import, and return what it reports."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (modules or {}).items():
                with open(os.path.join(folder, f"{name}.py"), "w", encoding="utf-8") as file:
                    file.write(text)
            nursery = harness.Nursery("some", imports, folder=folder)
            nursery.close()
        return nursery.reports.decode().splitlines()

    def test_bare_is_quiet(self) -> None:
        """Nothing is left behind by the standard library."""
        self.assertEqual(self.reports(""), [])

    def test_missing_modules_are_left_out(self) -> None:
        """They are reported, and the others are imported."""
        modules = {"good": "print(end='')", "broken": "1 / 0", "leaving": "raise SystemExit(3)"}
        lines = self.reports("nowhere,broken,leaving,good.", modules)
        self.assertEqual(len(lines), 4, lines)
        self.assertIn("zygote some: cannot import nowhere: ModuleNotFoundError", lines[0])
        self.assertIn("cannot import broken: ZeroDivisionError", lines[1])
        self.assertIn("cannot import leaving: SystemExit(3)", lines[2])
        self.assertIn("cannot import good.: ", lines[3])

    def test_leftovers_are_reported(self) -> None:
        """Threads, which children would lose, and descriptors, which they would share."""
        thread = "import threading, time\nthreading.Thread(target=time.sleep, args=[99], daemon=True).start()"
        lines = self.reports("leaking", {"leaking": f"import os\nf = os.open('/', 0)\n{thread}"})
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("left 1 threads running", lines[0])
        self.assertIn("left descriptors open", lines[1])


class Interfaces(unittest.TestCase):
    """Network interfaces without netlink."""

    def test_names_are_those_of_the_standard_library(self) -> None:
        """Index and name are the same, and there is one at least: the loopback."""
        expected = [pair for pair in socket.if_nameindex() if pair[0] <= warm._MAX_INTERFACE]
        self.assertEqual(warm._name_interfaces(), sorted(expected))
        self.assertIn("lo", dict(expected).values())


#: Two children with the process id of their parent, one after the other, draw random values.
SAME_PROCESS_ID = """
import ctypes, os, random, ssl, sys, tempfile
sys.path.insert(0, sys.argv[1])
import warm
ssl.RAND_bytes(8), next(tempfile._get_candidate_names())
warm.prepare('bare', [])
libc = ctypes.CDLL(None)
home = os.open('/proc/self/ns/pid', os.O_RDONLY)
for _ in range(2):
    assert libc.unshare(0x20000000) == 0
    process = os.fork()
    if process == 0:
        warm.reseed()
        print(os.getpid(), ssl.RAND_bytes(8).hex(), next(tempfile._get_candidate_names()), random.random(), flush=True)
        os._exit(0)
    os.waitpid(process, 0)
    assert libc.setns(home, 0) == 0
"""
NEW_NAMESPACES = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
HAS_NAMESPACES = (
    shutil.which("unshare") and subprocess.run([*NEW_NAMESPACES, "true"], capture_output=True).returncode == 0
)


class Warnings(harness.RuntimeTestCase):
    """What the zygote saw is news to its children."""

    def test_warnings_are_shown_again(self) -> None:
        """One that was shown while the zygote imported a module, once for each place, is shown in each child."""
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "noisy.py"), "w", encoding="utf-8") as file:
                file.write("import warnings\ndef warn():\n    warnings.warn('careful')\nwarn()\n")
            nursery = harness.Nursery("some", "noisy", folder=folder)
        self.addCleanup(nursery.close)
        self.assertIn(b"careful", nursery.reports)
        self.nursery = nursery  # type: ignore[misc]
        self.assertIn("careful", self.run_program("import noisy\nnoisy.warn()").stderr)


@unittest.skipUnless(HAS_NAMESPACES, "needs user namespaces")
class SameProcessID(unittest.TestCase):
    """In a pid namespace of its own every child has the same process id, by which libraries want to notice a fork."""

    def test_random_state_is_not_shared(self) -> None:
        """OpenSSL and tempfile would give both children the same values."""
        command = [*NEW_NAMESPACES, sys.executable, "-c", SAME_PROCESS_ID, harness.RUNTIME]
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=harness.DEADLINE).stdout
        first, second = (line.split() for line in output.splitlines())
        self.assertEqual((first[0], second[0]), ("1", "1"))
        for one, other in zip(first[1:], second[1:], strict=True):
            self.assertNotEqual(one, other)


@unittest.skipUnless(HAS_STACK, "needs numpy, pandas and matplotlib")
class FullStack(harness.RuntimeTestCase):
    """Children of a zygote with the default imports."""

    maxDiff = None
    kind = "full"
    imports = "numpy,pandas,matplotlib.pyplot"

    def test_nothing_is_reported(self) -> None:
        """The stack leaves no thread and no descriptor."""
        self.assertEqual(self.nursery.reports, b"")

    def test_no_state_is_left(self) -> None:
        """No figures, default settings, no warnings seen, no handlers of logs."""
        code = """
import sys, logging, matplotlib, matplotlib.pyplot as plt, pandas as pd, numpy as np, matplotlib.units, os
assert plt.get_fignums() == [], plt.get_fignums()
changed = {k: v for k, v in matplotlib.rcParams.items() if matplotlib.rcParamsDefault[k] != v}
assert {k: v for k, v in changed.items() if k != 'backend'} == {}, changed
assert matplotlib.get_backend().lower() == 'agg' and not matplotlib.is_interactive()
assert not [m for m in list(sys.modules.values()) if '__warningregistry__' in getattr(m, '__dict__', {})]
assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING
assert len(os.listdir('/proc/self/task')) == 1
assert pd.Timestamp not in matplotlib.units.registry, 'converters of pandas'
assert np.geterr()['divide'] == 'warn' and np.get_printoptions()['precision'] == 8
"""
        self.assert_ran(code, "")

    def test_random_state_is_not_shared(self) -> None:
        """Neither numpy's legacy generator nor new ones."""
        code = """
import numpy as np, random, pandas as pd
print(np.random.rand(), np.random.default_rng().random(), np.random.RandomState().rand(), random.random())
print(pd.Series(range(10 ** 6)).sample(1).iloc[0], np.random.randn(), np.random.mtrand._rand.random_sample())
"""
        words = [self.run_program(code).stdout.split() for _ in range(3)]
        self.assertEqual(len(words[0]), 7)
        for values in zip(*words, strict=True):
            self.assertEqual(len(set(values)), 3)

    def test_seeding_repeats(self) -> None:
        """A program that seeds gets what it would get anywhere."""
        code = "import numpy as np, random\nnp.random.seed(1)\nrandom.seed(1)\n"
        code += "print(np.random.randint(1000), random.randrange(1000))"
        self.assert_ran(code, "37 137\n")

    def test_tables(self) -> None:
        """The usual way through pandas."""
        code = """
import pandas as pd
t = pd.DataFrame({'k': ['a', 'b'] * 2, 'v': [1, 2, 3, 4]})
t.to_csv('t.csv', index=False)
pd.read_csv('t.csv').groupby('k')['v'].sum()
"""
        self.assert_ran(code, "k\na    4\nb    6\nName: v, dtype: int64\n", interactive=True)

    def test_plot(self) -> None:
        """A chart becomes a picture, with no word on standard error, in a world without caches of fonts."""
        code = """
import matplotlib.pyplot as plt
plt.plot([1, 2, 3], [2, 3, 1], label='$x^2$')
plt.legend()
plt.savefig('plot.png', dpi=50)
plt.show()
"""
        self.assert_ran(code, "", environment={"MPLCONFIGDIR": "/nonexistent/matplotlib"})
        with open(os.path.join(self.workspace, "plot.png"), "rb") as file:
            head = file.read(24)
        self.assertEqual((head[:8], struct.unpack(">II", head[16:])), (b"\x89PNG\r\n\x1a\n", (320, 240)))

    def test_other_formats(self) -> None:
        """PDF and SVG find fonts too."""
        code = "import matplotlib.pyplot as plt\nplt.title('text')\nplt.savefig('a.pdf')\nplt.savefig('a.svg')"
        self.assert_ran(code, "")
        self.assertGreater(os.path.getsize(os.path.join(self.workspace, "a.pdf")), 1000)

    @unittest.skipUnless(
        os.path.exists("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"), "needs Noto Sans CJK"
    )
    def test_scripts_of_the_world(self) -> None:
        """Chinese, Japanese, Korean and Arabic are readable, whatever family a style asks for, in every format."""
        for family in (
            "",
            "plt.rcParams['font.family'] = 'serif'\n",
            "plt.rcParams['font.sans-serif'] = ['DejaVu Sans']\n",
        ):
            for name in ("a.png", "a.svg", "a.pdf"):
                with self.subTest(family=family, name=name):
                    code = "import matplotlib.pyplot as plt\n" + family
                    code += f"plt.title('中文 日本語 かな 한국어 العربية', weight='bold')\nplt.savefig({name!r})"
                    self.assert_ran(code, "")

    def test_descriptors_survive_a_fork(self) -> None:
        """Fonts that a program opened do not take descriptors of the processes it forks with them."""
        code = """
import os, io, matplotlib.pyplot as plt
plt.title('text')
plt.savefig(io.BytesIO())
pid = os.fork()
if pid == 0:
    os.write(1, b'child ')
    plt.savefig(io.BytesIO())
    os._exit(0)
print(os.waitpid(pid, 0)[1])
"""
        self.assert_ran(code, "child 0\n")

    @unittest.skipUnless(HAS_EVERYTHING, "needs all of requirements.txt")
    def test_every_package_can_be_imported(self) -> None:
        """All that requirements.in promises, in one program after the other's threads and caches."""
        code = """
import numpy, pandas, scipy.stats, sympy, networkx, sklearn.linear_model, xgboost
import matplotlib.pyplot, matplotlib_venn, seaborn, plotly.express
import PIL.Image, skimage.filters, imageio, cv2
import openpyxl, xlsxwriter, xlrd, docx, pptx, pypdf, pdfplumber, fpdf
import pydantic, requests, bs4, lxml.etree, yaml, tabulate, dateutil.parser, zoneinfo
import IPython, ipykernel
model = sklearn.linear_model.LinearRegression().fit([[1], [2], [3]], [2, 4, 6])
print(round(float(model.predict([[4]])[0]), 6), sympy.sqrt(8), scipy.stats.norm.cdf(0), zoneinfo.ZoneInfo('Asia/Tokyo'))
"""
        result = self.run_program(code)
        self.assertEqual((result.stdout, result.exit_code), ("8.0 2*sqrt(2) 0.5 Asia/Tokyo\n", 0), result)

    def test_threads_of_libraries(self) -> None:
        """Linear algebra gives right answers in a forked child."""
        code = "import numpy as np\na = np.arange(250_000.0).reshape(500, 500) % 17 + 500 * np.eye(500)\n"
        self.assert_ran(code + "np.allclose(np.linalg.solve(a, a @ np.ones(500)), 1)", "True\n", interactive=True)


if __name__ == "__main__":
    unittest.main()
