"""Runs a program as ``__main__`` the way ``python3 -u /workspace/__main__.py`` would, and tells its exit code.

Two modes. *Plain*: an ordinary script, frames named after its file. *Interactive*: frames are named ``<stdin>``,
top-level statements count one by one, and the last of them, if it is an expression, is shown through
``sys.displayhook``.

User code runs in this very interpreter and may replace whatever it can reach. So everything needed after it has run is
bound at import, and nothing it does can keep the exit code from being found, short of never ending.
"""

from __future__ import annotations
import __future__

import _ast
import _io
import atexit
import builtins
import ctypes
import gc
import linecache
import os
import sys
import threading
import traceback
import weakref
from _frozen_importlib_external import SourceFileLoader
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: What frames of interactive programs are named.
INTERACTIVE_NAME = "<stdin>"
#: Exit codes as the shell and CPython give them.
EXIT_ERROR = 1
EXIT_FLUSH_FAILED = 120
EXIT_INTERRUPTED = 130
EXIT_OUT_OF_RANGE = 255
#: What a fresh interpreter has.
RECURSION_LIMIT = 1000

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag

_GLOBALS = globals()
_EXCEPTION_HOOK = sys.__excepthook__
_HOOK_SHOWS_INTERACTIVE_SOURCE = sys.version_info >= (3, 13)
_SUGGESTION = ". Did you mean: '"
#: Modules that every interpreter has imported before it looks at a program: no file of the same name can replace them.
_STARTUP_MODULES = {
    *sys.builtin_module_names,
    *("__main__", "_collections_abc", "_frozen_importlib", "_frozen_importlib_external", "_sitebuiltins", "abc"),
    *("codecs", "encodings", "genericpath", "importlib", "io", "os", "posixpath", "site", "stat", "zipimport"),
}

#: Undo what a program may have set up that would get in the way of every step of ours after it.
_RESETS: tuple[tuple[Callable[[Any], object], object], ...] = (
    (sys.setprofile, None),
    (sys.settrace, None),
    (sys.setrecursionlimit, RECURSION_LIMIT),
)

_collect = gc.collect
_compile: Callable[..., Any] = compile
_execute = exec
_flush_c_streams: Callable[[None], int] = ctypes.CDLL(None).fflush
_format_exception = traceback.format_exception
_join_threads: Callable[[], None] = getattr(threading, "_shutdown")
_running_frames: Callable[[], dict[int, object]] = getattr(sys, "_current_frames")
_run_exit_functions: Callable[[], None] = getattr(atexit, "_run_exitfuncs")
_set_traceback = BaseException.with_traceback
_source_lines = linecache.cache
_weak_reference = weakref.ref


class Program:
    """One program; `run` it once, then `end` it."""

    __slots__ = ("_filename", "_is_interactive", "_namespaces", "_source", "_workspace")

    def __init__(self, source: str, filename: str, is_interactive: bool) -> None:
        """Take a program by its text. `filename` is absolute; its folder is the first place to import from."""
        self._source = source
        self._filename = filename
        self._is_interactive = is_interactive
        self._workspace = filename.rpartition("/")[0] or "/"
        # Only this list keeps the namespace alive from our side, so that it can be let go at the end.
        self._namespaces: list[dict[str, object]] = []

    def run(self, arguments: list[str]) -> int:
        """Run all statements, report what they raise, and return the exit code so far, 0 to 255.

        Descriptors 0, 1 and 2 are the program's. What the program forks returns from here too, in its own process.
        """
        open_streams()
        self._namespaces.append(make_main(self._filename).__dict__)
        sys.argv = [self._filename, *arguments]
        sys.orig_argv = [sys.executable, *sys.argv]
        sys.path.insert(0, self._workspace)
        _forget_shadowed_modules(self._workspace)
        if self._is_interactive:
            lines = _io.StringIO(self._source, None).readlines()
            _source_lines[INTERACTIVE_NAME] = (len(self._source), None, lines, INTERACTIVE_NAME)
        return execute(self._source, self._filename, self._is_interactive, self._namespaces[0])

    def end(self, code: int) -> int:
        """Do what the interpreter does between the last statement and its exit; return the final exit code."""
        for step in (_join, _run_exit_functions):
            try:
                step()
            except BaseException:  # noqa: BLE001 - user code runs in there
                pass
        is_flushed = _flush("stdout", True)
        is_flushed = _flush("stderr", False) and is_flushed
        try:
            _release(self._namespaces, self._workspace)
        except BaseException:  # noqa: BLE001 - user code runs in there
            pass
        is_flushed = _flush("stdout", True) and is_flushed
        is_flushed = _flush("stderr", False) and is_flushed
        _flush_c_streams(None)
        return code if is_flushed else EXIT_FLUSH_FAILED


