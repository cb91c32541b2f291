"""The main process of a sandbox: what a zygote's child does once it is confined.

It sheds what it shares with its siblings, rehearses, says ``ready``, waits for a program, runs it and says ``done``.
"""

from __future__ import annotations

import builtins
import os
import posix
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

import frames
import script
import warm

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: The exit code when our own code failed; init and the entry library use it too.
EXIT_BROKEN = 125
#: How often the last steps are tried again when a signal handler of the program breaks into them.
ATTEMPTS = 5

# Run before `ready`: it takes the path that every program takes, so that the pages on it are the child's own by then.
# More of Python in it would only cost those who do not need it; measured for hello, it halves the time from `run` to
# `done`.
_REHEARSAL = "print('hello')\n1 + 1\n"

#: What is hidden from programs.
_RUNTIME_MODULES = ["__main__", "child", "frames", "script", "settled", "warm"]
_FOLDER = os.path.dirname(__file__)
_PLACES = (_FOLDER, *(os.path.join(_FOLDER, name) for name in ("zygote.py", "guest.py")))

#: What a Python process does with signals; on the way into the sandbox all became the system's defaults.
_DISPOSITIONS: tuple[tuple[int, object], ...] = (
    (signal.SIGINT.value, signal.default_int_handler),
    (signal.SIGPIPE.value, signal.SIG_IGN.value),
    (signal.SIGXFSZ.value, signal.SIG_IGN.value),
)

# Bound now: user code may replace the functions of these modules.
_close = posix.close
_dup2 = posix.dup2
_exit = posix._exit
_fstat = posix.fstat
_getpid = posix.getpid
_mask_signals: Callable[[int, Iterable[int]], object] = getattr(sys.modules["_signal"], "pthread_sigmask")
_open = posix.open

_set_signal: Callable[[int, object], object] = getattr(sys.modules["_signal"], "signal")
_BLOCK = signal.SIG_BLOCK.value
_ALL_SIGNALS = signal.valid_signals()


def serve(channel_fd: int, kind: str) -> NoReturn:
    """Be the main process of a sandbox whose channel is `channel_fd`; `kind` names the zygote it came from.

    Called once, in a freshly forked and confined child, descriptors 0 to 2 being /dev/null. Ends the process: with the
    program's exit code, with 0 when the server closes the channel before it sends a program, with 125 when something of
    ours breaks.
    """
    try:
        channel = frames.Channel(channel_fd)
        try:
            _prepare()
            channel.send({"type": "ready"})
            program, arguments = _receive_program(channel)
        except EOFError:
            _exit(0)
        except BaseException as error:  # noqa: BLE001 - there is nobody else to tell
            tell_failure(channel, kind, error)
            _exit(EXIT_BROKEN)
        process = _getpid()
        keep_from_forks(channel_fd)
        code = _run(program, arguments)
        _finish(channel if process == _getpid() else None, code)
    finally:
        _exit(EXIT_BROKEN)


# Before the program


def _prepare() -> None:
    """Make this process what a freshly started interpreter would be."""
    become_fresh()
    script.open_streams()
    script.execute(_REHEARSAL, "", True, script.make_main("/").__dict__)
    builtins.__dict__.pop("_", None)


def become_fresh() -> None:
    """Shed what a child shares with its siblings; for every kind of zygote."""
    _hide_runtime()
    for number, handler in _DISPOSITIONS:
        _set_signal(number, handler)
    warm.reseed()


def hide_later(names: Iterable[str]) -> None:
    """Have more modules hidden in children; for their parent, when it has imported them."""
    _RUNTIME_MODULES.extend(names)


def _hide_runtime() -> None:
    """Take the runtime out of what a program sees by looking around: its modules and its folder on the path.

    By name: looking at every module would copy the pages they are on, 1,600 in a full zygote, for this process alone.
    """
    for name in _RUNTIME_MODULES:
        sys.modules.pop(name, None)
    if _FOLDER in sys.path:
        sys.path.remove(_FOLDER)
    for place in _PLACES:
        sys.path_importer_cache.pop(place, None)


def _receive_program(channel: frames.Channel) -> tuple[script.Program, list[str]]:
    """Wait for a program, make its descriptors 0 to 2, and return it with its arguments."""
    frame, descriptors = channel.receive()
    code, filename = frame.get("code"), frame.get("filename")
    arguments, environment = frame.get("arguments", []), frame.get("environment", {})
    is_interactive = frame.get("interactive", False)
    if frame["type"] != "run" or len(descriptors) != 3 or not isinstance(code, str) or not isinstance(filename, str):
        raise frames.FrameError("expected a program and its three descriptors")
    if not isinstance(arguments, list) or not isinstance(environment, dict):
        raise frames.FrameError("arguments are a list, the environment is an object")
    for target, descriptor in enumerate(descriptors):
        _dup2(descriptor, target)
        _close(descriptor)
    os.environ.update(environment)
    if "TZ" in environment:
        time.tzset()
    return script.Program(code, filename, is_interactive is True), [str(argument) for argument in arguments]


def tell_failure(channel: frames.Channel, kind: str, error: BaseException) -> None:
    """Say why this process gives up, if the server still listens."""
    number = error.errno if isinstance(error, OSError) else None
    message = f"{kind}: {type(error).__name__}: {error}"[:1000]
    try:
        channel.send({"type": "failed", "step": -1, "errno": number or 0, "message": message})
    except BaseException:  # noqa: BLE001 - the exit code says it too
        pass


# The program and after


def _run(program: script.Program, arguments: list[str]) -> int:
    """Run the program to its exit code.

    A signal handler of the program may raise between any two of our own steps; what is known by then stays.
    """
    code = script.EXIT_ERROR
    try:
        code = program.run(arguments)
    except BaseException:  # noqa: BLE001 - see above
        pass
    try:
        code = program.end(code)
    except BaseException:  # noqa: BLE001 - see above
        pass
    return code


def _finish(channel: frames.Channel | None, code: int) -> NoReturn:
    """Leave the output pipes, say `done` over `channel`, and end with `code`.

    Nothing that the program has set up can stop that. Without `done` the wait status tells the same, only later.
    """
    for _ in range(ATTEMPTS):
        try:
            _mask_signals(_BLOCK, _ALL_SIGNALS)
            _leave_streams()
            sender, channel = channel, None
            if sender is not None:
                sender.send_encoded(b'{"type":"done","exit_code":%d}' % code)
            break
        except BaseException:  # noqa: BLE001, S112 - a signal handler of the program raised in here
            continue
    _exit(code)


def _leave_streams() -> None:
    """Point descriptors 0 to 2 to nowhere, so that the readers of the pipes see their end."""
    try:
        nowhere = _open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    except OSError:
        # No descriptor may be left to open one; then nothing else can be opened at these numbers either.
        for number in range(3):
            try:
                _close(number)
            except OSError:
                pass
        return
    for number in range(3):
        _dup2(nowhere, number)


def keep_from_forks(channel_fd: int) -> None:
    """Have the channel closed in what the program forks: only the main process answers for the sandbox."""
    identity = _identity(channel_fd)

    def leave() -> None:
        if identity is not None and identity == _identity(channel_fd):
            _close(channel_fd)

    os.register_at_fork(after_in_child=leave)


def _identity(descriptor: int) -> tuple[int, int] | None:
    """Return what tells one open file from another; None where nothing is open."""
    try:
        status = _fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino
