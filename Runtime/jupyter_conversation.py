"""One kernel and all that is said with it: requests, what it publishes, its pipes, its end, and interrupts."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from types import FrameType

import frames
import jupyter_deno
import jupyter_kernel
import jupyter_output
import jupyter_wire

#: How long a kernel may take until it answers for the first time, in seconds.
START_SECONDS = 60.0
#: How long its answer may take before the question is repeated: a subscription that is late misses the first one.
QUESTION_SECONDS = 0.5
#: How long its channel for input may take when the others are there; some kernels, as Deno, have none.
STDIN_SECONDS = 1.0
#: How long it may be silent when it has given one of the two signs that an execution ended, or was asked something
#: that takes no time.
QUIET_SECONDS = 5.0
#: How long a reply may take after the kernel said that it is idle: it was sent before.
REPLY_SECONDS = 1.0
#: How long a dead kernel's last messages may take.
LAST_WORDS_SECONDS = 0.3
#: How many messages, or pieces of text, are passed on before anything else is looked at.
MAXIMUM_AT_ONCE = 256

_MARK = "code_interpreter_mark"

Reply = dict[str, object]


class KernelDied(Exception):
    """The kernel's process ended; says how."""


class NoAnswer(Exception):
    """The kernel did not come up in time."""


class Conversation:
    """What the bridge and its kernel say to each other.

    Everything here raises `KernelDied` when the kernel ends, `EOFError` when the server closes the channel, and
    `OSError` when it is gone.
    """

    def __init__(
        self,
        channel: frames.Channel,
        kernel: jupyter_kernel.Kernel,
        connection: jupyter_wire.Connection,
        output: jupyter_output.Output,
    ) -> None:
        """Listen to a kernel that was just started; what it prints and shows goes to `output`."""
        self._kernel = kernel
        self._output = output
        self._wire = jupyter_wire.Wire(connection)
        self._server = socket.socket(fileno=os.dup(channel.fileno()))
        self._is_server_read = True
        for descriptor in (kernel.end, *kernel.pipes):
            self._wire.watch(descriptor)
        self._is_open = self._is_capturing = False
        #: Whether it is Deno's kernel.
        self.is_deno = False
        # The user's request, whose errors are shown, and those whose results are.
        self._request = ""
        self._results: tuple[str, ...] = ()
        # Interrupting: whether there is something to interrupt, and whether the kernel has begun with it.
        self._is_running = self._has_begun = False
        #: Whether the last execution was interrupted.
        self.is_interrupted = False

    # What the bridge does

    def open(self) -> None:
        """Wait until the kernel answers on both of its channels. Raises `NoAnswer` when it does not."""
        deadline = time.monotonic() + START_SECONDS
        is_heard = is_answered = False
        questions: set[str] = set()
        asked_at = -QUESTION_SECONDS
        while not (is_heard and is_answered):
            now = time.monotonic()
            if now > deadline:
                raise NoAnswer
            if now >= asked_at + QUESTION_SECONDS:
                questions.add(self._wire.request("shell", "kernel_info_request", {}))
                asked_at = now
            if self._server.fileno() in self._events(min(deadline, asked_at + QUESTION_SECONDS) - now):
                self._look_at_server()
            while (heard := self._wire.receive("iopub")) is not None:
                is_heard = is_heard or heard.parent in questions
            while (answer := self._wire.receive("shell")) is not None:
                if answer.parent in questions and answer.kind == "kernel_info_reply":
                    is_answered = True
                    self.is_deno = str(answer.content.get("implementation", "")).startswith("Deno")
                    # Kernels made with ipykernel catch what is written to their pipes, and say so themselves.
                    self._is_capturing = "supported_features" in answer.content
        if not self.is_deno:
            self._wire.wait_for_stdin(STDIN_SECONDS)
        self._is_open = True
        signal.signal(signal.SIGINT, self._on_interrupt)

    def wait_for_server(self) -> None:
        """Wait until there is something to read on the channel."""
        self._is_server_read = True
        while self._server.fileno() not in self._events(None):
            self._take_published()
            while self._wire.receive("shell") is not None:
                pass

    def run(self, code: str) -> Reply | None:
        """Run the user's code, which can be interrupted, and pass on all that comes of it. Returns the reply."""
        self.is_interrupted = self._has_begun = False
        self._is_running = True
        try:
            reply = self._ask(code, is_silent=False)
            if self.is_deno:
                # It says that it is done before it has sent all that was printed.
                mark = secrets.token_hex(16)
                self._ask(jupyter_deno.mark_code(_MARK, mark), is_silent=True, mark=mark)
            return reply
        finally:
            self._is_running = False
            self._request, self._results = "", ()

    def run_silently(self, code: str) -> str | None:
        """Run code of ours, which leaves no trace. Returns what went wrong."""
        reply = self._ask(code, is_silent=True, quiet=QUIET_SECONDS)
        if reply is None:
            return "the kernel did not answer"
        return None if reply.get("status") == "ok" else str(reply.get("evalue", "the kernel refused"))

    def _ask(self, code: str, *, is_silent: bool, mark: str | None = None, quiet: float | None = None) -> Reply | None:
        """Have code run, and pass on what comes of it until the kernel is idle again and has replied.

        With a `mark`, until that comes too. Returns the reply; None where none came. When the kernel has given one of
        these signs and is silent then, the others are not waited for; with `quiet`, not even for the first.
        """
        request: Reply = {"code": code, "silent": is_silent, "store_history": not is_silent, "allow_stdin": False}
        request |= {"user_expressions": {}, "stop_on_error": False}
        identity = self._wire.request("shell", "execute_request", request)
        if not is_silent:
            self._request, self._results = identity, (identity,)
        elif mark is not None:
            # Deno says of what it sends late that it belongs to the latest request.
            self._results = (self._request, identity)
        reply: Reply | None = None
        is_idle, has_mark = False, mark is None
        while not (is_idle and has_mark and reply is not None):
            if reply is not None or mark is not None:
                quiet = QUIET_SECONDS
            events = self._events(REPLY_SECONDS if is_idle and has_mark else quiet)
            if not events:
                break
            if self._server.fileno() in events:
                self._look_at_server()
            for message in self._take_published():
                has_mark = has_mark or (message.kind == _MARK and message.content.get("mark") == mark)
                if message.parent == identity and message.kind == "status":
                    is_idle = is_idle or message.content.get("execution_state") == "idle"
            while (answer := self._wire.receive("shell")) is not None:
                if answer.parent == identity and answer.kind == "execute_reply":
                    reply = answer.content
                    has_mark = has_mark or reply.get("status") != "ok"
        return reply

    # What comes from the kernel and the server

    def _events(self, seconds: float | None) -> set[str | int]:
        """Wait for something to happen, and pass on what is in the kernel's pipes."""
        self._output.flush()
        if self._is_server_read:
            self._wire.watch(self._server.fileno())
        else:
            self._wire.ignore(self._server.fileno())
        events = self._wire.wait(seconds)
        if any(pipe in events for pipe in self._kernel.pipes):
            self._read_pipes()
        if "stdin" in events:
            self._refuse_input()
        if self._kernel.end in events:
            self._take_last_words()
            raise KernelDied(self._kernel.ending())
        return events

    def _look_at_server(self) -> None:
        """Find out why the channel is readable although it is not the server's turn."""
        if not self._server.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            raise EOFError
        self._is_server_read = False

    def _take_last_words(self) -> None:
        """Pass on what a dead kernel had sent before."""
        while self._wire.wait(LAST_WORDS_SECONDS, "iopub"):
            self._take_published()
        self._read_pipes()

    def _read_pipes(self) -> None:
        """Pass on what programs printed that write to the kernel's own standard output and error."""
        for pipe, name in list(self._kernel.pipes.items()):
            for _ in range(MAXIMUM_AT_ONCE):
                data = self._kernel.read(pipe)
                if not data:
                    break
                if self._is_shown(name):
                    self._output.stream(name, data.decode("utf-8", "replace"))
            if pipe not in self._kernel.pipes:
                self._wire.ignore(pipe)

    def _is_shown(self, name: str) -> bool:
        """Whether what comes in one of the kernel's pipes is likely to be a program's, not the kernel's own."""
        if self._is_capturing or not self._is_open:
            return False
        return name == "stdout" or (self._is_running and not self.is_interrupted)

    def _take_published(self) -> list[jupyter_wire.Message]:
        """Pass on what the kernel publishes, and return it.

        Text is shown whatever it belongs to: it may come from a thread of an earlier execution.
        """
        taken: list[jupyter_wire.Message] = []
        while len(taken) < MAXIMUM_AT_ONCE and (message := self._wire.receive("iopub")) is not None:
            taken.append(message)
            kind, content = message.kind, message.content
            if kind == "stream" and isinstance(content.get("text"), str):
                self._output.stream(str(content.get("name")), content["text"])
            elif kind == "display_data":
                self._output.display(content, is_main=False)
            elif kind == "execute_result" and message.parent in self._results:
                self._output.display(content, is_main=True)
            elif not message.parent or message.parent != self._request:
                continue
            elif kind == "error":
                self._output.error(content.get("ename"), content.get("evalue"), content.get("traceback"))
            elif kind == "execute_input":
                self._begin()
        return taken

    def _refuse_input(self) -> None:
        """Answer a kernel that asks for input although it was told that there is none."""
        while (question := self._wire.receive("stdin")) is not None:
            if question.kind == "input_request":
                self._output.stream("stderr", "[input was asked for; there is none]\n")
                self._wire.request("stdin", "input_reply", {"value": ""})

    # Interrupting

    def _begin(self) -> None:
        """Note that the kernel runs the code by now, and can be interrupted."""
        self._has_begun = True
        if self.is_interrupted:
            self._interrupt()

    def _on_interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Do what the server wants with SIGINT."""
        if self._is_running:
            self.is_interrupted = True
            if self._has_begun:
                self._interrupt()

    def _interrupt(self) -> None:
        if self._kernel.spec.interrupt_mode == "signal":
            self._kernel.interrupt()
        else:
            self._wire.request("control", "interrupt_request", {})
