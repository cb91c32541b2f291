"""Jupyter kernels: which are installed, and one of them as a process of ours."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import string
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field

#: Where kernelspecs are; folders of users are not among them, for the home is the workspace.
PLACES = [
    os.path.join(sys.prefix, "share/jupyter/kernels"),
    "/usr/local/share/jupyter/kernels",
    "/usr/share/jupyter/kernels",
]
#: Other words for a language.
ALIASES = {"js": "javascript", "ts": "typescript", "sh": "bash"}
#: Kernels that listen on TCP sockets only.
TCP_PROGRAMS = ("deno",)
#: Longest kernel.json, and most kernelspecs that are looked at in one place.
MAXIMUM_SPEC = 64 << 10
MAXIMUM_SPECS = 64
#: How much is kept of what a kernel says on its standard error, in bytes.
MAXIMUM_COMPLAINT = 4096

_PR_SET_PDEATHSIG = 1
_MAXIMUM_DESCENDANTS = 4096

_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class Spec:
    """One kernel.json."""

    name: str
    language: str
    folder: str
    arguments: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    #: "signal" or "message".
    interrupt_mode: str = "signal"
    is_encrypted: bool = False

    @property
    def is_tcp(self) -> bool:
        """Whether it knows no other transport."""
        return os.path.basename(self.arguments[0]) in TCP_PROGRAMS


def canonical(language: str) -> str:
    """Return the one name of a language."""
    name = language.strip().lower()
    return ALIASES.get(name, name)


def find_spec(language: str) -> Spec | None:
    """Return the kernelspec of a language or of that name; earlier places win, and among several the one named so."""
    name = canonical(language)
    for place in PLACES:
        specs = [spec for spec in _specs(place) if name in (spec.language, spec.name)]
        if specs:
            return min(specs, key=lambda spec: (spec.name != name, spec.language != name, spec.name))
    return None


def _specs(place: str) -> list[Spec]:
    try:
        names = sorted(os.listdir(place))[:MAXIMUM_SPECS]
    except OSError:
        return []
    return [spec for spec in (_read_spec(os.path.join(place, name), name) for name in names) if spec is not None]


def _read_spec(folder: str, name: str) -> Spec | None:
    """Read one kernelspec; None where there is none that could be used."""
    try:
        with open(os.path.join(folder, "kernel.json"), "rb") as file:
            text = file.read(MAXIMUM_SPEC + 1)
        found = json.loads(text) if len(text) <= MAXIMUM_SPEC else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    arguments, language = found.get("argv"), found.get("language")
    environment, metadata = found.get("env", {}), found.get("metadata", {})
    if not isinstance(arguments, list) or not arguments or not all(isinstance(word, str) for word in arguments):
        return None
    if not isinstance(language, str) or not isinstance(environment, dict) or not isinstance(metadata, dict):
        return None
    encryption = metadata.get("supported_encryption")
    return Spec(
        name=name.lower(),
        language=language.strip().lower(),
        folder=folder,
        arguments=arguments,
        environment={key: value for key, value in environment.items() if isinstance(value, str)},
        interrupt_mode="message" if found.get("interrupt_mode") == "message" else "signal",
        is_encrypted=isinstance(encryption, list) and "curve" in encryption,
    )


class Kernel:
    """A running kernel, leader of a process group of its own."""

    def __init__(self, spec: Spec, folder: str, environment: dict[str, str], connection: str) -> None:
        """Start it in `folder`. Raises `OSError` when its program cannot be started.

        The connection file has no name: no other process but those of this context can open it.
        """
        self.spec = spec
        self.environment = environment | _substituted(spec.environment, environment)
        descriptor = nameless_file()
        try:
            os.write(descriptor, connection.encode("ascii"))
            command = _command(spec, f"/proc/self/fd/{descriptor}")
            self.program = command[0]
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[descriptor],
                process_group=0,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(descriptor)
        assert self._process.stdout is not None and self._process.stderr is not None
        #: The reading ends of its standard output and error, which do not block, by their names.
        self.pipes = {self._process.stdout.fileno(): "stdout", self._process.stderr.fileno(): "stderr"}
        for pipe in self.pipes:
            os.set_blocking(pipe, False)
        #: Readable when it ended.
        self.end = _end_of(self._process.pid)
        self._complaint = b""

    def read(self, pipe: int) -> bytes:
        """Return what is in a pipe; nothing at its end, which then is no longer among `pipes`, or where it is empty."""
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return b""
        if not data:
            del self.pipes[pipe]
        elif self.pipes[pipe] == "stderr":
            self._complaint = (self._complaint + data)[-MAXIMUM_COMPLAINT:]
        return data

    def complaint(self) -> str:
        """Return the last lines it wrote to its standard error."""
        for pipe, name in list(self.pipes.items()):
            while name == "stderr" and self.read(pipe):
                pass
        return self._complaint.decode("utf-8", "replace").strip()

    def interrupt(self) -> None:
        """Send SIGINT to its process group."""
        if self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGINT)
            except ProcessLookupError:
                pass

    def ending(self) -> str:
        """Say how it ended. To be called when `end` is readable."""
        status = self._process.wait()
        if status >= 0:
            return f"exit status {status}"
        try:
            return f"killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"killed by signal {-status}"

    def kill(self) -> None:
        """Kill it with all that it started and that still descends from it."""
        if self._process.returncode is not None:
            return
        # Stopped, so that it starts nothing while its children are looked up.
        _signal(self._process.pid, signal.SIGSTOP)
        for process in _descendants(self._process.pid):
            _signal(process, signal.SIGKILL)
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()


def nameless_file() -> int:
    """Return a new file of ours that only who has the descriptor can open."""
    try:
        return os.open("/tmp", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        # gVisor has no files that begin without a name, some file systems neither.
        if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            raise
    descriptor, path = tempfile.mkstemp(dir="/tmp")
    os.unlink(path)
    return descriptor


def _end_of(process: int) -> int:
    """Return a descriptor that becomes readable when a child of ours ends, which must not be waited for before."""
    try:
        return os.pidfd_open(process)
    except OSError as error:
        # gVisor has no such descriptors.
        if error.errno != errno.ENOSYS:
            raise
    reading, writing = os.pipe2(os.O_CLOEXEC)
    threading.Thread(target=_tell_end, args=(process, writing), daemon=True).start()
    return reading


def _tell_end(process: int, writing: int) -> None:
    try:
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        # It was waited for meanwhile.
        pass
    os.close(writing)


def _command(spec: Spec, connection_file: str) -> list[str]:
    """Fill in what a kernelspec leaves open, as Jupyter does."""
    values = {"connection_file": connection_file, "resource_dir": spec.folder, "prefix": sys.prefix}
    words = []
    for word in spec.arguments:
        for name, value in values.items():
            word = word.replace("{" + name + "}", value)
        words.append(word)
    if words[0] in ("python", "python3", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        words[0] = os.path.join(sys.prefix, "bin/python3")
    return words


def _substituted(variables: dict[str, str], environment: dict[str, str]) -> dict[str, str]:
    return {name: string.Template(value).safe_substitute(environment) for name, value in variables.items()}


def _die_with_parent() -> None:
    """Runs in the child: nobody else would end it when this process is killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL.value, 0, 0, 0)


def _descendants(process: int) -> list[int]:
    """Return the processes below one, as they are now."""
    found: list[int] = []
    pending = [process]
    while pending and len(found) < _MAXIMUM_DESCENDANTS:
        current = pending.pop()
        try:
            for thread in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{thread}/children", encoding="ascii") as file:
                    children = [int(word) for word in file.read().split()]
                found += children
                pending += children
        except OSError:
            continue
    return found


def _signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        pass
