"""Cells: the executions of a context, one after the other, on the event loop that goes on between them."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import contextvars
import os
import posix
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import display
import frames
import kernel as kernels
import output

# A private copy: what user code does to the module `builtins` must not reach the functions below.
globals()["__builtins__"] = dict(vars(builtins))

#: The exit code when our own code failed, see child.py.
EXIT_BROKEN = 125

#: Displays between executions wait for the next one; of more than this the rest is left out.
MAXIMUM_LATE, MAXIMUM_LATE_BYTES = 100, 32 << 20

#: States: nothing runs; an execution was accepted; its code runs; its end is being told.
_IDLE, _STARTING, _RUNNING, _ENDING = range(4)

#: Execution counts that a server need not believe.
_MAXIMUM_COUNT = 1 << 53
#: How often the last steps of an execution are tried again when user code breaks into them.
_ATTEMPTS = 20
#: How often the event loop may end at once before it counts as broken.
_MAXIMUM_ESCAPES = 1000

_RESETS: tuple[tuple[Callable[[Any], object], object], ...] = (
    (sys.setprofile, None),
    (sys.settrace, None),
    (sys.setrecursionlimit, 1000),
)

# Bound now: user code may replace the functions of these modules.
_clock = time.monotonic
_current_task = asyncio.current_task
_exit = posix._exit
_format_error = traceback.format_exception_only
_getpid = posix.getpid
_run_exit_functions: Callable[[], None] = getattr(atexit, "_run_exitfuncs")
_set_signal: Callable[[int, object], object] = getattr(sys.modules["_signal"], "signal")
_raise_interrupt = signal.default_int_handler
_set_time_zone = time.tzset
_Task = asyncio.Task
_ABSENT = object()
_SIGINT = signal.SIGINT.value


class Cells:
    """Receives executions over the channel and answers each."""

    def __init__(self, kernel: kernels.Kernel, channel: frames.Channel, outlets: output.Outlets) -> None:
        """Take over the channel."""
        self._kernel = kernel
        self._channel = channel
        self._outlets = outlets
        self._environment = os.environ
        # One for all executions: what a cell sets, such as the precision of decimals, counts in the next.
        self._context = contextvars.copy_context()
        self._ask_exit: Callable[[], None] = kernel.shell.ask_exit
        kernel.shell.ask_exit = self._ask_exit_of_this_cell
        self._process = _getpid()
        self._state = _IDLE
        self._id = 0
        self._task: asyncio.Task[None] | None = None
        self._reply: dict[str, Any] | None = None
        self._was_interrupted = False
        self._has_started = self._told_error = False
        self._saved: dict[str, object] = {}
        self._late: list[tuple[bytes, bytes]] = []
        self._left_out = 0
        self._escapes = 0

    def run(self, loop: asyncio.AbstractEventLoop, channel_fd: int) -> NoReturn:
        """Serve until the server closes the channel or an execution ends the interpreter."""
        self._loop = loop
        self._kernel.publish = self._publish
        self._kernel.handle_interrupt = self._interrupt_awaiting
        _set_signal(_SIGINT, self._note_interrupt)
        loop.add_reader(channel_fd, self._receive)
        while self._escapes < _MAXIMUM_ESCAPES:
            try:
                self._run_loop()
            except BaseException:  # noqa: BLE001 - an interrupt between two runs of the loop
                pass
        _exit(EXIT_BROKEN)

    def _run_loop(self) -> None:
        """Run the event loop until something ends it, and make good what was lost thereby."""
        began = _clock()
        try:
            self._loop.run_forever()
        except BaseException:  # noqa: BLE001 - user code runs in there, and its KeyboardInterrupt comes through
            pass
        self._escapes = self._escapes + 1 if _clock() - began < 0.001 else 0
        if self._process != _getpid():
            _exit(0)
        if self._state != _IDLE and self._task is not None and self._task.done():
            self._finish(self._task)

    # Beginning

    def _receive(self) -> None:
        """Accept one execution."""
        if self._process != _getpid():
            _exit(0)
        try:
            frame, descriptors = self._channel.receive()
        except (EOFError, OSError):
            _exit(0)
        except frames.FrameError:
            _exit(EXIT_BROKEN)
        number, code, environment = frame.get("id"), frame.get("code"), frame.get("environment", {})
        if (
            frame["type"] != "execute"
            or descriptors
            or self._state != _IDLE
            or type(number) is not int
            or not isinstance(code, str)
            or not isinstance(environment, dict)
        ):
            _exit(EXIT_BROKEN)
        self._id, self._state = number, _STARTING
        self._has_started = self._told_error = self._was_interrupted = False
        self._reply = None
        _set_signal(_SIGINT, self._note_interrupt)
        self._task = _Task(self._execute(code, environment), loop=self._loop, context=self._context)
        self._task.add_done_callback(self._finish)

    async def _execute(self, code: str, environment: dict[str, object]) -> None:
        """Run one cell, and what belongs to its end but is user code."""
        self._outlets.repair()
        self._start()
        header = {"msg_id": str(self._id), "msg_type": "execute_request", "session": "", "username": "user"}
        self._kernel.set_parent([], {"header": header, "metadata": {}, "content": {}}, "shell")
        self._state = _RUNNING
        # In C: it leaves no frame in tracebacks.
        _set_signal(_SIGINT, _raise_interrupt)
        if self._was_interrupted:
            raise KeyboardInterrupt
        self._set_environment(environment)
        try:
            self._reply = await self._kernel.do_execute(code, False, True, {}, False)
        finally:
            if self._process != _getpid():
                self._flush()
                _exit(0)
        for payload in self._reply.get("payload", []):
            # What a notebook shows in its pager.
            if payload.get("source") == "page" and isinstance(payload.get("data"), dict):
                self._publish("display_data", {"data": payload["data"]})
        if self._kernel.shell.exit_now:
            _run_exit_functions()
        self._flush()

    def _start(self) -> None:
        """Say that the execution has begun, which number it has, and what was displayed before."""
        shell = self._kernel.shell
        shell.exit_now = False
        count = shell.execution_count
        is_number = type(count) is int and 0 <= count < _MAXIMUM_COUNT
        self._send(b"started", b'"execution_count":%d}' % (count if is_number else 0))
        self._has_started = True
        late, self._late = self._late, []
        for name, body in late:
            self._send(name, body)
        if self._left_out:
            text = f"[{self._left_out} more displays between two cells were left out.]"
            self._left_out = 0
            self._send(b"display", display.encode_display(False, {display.TEXT: text}))

    def _flush(self) -> None:
        """Flush what user code may have put in place of our streams, which hold nothing back."""
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except Exception:  # noqa: BLE001 - it is user code
                pass

    def _ask_exit_of_this_cell(self) -> None:
        """End the interpreter with this execution; a task of an earlier one does not."""
        header = self._kernel.shell.get_parent().get("header", {})
        if self._state == _RUNNING and header.get("msg_id") == str(self._id):
            self._ask_exit()

    def _set_environment(self, environment: dict[str, object]) -> None:
        """Set variables for this execution."""
        for name, value in environment.items():
            if not isinstance(value, str):
                raise TypeError(f"environment variable {name!r} is no text")
            self._saved.setdefault(name, self._environment.get(name, _ABSENT))
            self._environment[name] = value
        if "TZ" in environment:
            _set_time_zone()

    def _restore_environment(self) -> None:
        """Undo `_set_environment`, whatever the code did to the variables."""
        has_zone = "TZ" in self._saved
        while self._saved:
            name, value = self._saved.popitem()
            if isinstance(value, str):
                self._environment[name] = value
            else:
                self._environment.pop(name, None)
        if has_zone:
            _set_time_zone()

    # What the kernel says

    def _publish(self, kind: str, content: dict[str, Any]) -> None:
        """Send what a notebook would show; called on any thread, at any time."""
        if self._process != _getpid():
            return
        if kind in ("execute_result", "display_data"):
            body = display.encode_display(kind == "execute_result", content["data"])
            name = b"display"
        elif kind == "error":
            body = display.encode_error(content["ename"], content["evalue"], content["traceback"])
            name = b"error"
        else:
            return
        if self._state == _IDLE:
            held = sum(len(fields) for _, fields in self._late)
            if len(self._late) < MAXIMUM_LATE and held + len(body) <= MAXIMUM_LATE_BYTES:
                self._late.append((name, body))
            else:
                self._left_out += 1
            return
        self._told_error = self._told_error or kind == "error"
        self._send(name, body)

    def _send(self, name: bytes, fields: bytes) -> None:
        self._outlets.send(b'{"type":"%b","id":%d,%b' % (name, self._id, fields))

    # Ending

    def _note_interrupt(self, _number: int, _frame: object) -> None:
        """Handle SIGINT while no code runs: it counts for an execution that is about to begin."""
        self._was_interrupted = self._state == _STARTING

    def _interrupt_awaiting(self, _number: int, _frame: object) -> None:
        """Handle SIGINT while a cell runs that awaits."""
        awaiting = self._kernel.awaiting
        if awaiting is None or self._was_interrupted or _current_task(self._loop) is awaiting:
            raise KeyboardInterrupt
        # Nothing of the cell is on the stack. The event loop would not survive an exception, so it gets a request.
        self._was_interrupted = True
        self._loop.call_soon_threadsafe(awaiting.cancel)

    def _finish(self, task: asyncio.Task[None]) -> None:
        """Tell the end of an execution; nothing its code has set up can stop that."""
        if self._state == _IDLE:
            return
        self._state = _ENDING
        for _ in range(_ATTEMPTS):
            try:
                self._tell_end(task)
                return
            except BaseException:  # noqa: BLE001 - a signal handler or a trace function of user code
                if self._state == _IDLE:
                    # Nobody knows whether `done` was sent.
                    _exit(EXIT_BROKEN)
                for reset, value in _RESETS:
                    try:
                        reset(value)
                    except BaseException:  # noqa: BLE001, S110 - see above
                        pass
        _exit(EXIT_BROKEN)

    def _tell_end(self, task: asyncio.Task[None]) -> None:
        """Restore what the execution changed, send the error that nobody told yet, and `done`."""
        _set_signal(_SIGINT, self._note_interrupt)
        self._restore_environment()
        if not self._has_started:
            self._has_started = True
            self._send(b"started", b'"execution_count":0}')
        if not self._told_error:
            fields = self._untold_error(task)
            self._told_error = True
            if fields is not None:
                self._send(b"error", fields)
        ends = bool(self._kernel.shell.exit_now)
        self._outlets.turn_to(output.CHANNEL)
        self._state, self._task = _IDLE, None
        self._outlets.send(b'{"type":"done","id":%d%b}' % (self._id, b',"ends":true' if ends else b""))
        if ends:
            _exit(0)

    def _untold_error(self, task: asyncio.Task[None]) -> bytes | None:
        """Return the fields of the error that ended the execution without being shown, if one did."""
        error: BaseException | None
        try:
            error = task.exception()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        if error is not None:
            try:
                lines = _format_error(type(error), error)
            except Exception:  # noqa: BLE001 - user code runs in there
                lines = []
            return display.encode_error(type(error).__name__, error, "".join(lines).rstrip("\n"))
        reply = self._reply or {}
        if reply.get("status") == "error":
            return display.encode_error(reply.get("ename"), reply.get("evalue"), reply.get("traceback") or [])
        return None