def open_streams() -> None:
    """Make ``sys.stdin``, ``stdout`` and ``stderr`` over descriptors 0 to 2, as CPython does with PYTHONUNBUFFERED=1.

    Every write reaches the descriptor before it returns, so a program that is killed loses nothing it has printed.
    """
    sys.stdin = sys.__stdin__ = _open_stream(0, "<stdin>", "r", "strict")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _open_stream(1, "<stdout>", "w", "strict")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _open_stream(2, "<stderr>", "w", "backslashreplace")  # type: ignore[misc]


def _open_stream(descriptor: int, name: str, mode: str, errors: str) -> Any:
    """Open one standard stream; None where the descriptor is closed, as in any interpreter."""
    try:
        raw = _io.FileIO(descriptor, mode, closefd=False)
    except OSError:
        return None
    raw.name = name
    buffer: Any = _io.BufferedReader(raw) if mode == "r" else raw
    stream: Any = _io.TextIOWrapper(buffer, "utf-8", errors, "\n", write_through=True)
    stream.mode = mode
    return stream


def make_main(filename: str) -> ModuleType:
    """Put a fresh ``__main__`` in place whose globals are those of a script at `filename`."""
    main = ModuleType("__main__")
    namespace = main.__dict__
    namespace["__loader__"] = SourceFileLoader("__main__", filename)
    namespace["__annotations__"] = {}
    namespace["__builtins__"] = builtins
    namespace["__file__"] = filename
    namespace["__cached__"] = None
    # As the last one, so that what the program imports comes after it.
    sys.modules.pop("__main__", None)
    sys.modules["__main__"] = main
    return main


def execute(source: str, filename: str, is_interactive: bool, namespace: dict[str, object]) -> int:
    """Run the statements of `source` in `namespace`, report what they raise, and return the exit code so far."""
    failure = None
    try:
        if is_interactive:
            for code in _statements(source):
                _execute(code, namespace)
        else:
            _execute(_compile_text(source, filename, "exec"), namespace)
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        failure = error
    for reset, value in _RESETS:
        try:
            reset(value)
        except BaseException:  # noqa: BLE001 - a profile function sees this call
            pass
    if failure is None:
        return 0
    # Outside of the handler, so that it is not the context of what an exception hook raises.
    try:
        return _report(failure, is_interactive)
    finally:
        # Its traceback leads to this frame: no cycle may keep what the program's frames hold.
        del failure


def _forget_shadowed_modules(workspace: str) -> None:
    """Let files in the workspace win over warm modules of the same name, as they win where nothing is warm."""
    try:
        entries = os.listdir(workspace)
    except OSError:
        return
    for entry in entries:
        name, _, suffix = entry.partition(".")
        if name not in sys.modules or name in _STARTUP_MODULES:
            continue
        if suffix == "py" or (not suffix and os.path.isfile(f"{workspace}/{name}/__init__.py")):
            for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
                del sys.modules[loaded]


# Compiling


def _statements(source: str) -> Iterator[CodeType]:
    """Yield the code of an interactive program in pieces: all but its last statement, then the last.

    A piece that does not compile is tried again statement by statement, so that those before the wrong one run.
    """
    statements = _compile_text(source, INTERACTIVE_NAME, "exec", _ast.PyCF_ONLY_AST).body
    if not statements:
        return
    last = statements.pop()
    is_shown = type(last) is _ast.Expr
    if not is_shown:
        statements.append(last)
    flags = 0
    if statements:
        try:
            pieces = [_compile_tree(_ast.Module(statements, []), "exec", flags)]
        except (SyntaxError, ValueError):
            pieces = None
        for code in pieces or _one_by_one(statements):
            flags |= code.co_flags & _FUTURE_FLAGS
            yield code
    if is_shown:
        yield _compile_tree(_ast.Interactive([last]), "single", flags)


