"""A Docker daemon of the tests' own, and containers in it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from limited_runtime import missing

ROOT = Path(__file__).resolve().parents[2]
# Kept from one run to the next: layers that did not change need not be made again.
DATA = ROOT / ".build/images/docker"

Answer = dict[str, Any]


def await_true(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Looks again and again whether something has happened, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """dockerd with its own data, socket and state; without networks, so that it leaves the machine's alone."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="image-tests-"))
        # Servers that gave up root come by here too: the socket has an owner, a group and a mode of its own.
        self.folder.chmod(0o711)
        self.socket = self.folder / "docker.sock"
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}
        DATA.mkdir(parents=True, exist_ok=True)
        # It ends with us, however we end.
        command = [
            "setpriv",
            "--pdeathsig=TERM",
            "dockerd",
            "--data-root",
            str(DATA),
            "--exec-root",
            str(self.folder / "exec"),
            "--bridge=none",
        ]
        command += ["--pidfile", str(self.folder / "pid"), "--host", f"unix://{self.socket}", "--iptables=false"]
        if missing():
            runtime = Path(__file__).with_name("limited_runtime.py")
            command += ["--add-runtime", f"limited={runtime}", "--default-runtime=limited"]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            await_true(self._answers, 60, "the Docker daemon answers")
        except AssertionError:
            self.stop()
            raise

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"dockerd ended:\n{(self.folder / 'log').read_text()[-2000:]}")
        return self.docker("version", check=False).returncode == 0

    def docker(self, *arguments: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs the docker client; what it prints is in the answer."""
        done = subprocess.run(
            ["docker", *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=seconds
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done

    def stop(self) -> None:
        """Ends the daemon and removes everything but its data."""
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        # What the daemon keeps for containers in the network of the host outlives it.
        for place in (self.folder / "exec/netns").glob("*"):
            subprocess.run(["umount", str(place)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder)


class Container:
    """One container, removed with its volumes at the end."""

    def __init__(self, daemon: Daemon, options: list[str], image: str, *arguments: str) -> None:
        self.daemon = daemon
        self.port = free_port()
        # The daemon of the tests has no networks, so the documented `--publish 8000:8000` becomes this.
        network = ["--network=host", "--env", f"PORT={self.port}"]
        self.id = daemon.docker("create", *network, *options, image, *arguments).stdout.strip()
        daemon.docker("start", self.id)

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.docker("rm", "--force", "--volumes", self.id, check=False)

    @property
    def state(self) -> Answer:
        """What the daemon knows of it: Running, ExitCode, Health and more."""
        answer: Answer = json.loads(self.daemon.docker("inspect", "--format", "{{json .State}}", self.id).stdout)
        return answer

    @property
    def log(self) -> str:
        """Everything it wrote so far."""
        done = self.daemon.docker("logs", self.id)
        return done.stdout + done.stderr

    def request(self, path: str, body: Answer | None = None) -> Answer:
        """An HTTP request to the server in it, and the JSON of the answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        request.add_header("Content-Type", "application/json")
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data=data, timeout=60) as response:
            answer: Answer = json.loads(response.read())
            return answer

    def execute(self, code: str) -> Answer:
        """One execution."""
        return self.request("/v1/execute", {"code": code, "timeout_ms": 20_000})

    def is_well(self) -> bool:
        """Whether the server says so; an error when the container has ended."""
        if not self.state["Running"]:
            raise AssertionError(f"the container ended with status {self.state['ExitCode']}:\n{self.log[-3000:]}")
        try:
            return bool(self.request("/health")["status"] == "ok")
        except (OSError, urllib.error.URLError):
            return False

    def await_health(self, seconds: float = 90) -> None:
        """Waits until sandboxes can be made."""
        try:
            await_true(self.is_well, seconds, "the server is well")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    def stop(self) -> int:
        """Ends it as `docker stop` does; its status."""
        self.daemon.docker("stop", "--time", "30", self.id)
        return int(self.state["ExitCode"])
