"""The Python kernel of a context: ipykernel's own, without its sockets and threads.

`make` builds it in the zygote and takes it through the usual paths; a child `wake`s the copy it inherited. Everything
the kernel says goes to one function instead of ZeroMQ: `Kernel.publish`.
"""

from __future__ import annotations

import asyncio
import codeop
import contextlib
import importlib
import io
import linecache
import logging
import os
import signal
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

# Without it there is nothing to debug over a socket, and no thread for that. Before every import of ipykernel.
sys.modules["debugpy"] = None  # type: ignore[assignment]

import ipykernel.debugger  # noqa: E402 - later it would look for debugpy after all
import ipykernel.eventloops  # noqa: E402
import ipykernel.zmqshell  # noqa: E402
from ipykernel.ipkernel import IPythonKernel  # noqa: E402
from jupyter_client.session import Session  # noqa: E402
from traitlets import Any as AnyTrait  # noqa: E402
from traitlets.config import Config  # noqa: E402

import display  # noqa: E402

del sys.modules["debugpy"]

INLINE = "module://matplotlib_inline.backend_inline"

#: What a kernel's environment has beyond a program's; most of it is ipykernel's own.
ENVIRONMENT = {
    "TERM": "xterm-color",
    "CLICOLOR": "1",
    "FORCE_COLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "MPLBACKEND": INLINE,
}

#: Run in the zygote: what they load and cache is there in every context.
_EXERCISES = (
    "1",
    "print('text', end='')",
    "1 / 0",
    "def f(:",
    "%who",
    "import asyncio\nawait asyncio.sleep(0)",
    "[1, {'a': None}]",
)
#: Likewise, where the module is warm.
_MODULE_EXERCISES = {
    "pandas": "import pandas as pd\npd.DataFrame({'a': [1]})",
    "matplotlib.pyplot": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
}
#: Run in each child before it is needed, so that the pages on the usual path are its own by then.
_REHEARSAL = "print('text')\n1 + 1"

_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "PIP_PROXY", "PIP_INDEX_URL")
_NO_NETWORK = "\nThis sandbox has no network: nothing can be downloaded. What is installed: %pip list\n"

# Bound now: user code may replace it.
_set_signal = signal.signal
_SIGINT = signal.SIGINT

# What the namespace of cells has from birth; resetting the shell takes it away.
_first_names: dict[str, object] = {}

#: Takes the kind of a message as Jupyter names it, and its content.
Publish = Callable[[str, dict[str, Any]], None]


class _FrameSession(Session):  # type: ignore[misc]
    """What ipykernel sends its messages with."""

    publish: Publish | None = None

    def send(self, stream: Any, kind: Any, content: Any = None, *_: Any, **__: Any) -> Any:
        """Give a message to `publish`."""
        message = kind if isinstance(kind, dict) else {"msg_type": kind, "content": content}
        if self.publish is not None:
            self.publish(message["msg_type"], message["content"])
        return message


class _Loop:
    """The part of tornado's loop that ipykernel needs."""

    def add_callback(self, function: Callable[..., object], *arguments: object) -> None:
        """Have the event loop call `function`."""
        asyncio.get_event_loop().call_soon_threadsafe(function, *arguments)

    def call_later(self, *_: object) -> None:
        """Do nothing: what follows an exit is not up to the kernel."""

    def stop(self) -> None:
        """Do nothing, see above."""


class Kernel(IPythonKernel):  # type: ignore[misc]
    """ipykernel's kernel."""

    io_loop = AnyTrait()
    #: The task of a cell that awaits, while it runs.
    awaiting: asyncio.Future[Any] | None = None
    #: Handles SIGINT meanwhile.
    handle_interrupt: Callable[[int, Any], None] | None = None

    @property
    def publish(self) -> Publish | None:
        """What takes the messages; None throws them away."""
        return self.session.publish  # type: ignore[no-any-return]

    @publish.setter
    def publish(self, publish: Publish | None) -> None:
        self.session.publish = publish

    @contextlib.contextmanager
    def _cancel_on_sigint(self, future: asyncio.Future[Any]) -> Iterator[None]:
        """Have SIGINT handled as a cell needs it that awaits."""
        self.awaiting = future
        before = _set_signal(_SIGINT, self.handle_interrupt) if self.handle_interrupt else None
        try:
            yield
        finally:
            self.awaiting = None
            if before is not None:
                _set_signal(_SIGINT, before)


# In the zygote


def make() -> Kernel:
    """Make the kernel of this process and exercise it; what it did is forgotten, what it loaded stays.

    To be called once, before the zygote's last cleaning. Leaves no thread, descriptor or file behind.
    """
    config = Config()
    # On the disk it would be in the workspace, and it needs a thread.
    config.HistoryManager.enabled = False
    kernel: Kernel = Kernel.instance(
        config=config,
        log=logging.getLogger("kernel"),
        user_ns=None,
        session=_FrameSession(config=config),
        iopub_socket=object(),
        shell_channel_thread=SimpleNamespace(parent_thread=threading.main_thread()),
        io_loop=_Loop(),
    )
    namespace = kernel.shell.user_ns
    _first_names.update({name: namespace[name] for name in namespace if name.startswith("__") or name == "_"})
    _adapt(kernel)
    _use_inline_figures(kernel.shell)
    _exercise(kernel)
    forget(kernel)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    return kernel