def _one_by_one(statements: list[_ast.stmt]) -> Iterator[CodeType]:
    """Yield the code of each statement on its own."""
    flags = 0
    is_head = True
    for index, statement in enumerate(statements):
        body = [statement]
        is_docstring = index == 0 and isinstance(statement, _ast.Expr) and isinstance(statement.value, _ast.Constant)
        is_future = isinstance(statement, _ast.ImportFrom) and statement.module == "__future__"
        is_head = is_head and (is_docstring or is_future)
        if not is_head:
            # With something before it, a text is no docstring, and an import from __future__ is the error it should be.
            body.insert(0, _ast.Pass(lineno=statement.lineno, col_offset=0))
        code = _compile_tree(_ast.Module(body, []), "exec", flags)
        flags |= code.co_flags & _FUTURE_FLAGS
        yield code


def _compile_text(source: str, filename: str, mode: str, flags: int = 0) -> Any:
    """Compile program text. What cannot be text of a program at all is a ``SyntaxError`` in every version."""
    try:
        return _compile(source, filename, mode, flags, True)
    except ValueError as error:
        if isinstance(error, SyntaxError) or "\0" not in source:
            raise
    raise SyntaxError("source code string cannot contain null bytes")


def _compile_tree(tree: _ast.AST, mode: str, flags: int) -> Any:
    """Compile a syntax tree, as deep as the same text could be."""
    try:
        return _compile(tree, INTERACTIVE_NAME, mode, flags, True)
    except RecursionError:
        pass
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit * 3)
    try:
        return _compile(tree, INTERACTIVE_NAME, mode, flags, True)
    finally:
        sys.setrecursionlimit(limit)


# Reporting


def _report(error: BaseException, is_interactive: bool) -> int:
    """Do what the interpreter does with an exception that nobody caught; return the exit code."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    if isinstance(error, SyntaxError) and error.text is None and error.filename == INTERACTIVE_NAME:
        # Code compiled from a syntax tree does not know its text.
        error.text = _line_of_interactive_program(error.lineno)
    _hide_our_frames(error)
    sys.__dict__.update(last_type=type(error), last_value=error, last_traceback=error.__traceback__)
    if sys.version_info >= (3, 12):
        sys.__dict__["last_exc"] = error
    hook = getattr(sys, "excepthook", None)
    if hook is _EXCEPTION_HOOK:
        _write_error(_text_of(error, is_interactive))
    elif hook is None:
        _write_error("sys.excepthook is missing\n" + _text_of(error, is_interactive))
    else:
        try:
            hook(type(error), error, error.__traceback__)
        except SystemExit as leave:
            return _exit_code(leave)
        except BaseException as second:  # noqa: BLE001 - the hook is user code
            _report_broken_hook(second, error, is_interactive)
    return EXIT_INTERRUPTED if type(error) is KeyboardInterrupt else EXIT_ERROR


def _hide_our_frames(error: BaseException) -> None:
    """Let the traceback of `error` begin with the program's first frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals is _GLOBALS:
        trace = trace.tb_next
    _set_traceback(error, trace)


def _line_of_interactive_program(number: int | None) -> str | None:
    """Return one line of the program that `run` registered."""
    entry: Any = _source_lines.get(INTERACTIVE_NAME)
    lines: list[str] = entry[2] if entry else []
    return lines[number - 1] if number is not None and 0 < number <= len(lines) else None


def _report_broken_hook(second: BaseException, first: BaseException, is_interactive: bool) -> None:
    """Show that the user's exception hook raised `second` while it was shown `first`."""
    _hide_our_frames(second)
    _write_error("Error in sys.excepthook:\n" + _text_of(second, is_interactive))
    _write_error("\nOriginal exception was:\n" + _text_of(first, is_interactive))


def _exit_code(error: SystemExit) -> int:
    """Return the exit code that `error` asks for; a value that is no number goes to standard error."""
    value: object = error
    try:
        value = error.code
    except BaseException:  # noqa: BLE001 - a subclass may do anything
        pass
    if value is None:
        return 0
    if isinstance(value, int):
        number = int.__index__(value)
        return number & 0xFF if -(1 << 63) <= number < 1 << 63 else EXIT_OUT_OF_RANGE
    try:
        text = str(value)
    except BaseException:  # noqa: BLE001 - so may its value
        text = ""
    _write_error(text + "\n")
    return EXIT_ERROR


