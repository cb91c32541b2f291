"""A context of another language: stands between the server's frames and a Jupyter kernel, its child.

The kernel runs user code, so whatever it sends is user code's word (see jupyter_wire). It cannot keep an execution from
ending when it has said that it is done, and what else it says counts for nothing but what is shown.

A zygote may import it: ZeroMQ, which has threads, is imported by `serve`.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from typing import NoReturn

import frames
import jupyter_deno
import jupyter_kernel
import jupyter_output
import jupyter_variables
import jupyter_wire
from jupyter_conversation import Conversation, KernelDied, NoAnswer, Reply

#: How much of a kernel's complaint stands in an error, in characters.
MAXIMUM_REASON = 2000


class Refused(Exception):
    """The context cannot be opened."""

    def __init__(self, reason: str, message: str) -> None:
        """`reason` is one of the protocol's words."""
        super().__init__(message)
        self.reason = reason


def serve(channel: frames.Channel, opening: dict[str, object], descriptors: list[int]) -> NoReturn:
    """Be the context that `opening`, a `context` frame, asks for, until the server closes `channel`.

    Called once, by a confined process that is leader of a process group, whose SIGINT is the server's interrupt.
    `descriptors` are closed: a kernel's output travels in frames. Ends the process: with 0 when the channel was closed
    or the context refused, with 1 when the kernel died.
    """
    status = 1
    bridge = None
    try:
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        for descriptor in descriptors:
            os.close(descriptor)
        bridge = Bridge(channel, opening)
        bridge.open()
        bridge.run()
    except Refused as refusal:
        channel.send(
            {"type": "refused", "reason": refusal.reason, "message": jupyter_output.sound(str(refusal))},
        )
        status = 0
    except (EOFError, OSError):
        # The server is gone, or does not want this context any more.
        status = 0
    except KernelDied:
        pass
    except BaseException as error:  # noqa: BLE001 - whatever it is, the context ends here
        sys.stderr.write(f"bridge: {error!r}\n")
    finally:
        if bridge is not None:
            bridge.close()
        os._exit(status)


class Bridge:
    """One kernel and the server's end of its context."""

    def __init__(self, channel: frames.Channel, opening: dict[str, object]) -> None:
        """Start the kernel. Raises `Refused`."""
        self._channel = channel
        spec, folder, environment = _understand(opening)
        connection = jupyter_wire.choose_connection(spec.is_tcp, spec.is_encrypted)
        try:
            self._kernel = jupyter_kernel.Kernel(spec, folder, environment, connection.text())
        except OSError as error:
            raise Refused("start", f"the kernel {spec.name} cannot be started: {error}") from error
        self._output = jupyter_output.Output(channel)
        self._conversation = Conversation(channel, self._kernel, connection, self._output)
        self._variables = jupyter_variables.Variables(spec.language)
        self._count = 0
        # Whether the program asked for the end of its interpreter.
        self._is_over = False

    def open(self) -> None:
        """Wait for the kernel and say that it is there. Raises `Refused` when it does not come."""
        name = self._kernel.spec.name
        try:
            self._conversation.open()
        except KernelDied as death:
            raise Refused("start", self._with_complaint(f"the kernel {name} ended with {death}")) from death
        except NoAnswer as error:
            raise Refused("start", self._with_complaint(f"the kernel {name} does not answer")) from error
        self._channel.send({"type": "opened"})

    def run(self) -> NoReturn:
        """Carry out executions. Raises `EOFError` when the server closes the channel, `KernelDied` likewise."""
        while True:
            self._conversation.wait_for_server()
            frame, descriptors = self._channel.receive()
            for descriptor in descriptors:
                os.close(descriptor)
            if frame["type"] == "execute":
                self._execute(frame)

    def close(self) -> None:
        """End the kernel and what it started."""
        self._kernel.kill()

    def _execute(self, frame: dict[str, object]) -> None:
        """Carry out one execution, from `started` to `done`."""
        code, environment = str(frame.get("code", "")), _variables_of(frame.get("environment"))
        is_blank = not code.strip()
        self._count += not is_blank
        self._output.begin(frame.get("id"), self._count)
        try:
            if not is_blank:
                self._execute_with(environment, code)
        except KernelDied as death:
            self._output.error("KernelDied", self._with_complaint(f"the kernel ended with {death}"), [])
            self._output.end(is_last=True)
            raise
        self._output.end(is_last=self._is_over)
        if self._is_over:
            raise EOFError

    def _execute_with(self, environment: dict[str, str], code: str) -> None:
        """Run code with variables that are gone after it."""
        if environment:
            if not self._variables.are_supported:
                message = f"kernels of {self._kernel.spec.language} cannot be given variables for one execution"
                self._output.error("EnvironmentNotSupported", message, [])
                return
            try:
                setting = self._variables.setting(environment)
            except ValueError as error:
                self._output.error("EnvironmentError", str(error), [])
                return
            if (trouble := self._conversation.run_silently(setting)) is not None:
                self._output.error("EnvironmentError", trouble, [])
        if not self._output.has_error:
            reply = self._conversation.run(code)
            if not self._output.has_error and (reply is None or reply.get("status") != "ok"):
                self._report(reply, code)
            self._is_over = reply is not None and _asks_for_exit(reply.get("payload"))
        if environment and self._conversation.run_silently(self._variables.restoring()) is not None:
            # What comes next would run with variables that were meant for this one.
            self._kernel.kill()
            raise KernelDied("variables that could not be put back")

    def _report(self, reply: Reply | None, code: str) -> None:
        """Report an execution that failed without an error message of the kernel's."""
        if self._conversation.is_interrupted:
            self._output.error("KeyboardInterrupt", "the execution was interrupted", [])
        elif reply is None:
            complaint = _last_exception(self._kernel.complaint())
            self._output.error("NoReply", f"the kernel did not answer\n{complaint}".strip(), [])
        elif self._conversation.is_deno and (
            found := jupyter_deno.explain(self._kernel.program, code, self._kernel.environment)
        ):
            self._output.error("SyntaxError", found[0], [found[1]])
        else:
            self._output.error(reply.get("ename") or "Error", reply.get("evalue"), reply.get("traceback"))

    def _with_complaint(self, reason: str) -> str:
        return f"{reason}\n{self._kernel.complaint()[-MAXIMUM_REASON:]}".strip()


def _understand(opening: dict[str, object]) -> tuple[jupyter_kernel.Spec, str, dict[str, str]]:
    """Return the kernelspec, the folder and the environment that a `context` frame asks for."""
    language, folder = str(opening.get("language", "")), str(opening.get("cwd", ""))
    spec = jupyter_kernel.find_spec(language)
    if spec is None:
        raise Refused("language", f"there is no kernel of {language}")
    if not os.path.isabs(folder) or "\0" in folder or not os.path.isdir(folder):
        raise Refused("directory", f"not a directory: {folder}")
    return spec, folder, dict(os.environ) | _variables_of(opening.get("environment"))


def _asks_for_exit(payload: object) -> bool:
    """Whether a reply's payload is what quit() of kernels with a frontend comes to."""
    return isinstance(payload, list) and any(
        isinstance(part, dict) and part.get("source") == "ask_exit" for part in payload
    )


def _last_exception(complaint: str) -> str:
    """Return the end of a kernel's complaint, from the line that names an exception if there is one."""
    lines = complaint.splitlines()
    names = [number for number, line in enumerate(lines) if re.match(r"\w+(Error|Exception|Interrupt): ", line)]
    return "\n".join(lines[names[-1] if names else -1 :])[-MAXIMUM_REASON:]


def _variables_of(environment: object) -> dict[str, str]:
    """Return the variables that a frame names."""
    if not isinstance(environment, dict):
        return {}
    sound = jupyter_output.sound
    pairs = ((sound(str(name)), sound(str(value))) for name, value in environment.items())
    return {name: value for name, value in pairs if name and "=" not in name and "\0" not in name + value}
