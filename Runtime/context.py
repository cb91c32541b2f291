"""The main process of a context: what a child of the zygote of kind `notebook` does once it is confined.

It sheds what it shares with its siblings, rehearses, says ``ready`` and waits to hear which language it is to speak.
Python is spoken by the kernel that the zygote made; every other language by a kernel of its own, behind the bridge.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import posix
import signal
import sys
import time
from typing import Any, NoReturn

import child
import frames
import output

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: What the zygote imports beyond what programs do.
IMPORTS = ("asyncio", "jupyter_bridge")

PYTHON = "python"

# What the zygote made: the modules of the kernel, the kernel, and the bridge to others.
_made: dict[str, Any] = {}

_exit = posix._exit


class Refusal(Exception):
    """A context that cannot be; `reason` is one of the protocol's words."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def prepare() -> None:
    """Make the kernel; to be called once, in the zygote, when all else is imported."""
    import cells
    import kernel
    import warm

    _made.update(cells=cells, kernels=kernel, kernel=kernel.make(), bridge=sys.modules.get("jupyter_bridge"))
    folder = os.path.dirname(__file__)
    child.hide_later(name for name, module in list(sys.modules.items()) if _is_in(folder, module))
    if "matplotlib.font_manager" in sys.modules:
        warm.forget_fonts()


def serve(channel_fd: int, kind: str) -> NoReturn:
    """Be a context whose channel is `channel_fd`; the counterpart of `child.serve`, see there."""
    try:
        channel = frames.Channel(channel_fd, frames.MAXIMUM_SENT_BY_CONTEXT)
        try:
            child.become_fresh()
            # Until something runs nobody is interrupted.
            signal.signal(signal.SIGINT, lambda *_: None)
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            _made["kernels"].wake(_made["kernel"], loop)
            channel.send({"type": "ready"})
            opening, descriptors = _receive_opening(channel)
        except EOFError:
            _exit(0)
        except BaseException as error:  # noqa: BLE001 - there is nobody else to tell
            child.tell_failure(channel, kind, error)
            _exit(child.EXIT_BROKEN)
        try:
            if opening["language"] == PYTHON:
                _speak_python(channel, channel_fd, loop, opening, descriptors)
            _speak_other(channel, loop, opening, descriptors)
        except Refusal as refusal:
            channel.send({"type": "refused", "reason": refusal.reason, "message": str(refusal)[:1000]})
            _exit(0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server hears of it
            channel.send({"type": "refused", "reason": "start", "message": f"{type(error).__name__}: {error}"[:1000]})
            _exit(0)
    finally:
        _exit(child.EXIT_BROKEN)


def _receive_opening(channel: frames.Channel) -> tuple[dict[str, Any], list[int]]:
    """Wait for what the context is to be."""
    frame, descriptors = channel.receive()
    environment = frame.setdefault("environment", {})
    if frame["type"] != "context" or len(descriptors) != 2:
        raise frames.FrameError("expected a context and its two pipes")
    if not isinstance(frame.get("language"), str) or not isinstance(frame.get("cwd"), str):
        raise frames.FrameError("language and directory are texts")
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        raise frames.FrameError("the environment is an object of texts")
    return frame, descriptors


def _is_in(folder: str, module: object) -> bool:
    """Whether a module is one of the runtime's."""
    return os.path.dirname(getattr(module, "__file__", None) or "") == folder


def _speak_python(
    channel: frames.Channel,
    channel_fd: int,
    loop: asyncio.AbstractEventLoop,
    opening: dict[str, Any],
    descriptors: list[int],
) -> NoReturn:
    """Serve with the kernel that the zygote made."""
    kernel, kernels = _made["kernel"], _made["kernels"]
    os.environ.update(kernels.ENVIRONMENT)
    os.environ.update(opening["environment"])
    if not kernels.has_network():
        # What is there counts as found, and what is not is refused at once instead of after many attempts.
        os.environ.setdefault("PIP_NO_INDEX", "1")
        os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    if "TZ" in opening["environment"]:
        time.tzset()
    try:
        kernels.move(kernel, opening["cwd"])
    except (OSError, ValueError) as error:
        raise Refusal("directory", f"{opening['cwd']}: {_reason(error)}") from error
    outlets = output.Outlets(channel, channel_fd)
    outlets.open(descriptors)
    child.keep_from_forks(channel_fd)
    os.register_at_fork(after_in_child=outlets.leave)
    cells = _made["cells"].Cells(kernel, channel, outlets)
    channel.send({"type": "opened"})
    cells.run(loop, channel_fd)
    _exit(child.EXIT_BROKEN)


def _speak_other(
    channel: frames.Channel, loop: asyncio.AbstractEventLoop, opening: dict[str, Any], descriptors: list[int]
) -> NoReturn:
    """Serve with a kernel of another language."""
    bridge: Any = _made["bridge"]
    if bridge is None:
        raise Refusal("language", f"{opening['language']}: there is no bridge to other languages")
    asyncio.set_event_loop(None)
    loop.close()
    bridge.serve(channel, opening, descriptors)
    _exit(child.EXIT_BROKEN)


def _reason(error: Exception) -> str:
    """Say in words what an `OSError` is about, without repeating the path."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