def _text_of(error: BaseException, is_interactive: bool) -> str:
    """Return what the interpreter prints for `error`; for interactive programs with their source lines."""
    trace = error.__traceback__
    stream, buffer = getattr(sys, "stderr", None), _io.StringIO()
    sys.stderr = buffer
    try:
        _EXCEPTION_HOOK(type(error), error, trace)
    finally:
        sys.stderr = stream
    text = buffer.getvalue()
    if _HOOK_SHOWS_INTERACTIVE_SOURCE or not is_interactive:
        return text
    try:
        return _with_suggestions("".join(_format_exception(type(error), error, trace)), text)
    except BaseException:  # noqa: BLE001 - user code may have broken the traceback module
        return text


def _with_suggestions(text: str, hook_text: str) -> str:
    """Add to `text` the "Did you mean" of `hook_text`: until Python 3.12 only the built-in hook finds them."""
    if _SUGGESTION not in hook_text:
        return text
    suggested = {line.rpartition(_SUGGESTION)[0]: line for line in hook_text.split("\n") if _SUGGESTION in line}
    return "\n".join(suggested.get(line, line) for line in text.split("\n"))


def _write_error(text: str) -> None:
    """Write to whatever standard error is now, if it can be written."""
    try:
        stream = sys.stderr
        if stream is not None:
            stream.write(text)
            stream.flush()
    except BaseException:  # noqa: BLE001 - user code may have put anything there
        pass


# Ending


def _join() -> None:
    """Wait for the program's threads.

    Where there are none, asking `threading` about it would take a quarter of a small program's time.
    """
    if getattr(threading, "_shutdown_locks", True) or getattr(threading, "_threading_atexits", True):
        _join_threads()


def _flush(name: str, is_reported: bool) -> bool:
    """Flush one of the standard streams; return whether that worked."""
    try:
        stream = getattr(sys, name, None)
        if stream is None or getattr(stream, "closed", False):
            return True
        stream.flush()
    except BaseException as error:  # noqa: BLE001 - user code may have put anything there
        if is_reported:
            _hide_our_frames(error)
            _write_error(f"Exception ignored in: {stream!r}\n{_text_of(error, False)}")
        return False
    return True


class _Marker:
    """Lives as long as the namespace it is put into."""

    __slots__ = ("__weakref__", "namespace")

    def __init__(self, namespace: dict[str, object]) -> None:
        """Remember the namespace, for the case that it stays alive."""
        self.namespace = namespace


def _release(namespaces: list[dict[str, object]], workspace: str) -> None:
    """Empty `namespaces` and let go of all that the program made.

    So finalizers run, and files that were left open are written. The interpreter would do this on its way out; the
    process itself leaves by a shorter way.
    """
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        sys.__dict__.pop(name, None)
    builtins.__dict__.pop("_", None)
    for name in ("stdin", "stdout", "stderr"):
        sys.__dict__[name] = sys.__dict__.get(f"__{name}__")
    prefix = workspace.rstrip("/") + "/"
    for name in _imported_by_program():
        location = getattr(sys.modules.get(name), "__file__", None)
        if name == "__main__" or (type(location) is str and location.startswith(prefix)):
            sys.modules.pop(name, None)
    # While all is still alive: this puts containers before what they contain, and finalizers are called in that order.
    # Otherwise a file in a cycle would be closed before the buffer in front of it is written.
    _collect()
    survivor = _mark(namespaces.pop())
    _collect()
    marker = survivor()
    if marker is not None and len(_running_frames()) == 1:
        _clear(marker.namespace)
        _collect()


def _imported_by_program() -> list[str]:
    """Return the names of the modules that came with the program or after it.

    The others were warm, and looking at them would copy the pages they are on.
    """
    names = []
    for name in reversed(sys.modules):
        names.append(name)
        if name == "__main__":
            break
    return names


def _mark(namespace: dict[str, object]) -> weakref.ref[_Marker]:
    """Return a reference that is dead as soon as `namespace` is."""
    marker = _Marker(namespace)
    namespace[" marker"] = marker
    return _weak_reference(marker)


def _clear(namespace: dict[str, object]) -> None:
    """Empty a module that something else keeps alive: private names first, as the interpreter does."""
    for is_private_round in (True, False):
        for name in list(namespace):
            is_private = name.startswith("_") and not name.startswith("__")
            if name != "__builtins__" and is_private is is_private_round:
                namespace[name] = None
