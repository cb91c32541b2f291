"""Makes a zygote warm: imports what programs use, takes the usual paths through it once, and leaves no other trace.

Every page that stays as it is belongs to all children, so what is paid for here is paid once and not by each program.
What children must not share, the state of random generators above all, `reseed` renews in each of them.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import importlib
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

#: Standard modules that every zygote imports. All of them together cost a fork 0.3 ms; imported by the program itself,
#: each costs 2 to 9 ms. Left out because few programs use them and their libraries add to every fork: asyncio, ssl,
#: sqlite3, unittest, xml.
STANDARD_MODULES = (
    # Nearly every program, directly or through another module.
    *("abc", "bisect", "collections", "contextlib", "copy", "datetime", "enum", "functools", "heapq", "io"),
    *("itertools", "json", "math", "operator", "os", "random", "re", "string", "struct", "sys", "time", "types"),
    *("typing", "warnings"),
    # What a failing program needs for its traceback.
    *("linecache", "tokenize", "traceback"),
    # What models like to write.
    *("argparse", "base64", "calendar", "csv", "dataclasses", "decimal", "fractions", "hashlib", "inspect", "logging"),
    *("pathlib", "pickle", "pprint", "statistics", "subprocess", "tempfile", "textwrap", "threading", "uuid"),
    *("glob", "secrets", "shutil", "urllib.parse", "_strptime"),
)

#: The whole environment of a program; a `run` frame may add to it. VIRTUAL_ENV is left out: PATH does what activation
#: is for. One thread for each numeric library: a sandbox may have fewer processes than the host has processors, and
#: OpenMP aborts when it cannot start one thread a processor.
ENVIRONMENT = {
    "HOME": "/home/user",
    "USER": "user",
    "LOGNAME": "user",
    "SHELL": "/bin/bash",
    "PATH": "/opt/code-interpreter/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    # Not the home, which is the workspace: what fontconfig caches there would be given back as a file of the program.
    "XDG_CACHE_HOME": "/tmp/.cache",
    "MPLBACKEND": "Agg",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}

#: Of these, what libraries read while they are loaded: no thread may exist when the zygote forks.
_LOADING_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MPLBACKEND", "MPLCONFIGDIR")

#: Font families that lend matplotlib the characters its own font lacks, where the system has them.
#: Of each group the first that exists; every Noto Sans CJK has all characters of Chinese, Japanese and Korean.
_FALLBACK_FAMILIES = (
    ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans CJK TC", "Noto Sans CJK KR"),
    ("Noto Sans Arabic", "Noto Naskh Arabic"),
    ("DejaVu Sans",),
)

#: `_IONBF` of setvbuf(3).
_UNBUFFERED = 2

#: How long a thread that an import left behind may take to end, in seconds.
_THREAD_PATIENCE = 5.0

#: Highest index `_name_interfaces` asks for: an empty network namespace has the loopback interface, of index 1.
_MAX_INTERFACE = 16

#: Calls that give every random generator that exists in the zygote a new state.
_renewals: list[Callable[[], object]] = []


def prepare(kind: str, imports: list[str], more: Callable[[], object] | None = None) -> None:
    """Import the standard modules and `imports`, exercise what is known of them and `more`, and clean up after it.

    A name that cannot be imported is reported on standard error and left out: a missing package must not take the
    server down. So are threads and descriptors that an import left behind, which children would lose or share. `kind`
    names the zygote in reports.
    """
    before = _open_descriptors()
    for name in _LOADING_VARIABLES:
        os.environ.setdefault(name, ENVIRONMENT[name])
    for name in (*STANDARD_MODULES, *imports):
        _import(kind, name)
    for module, exercise in (
        ("numpy", _exercise_numpy),
        ("pandas", _exercise_pandas),
        ("matplotlib.pyplot", _exercise_pyplot),
    ):
        if module in sys.modules:
            try:
                exercise()
            except Exception as error:  # noqa: BLE001 - an unknown version of a library is no reason to stop
                _report(kind, f"cannot exercise {module}: {error!r}")
    _exercise_standard_library()
    if more is not None:
        more()
    if "ssl" in sys.modules:
        # Its first use loads OpenSSL's tables: 8 ms and 3 MB, which `reseed` would cost each child.
        sys.modules["ssl"].RAND_add(os.urandom(48), 48.0)
    socket.if_nameindex = _name_interfaces
    _unbuffer_c_streams()
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    sys.dont_write_bytecode = True
    _forget_warnings()
    gc.collect()
    _renewals[:] = _find_generators()
    _wait_for_threads()
    if _count_threads() != 1:
        _report(kind, f"the imports left {_count_threads() - 1} threads running; programs will miss them")
    leaked = _open_descriptors() - before
    if leaked:
        _report(kind, f"the imports left descriptors open: {sorted(leaked)}")


def reseed() -> None:
    """Give all that is warm and random a state of its own; to be called in each child.

    Hash randomization stays the zygote's: it can only be chosen when an interpreter starts.
    """
    for renew in _renewals:
        renew()
    tempfile, ssl, process = (sys.modules.get(name) for name in ("tempfile", "ssl", "multiprocessing.process"))
    if tempfile is not None:
        # It notices a fork by its process id, which is the same in every sandbox.
        tempfile._name_sequence = None  # type: ignore[attr-defined]
    if ssl is not None:
        # So does OpenSSL.
        ssl.RAND_add(os.urandom(48), 48.0)
    if process is not None:
        process.current_process().authkey = os.urandom(32)


# Exercises


def _exercise_standard_library() -> None:
    """Fill the caches of the standard library that most programs fill."""
    json = importlib.import_module("json")
    json.loads(json.dumps({"a": [1, 2.5, None, True, "text"]}, indent=1))
    importlib.import_module("re").findall(r"(\w+)\s*=\s*(\d+)", "a = 1, b = 2")
    moment = importlib.import_module("datetime").datetime
    moment.strptime("2024-02-29 12:30", "%Y-%m-%d %H:%M").strftime("%A %d %B")
    traceback = importlib.import_module("traceback")
    try:
        raise ValueError("exercise")
    except ValueError as error:
        traceback.format_exception(error)
    importlib.import_module("linecache").clearcache()


def _exercise_numpy() -> None:
    """Take numpy through arithmetic, linear algebra and random numbers."""
    numpy = importlib.import_module("numpy")
    grid = numpy.arange(36, dtype=float).reshape(6, 6)
    numpy.linalg.solve(grid @ grid.T + numpy.eye(6), numpy.linspace(0, 1, 6))
    numpy.random.default_rng(1).normal(size=(8, 2)).std(axis=0)
    numpy.random.rand(4)
    repr(grid.mean(axis=1)), str(numpy.sort(grid.ravel())[::-1])


def _exercise_pandas() -> None:
    """Take pandas through reading, grouping, joining and showing."""
    pandas, io = importlib.import_module("pandas"), importlib.import_module("io")
    table = pandas.DataFrame(
        {
            "group": list("abcd") * 25,
            "number": range(100),
            "share": [value / 7 for value in range(100)],
            "day": pandas.date_range("2024-01-01", periods=100),
        }
    )
    text = io.StringIO(table.to_csv(index=False))
    table = pandas.read_csv(text, parse_dates=["day"])
    table.groupby("group")["share"].agg(["mean", "max"])
    repr(table.groupby("group")["number"].describe()), repr(table.describe()), repr(table.head())
    table.info(buf=io.StringIO())
    table.merge(table.head(), on="number").sort_values("share_x")
    table.pivot_table(index="group", values="share", aggfunc="sum")
    table.set_index("day")["share"].resample("ME").mean()
    table[table["share"] > 2]["group"].value_counts()
    table.fillna(0).isna().sum()
    table.to_html(), table.to_json(), table["group"].str.upper().unique()


def _exercise_pyplot() -> None:
    """Take matplotlib through the usual charts, then put every setting, cache and descriptor back."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    _lend_fonts()
    figure, axes = pyplot.subplots(2, 2)
    axes[0][0].plot([1, 2, 3], [3, 1, 2], "o-", label="$x^2$")
    axes[0][0].legend()
    axes[0][1].bar(["a", "b"], [1, 2])
    axes[1][0].hist([1, 2, 2, 3])
    axes[1][0].set_title("title, 标题")
    axes[1][1].scatter([1, 2], [10, 100])
    axes[1][1].set_yscale("log")
    figure.tight_layout()
    with open(os.devnull, "wb") as nowhere:
        figure.savefig(nowhere, format="png")
    if "pandas" in sys.modules:
        sys.modules["pandas"].DataFrame({"a": [1, 2]}).plot()
        pyplot.gcf().canvas.draw()
    pyplot.close("all")
    # Cached fonts hold open files, and a fork hook of matplotlib closes those numbers in the child, whatever they are
    # by then.
    forget_fonts()


def forget_fonts() -> None:
    """Close matplotlib's font files."""
    importlib.import_module("matplotlib.mathtext").MathTextParser._parse_cached.cache_clear()
    importlib.import_module("matplotlib.font_manager")._get_font.cache_clear()


def _lend_fonts() -> None:
    """Let matplotlib take a character from a fallback family wherever the chosen font lacks it.

    The setting `font.family` could do that, but styles set it themselves, seaborn's first of all.
    """
    manager: Any = importlib.import_module("matplotlib.font_manager")
    known = {entry.name for entry in manager.fontManager.ttflist}
    families = [next((name for name in names if name in known), None) for names in _FALLBACK_FAMILIES]
    find = manager.FontManager._find_fonts_by_props

    def find_with_fallback(self: Any, prop: Any, fontext: str = "ttf", *arguments: Any, **options: Any) -> list[Any]:
        paths: list[Any] = find(self, prop, fontext, *arguments, **options)
        for family in families if fontext == "ttf" else ():
            wanted = manager.FontProperties._from_any(prop).copy()
            wanted.set_family(family)
            path = self.findfont(wanted, fontext)
            if path not in paths:
                paths.append(path)
        return paths

    families = [family for family in families if family]
    if families and getattr(find, "__name__", "") != find_with_fallback.__name__:
        manager.FontManager._find_fonts_by_props = find_with_fallback


def _unbuffer_c_streams() -> None:
    """Have C code write through its standard streams at once, as PYTHONUNBUFFERED=1 has it."""
    libc = ctypes.CDLL(None)
    for name in ("stdin", "stdout", "stderr"):
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, name), None, _UNBUFFERED, ctypes.c_size_t(0))


def _name_interfaces() -> list[tuple[int, str]]:
    """Return index and name of each network interface: `if_nameindex` without netlink, which is refused."""
    found = []
    for index in range(1, _MAX_INTERFACE + 1):
        try:
            found.append((index, socket.if_indextoname(index)))
        except OSError:
            continue
    return found


# Cleaning up


def _find_generators() -> list[Callable[[], object]]:
    """Find the random generators that exist by now, and return a call for each that gives it a new state."""
    numpy_random = getattr(sys.modules.get("numpy"), "random", None)
    renewals: list[Callable[[], object]] = [random.seed]
    bits_of_states = set()
    bit_generators = []
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):
            if thing is not getattr(random, "_inst", None):
                renewals.append(thing.seed)
        elif numpy_random is not None and issubclass(kind, numpy_random.RandomState):
            is_mersenne = isinstance(thing._bit_generator, numpy_random.MT19937)
            renewals.append(functools.partial(_renew_mersenne, thing) if is_mersenne else thing.seed)
            bits_of_states.add(id(thing._bit_generator))
        elif numpy_random is not None and issubclass(kind, numpy_random.BitGenerator):
            bit_generators.append(thing)
    for bits in bit_generators:
        if id(bits) not in bits_of_states:
            renewals.append(functools.partial(_renew_bits, bits))
    return renewals


def _renew_mersenne(state: Any) -> None:
    """Give a Mersenne Twister of numpy 624 random words and no others used yet: a third of the cost of seeding it."""
    state.set_state(("MT19937", sys.modules["numpy"].frombuffer(os.urandom(4 * 624), "uint32"), 624))


def _renew_bits(bits: Any) -> None:
    """Give a numpy bit generator the state of a new one."""
    bits.state = type(bits)().state


def _forget_warnings() -> None:
    """Let warnings that the exercises saw be shown again."""
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            module.__dict__.pop("__warningregistry__", None)


def _wait_for_threads() -> None:
    """Give threads that are about to end, such as a cancelled timer, the time to do so."""
    deadline = time.monotonic() + _THREAD_PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
    while _count_threads() > 1 and time.monotonic() < deadline:
        time.sleep(0.001)


def _count_threads() -> int:
    """Return how many threads the kernel sees in this process."""
    return len(os.listdir("/proc/self/task"))


def _open_descriptors() -> set[int]:
    """Return the numbers of the open descriptors."""
    return {int(name) for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")}


def _import(kind: str, name: str) -> None:
    """Import one module, or report why that is impossible."""
    try:
        importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken package raises anything
        _report(kind, f"cannot import {name}: {error!r}")


def _report(kind: str, message: str) -> None:
    """Say something to the people who run the server."""
    print(f"zygote {kind}: {message}", file=sys.stderr, flush=True)