def _adapt(kernel: Kernel) -> None:
    """Do what ipykernel leaves to its application, and what sandboxes need."""
    shell = kernel.shell
    shell.enable_gui = lambda gui=None: _enable_gui(kernel, gui)
    display.add_formats(shell.display_formatter)
    compute = shell.displayhook.compute_format_data

    def compute_with_json(result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = compute(result)
        if isinstance(result, (dict, list)) and display.JSON not in data and display.is_json(result):
            data[display.JSON] = result
        return data, metadata

    shell.displayhook.compute_format_data = compute_with_json
    ipykernel.zmqshell.system = _explain_failure(ipykernel.zmqshell.system)
    # What ipykernel's application loads without being asked.
    shell.extension_manager.load_extension("storemagic")
    pdb: Any = importlib.import_module("pdb")
    debugger: Any = importlib.import_module("IPython.core.debugger")
    debugger.Pdb = debugger.InterruptiblePdb
    pdb.Pdb, pdb.set_trace = debugger.Pdb, debugger.set_trace


def _enable_gui(kernel: Kernel, gui: str | None) -> None:
    """Turn the event loop of a GUI on or off; there is no application to find the kernel through."""
    try:
        ipykernel.eventloops.enable_gui(gui, kernel)
        kernel.shell.active_eventloop = gui
    except ValueError as error:
        raise ipykernel.zmqshell.UsageError(str(error)) from error


def _explain_failure(system: Callable[[str], int]) -> Callable[[str], int]:
    """Wrap what runs `!` commands: one that could not download anything is told why."""

    def run(command: str) -> int:
        status = system(command)
        words = command.replace("'", " ").replace('"', " ").split()
        is_pip = "install" in words and any(word.rpartition("/")[2].startswith("pip") for word in words)
        if status != 0 and is_pip and not has_network():
            sys.stderr.write(_NO_NETWORK)
        return status

    return run


def has_network() -> bool:
    """Whether there is an interface beyond loopback, or a proxy to ask instead."""
    if any(name in os.environ for name in _PROXIES):
        return True
    socket = sys.modules["socket"]
    try:
        return any(name != "lo" for _, name in socket.if_nameindex())
    except OSError:
        return False


def _use_inline_figures(shell: Any) -> None:
    """Show figures at the end of their cell; where matplotlib is not there yet, it asks for that itself."""
    if "matplotlib.pyplot" not in sys.modules:
        return
    inline = importlib.import_module("matplotlib_inline.backend_inline")
    sys.modules["matplotlib"].use(INLINE, force=True)
    importlib.import_module("IPython.core.pylabtools").activate_matplotlib(INLINE)
    inline.configure_inline_support(shell, INLINE)
    with contextlib.suppress(ImportError):
        importlib.import_module("e2b_charts")


def _exercise(kernel: Kernel) -> None:
    """Run cells whose output goes nowhere."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.publish = _encode_for_nobody
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            for code in (*_EXERCISES, *(code for name, code in _MODULE_EXERCISES.items() if name in sys.modules)):
                loop.run_until_complete(kernel.do_execute(code, False, True))
    finally:
        kernel.publish = None
        asyncio.set_event_loop(None)
        loop.close()


def _encode_for_nobody(kind: str, content: dict[str, Any]) -> None:
    if "data" in content:
        display.encode_display(kind == "execute_result", content["data"])


def forget(kernel: Kernel) -> None:
    """Make the kernel one that has not run anything."""
    shell = kernel.shell
    for name in [name for name in shell.compile._filename_map if name in linecache.cache]:
        del linecache.cache[name]
    shell.compile._filename_map.clear()
    shell.compile.flags = codeop.Compile().flags
    shell.reset(new_session=True)
    for namespace in (shell.user_ns, shell.user_ns_hidden):
        namespace.update(_first_names)
    shell.payload_manager.clear_payload()
    shell._last_traceback = None
    shell.exit_now = False
    shell.history_manager.db_input_cache.clear()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)


# In a context


def wake(kernel: Kernel, loop: asyncio.AbstractEventLoop) -> None:
    """Make the inherited kernel the one of this process, and rehearse on `loop`.

    To be called once, when descriptors and modules of the runtime are out of sight.
    """
    shell = kernel.shell
    sys.modules["__main__"] = shell.user_module
    sys.argv[:] = [""]
    sys.orig_argv[:] = [sys.executable]
    sys.path.insert(0, "")
    kernel.ident = str(uuid.uuid4())
    kernel.session.session = str(uuid.uuid4())
    output = io.StringIO()
    kernel.publish = _encode_for_nobody
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        loop.run_until_complete(kernel.do_execute(_REHEARSAL, False, True))
    kernel.publish = None
    forget(kernel)


def move(kernel: Kernel, folder: str) -> None:
    """Begin in `folder`. Raises `OSError` where that is no directory."""
    os.chdir(folder)
    shell = kernel.shell
    shell.home_dir = os.environ.get("HOME", folder)
    shell.starting_dir = folder
    shell.history_manager.dir_hist[:] = [Path(folder)]
