"""The images, built and started as the documents say, in a Docker daemon of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from docker_daemon import ROOT, Container, Daemon, await_true

GUEST = "code-interpreter-guest:latest"
SERVER = "code-interpreter:latest"
SLIM = "code-interpreter:slim"
DIND = "code-interpreter:dind"
PROFILE = ROOT / "deploy/docker/seccomp-native.json"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

# The flags of docs/OPERATIONS.md; `test_documents` compares.
NATIVE = [
    "--cap-drop=ALL",
    *(f"--cap-add={name}" for name in ("SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN", "SETUID", "SETGID", "SETPCAP")),
    "--security-opt=no-new-privileges",
    "--read-only",
]
NATIVE_UNPRIVILEGED = [
    "--user=code-interpreter",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--security-opt=systempaths=unconfined",
    "--read-only",
]
OUT_OF_DOCKER = ["--user=code-interpreter", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only"]
SECCOMP = f"--security-opt=seccomp={PROFILE}"
SMALL_POOLS = ["--env=POOL_SIZE_BARE=1", "--env=POOL_SIZE_FULL=1", "--env=POOL_SIZE_NOTEBOOK=0"]
# How the backend starts guests.
GUEST_FLAGS = [
    "--read-only",
    "--network=none",
    "--cap-drop=ALL",
    *(f"--cap-add={name}" for name in ("SETUID", "SETGID", "KILL")),
    "--tmpfs=/tmp:mode=1777",
    "--tmpfs=/home/user:uid=1000,gid=1000",
]
# Each call of the profile is taken out in turn: minutes.
THOROUGH = os.environ.get("IMAGE_TESTS_THOROUGH") == "1"


def hindrance() -> str | None:
    """Why these tests cannot run here, None when they can."""
    if os.geteuid() != 0:
        return "needs root, to start a Docker daemon"
    for program in ("dockerd", "docker", "debootstrap"):
        if shutil.which(program) is None:
            return f"there is no {program}: scripts/setup.sh --images"
    return None


HINDRANCE = hindrance()
needs_docker = unittest.skipIf(HINDRANCE is not None, str(HINDRANCE))
DAEMON: Daemon


def setUpModule() -> None:
    """Starts the daemon and builds the images once for all tests."""
    global DAEMON
    if HINDRANCE is not None:
        # Where everything has to be shown, root can install what is missing.
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            raise AssertionError(HINDRANCE)
        return
    DAEMON = Daemon()
    try:
        run(["deploy/docker/base-images.sh"])
        run(
            ["scripts/images.sh"],
            PREBUILT=os.environ.get("PREBUILT") or "debug",
            BUILD_ARGUMENTS="--network=host",
            CERTIFICATES=str(CERTIFICATES),
        )
    except BaseException:
        DAEMON.stop()
        raise


def tearDownModule() -> None:
    """Ends the daemon; layers that nothing has used for a week go."""
    if HINDRANCE is not None:
        return
    DAEMON.docker("image", "prune", "--force", "--filter", "until=168h", check=False)
    DAEMON.stop()


def run(command: list[str], **settings: str) -> None:
    """Runs a script of the project, whose output is shown when it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**DAEMON.environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-4000:]}")


@needs_docker
class GuestImageTests(unittest.TestCase):
    """What programs see."""

    def guest(self, code: str, *flags: str) -> str:
        """What a program in the guest's image prints."""
        return DAEMON.docker(
            "run",
            "--rm",
            *GUEST_FLAGS,
            *flags,
            "--entrypoint=/opt/code-interpreter/venv/bin/python3",
            GUEST,
            "-c",
            code,
        ).stdout

    def test_stack(self) -> None:
        """The libraries import, without writing anything beside them."""
        code = "import pandas, matplotlib.pyplot, sklearn, cv2, sys; print(sys.prefix, pandas.Series([1, 2]).sum())"
        self.assertEqual(self.guest(code, "--user=1000:1000"), "/opt/code-interpreter/venv 3\n")

    def test_first_process(self) -> None:
        """As the backend starts it, the guest says that it is ready, and ends with its input."""
        command = ["docker", "run", "--rm", "--interactive", *GUEST_FLAGS, GUEST]
        with subprocess.Popen(
            command, env=DAEMON.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as guest:
            if guest.stdin is None or guest.stdout is None or guest.stderr is None:
                raise AssertionError("pipes were asked for")
            # docs/PROTOCOL.md: length, kind and stream, then what is said.
            length = int.from_bytes(guest.stdout.read(4), "little")
            packet = guest.stdout.read(length)
            guest.stdin.close()
            complaint = guest.stderr.read().decode()
            self.assertEqual(packet[:5], b"\x0c\0\0\0\0", complaint)
            ready = json.loads(packet[5:])
            self.assertEqual((ready["kind"], ready["uid"], ready["separate"]), ("bare", 1000, True), ready)
            self.assertEqual(guest.wait(timeout=30), 0, complaint)

    def test_languages(self) -> None:
        """Bash and Deno are there, with their kernels."""
        code = (
            "import os, subprocess\n"
            "print(*sorted(os.listdir('/opt/code-interpreter/venv/share/jupyter/kernels')))\n"
            "print(subprocess.run(['deno', 'eval', 'console.log(6 * 7)'], capture_output=True, text=True).stdout)"
        )
        printed = self.guest(code, "--env=DENO_DIR=/tmp/deno", "--user=1000:1000")
        self.assertIn("42", printed)
        for kernel in ("bash", "javascript", "typescript"):
            self.assertIn(kernel, printed)

    def test_places(self) -> None:
        """/workspace is the home of `user`, who may write there and in /tmp and nowhere else."""
        code = (
            "import os, pwd\n"
            "print(os.readlink('/workspace'), pwd.getpwuid(1000).pw_name, pwd.getpwuid(1000).pw_dir)\n"
            "open('/workspace/a', 'w'), open('/tmp/a', 'w')\n"
            "print([p for p in ('/usr/a', '/opt/a', '/etc/a') if os.access(os.path.dirname(p), os.W_OK)])"
        )
        self.assertEqual(self.guest(code, "--user=1000:1000"), "/home/user user /home/user\n[]\n")

    def test_nothing_sets_ids(self) -> None:
        """No program of the image changes its user, whoever starts it."""
        for image in (GUEST, SERVER):
            found = DAEMON.docker(
                "run", "--rm", "--entrypoint=find", image, "/", "-xdev", "-type", "f", "-perm", "/6000"
            ).stdout
            self.assertEqual(found, "", image)

    def test_bytecode(self) -> None:
        """Every source of the runtime is compiled: the root is read-only in use."""
        code = (
            "import glob, importlib.util, os\n"
            "sources = glob.glob('/opt/code-interpreter/runtime/*.py')\n"
            "print(len(sources) > 5, [s for s in sources if not os.path.exists(importlib.util.cache_from_source(s))])"
        )
        self.assertEqual(self.guest(code), "True []\n")

    def test_no_server(self) -> None:
        """Nothing of the server and no compiler is in it."""
        code = (
            "import os, shutil\n"
            "print(sorted(os.listdir('/opt/code-interpreter')), [p for p in ('cc', 'gcc', 'ld') if shutil.which(p)])"
        )
        self.assertEqual(self.guest(code), "['runtime', 'venv'] []\n")


@needs_docker
class NativeModeTests(unittest.TestCase):
    """Sandboxes inside an ordinary container."""

    def test_full_walls(self) -> None:
        """With the documented flags every wall stands, limits included, and an execution is answered."""
        with Container(DAEMON, [*NATIVE, SECCOMP, *SMALL_POOLS], SERVER) as server:
            server.await_health()
            health = server.request("/health")
            self.assertEqual(health["reduced_modes"], [])
            self.assertTrue(all(wall["standing"] for wall in health["walls"]), health)
            self.assertEqual(server.execute("import os; print(6 * 7, os.getuid())")["stdout"], "42 1000\n")
            frame = server.execute("import pandas as pd; print(pd.Series([1, 2]).sum())")
            self.assertEqual(frame["stdout"], "3\n", frame)
            bomb = server.execute("x = bytearray(1 << 30)")
            self.assertEqual(bomb["outcome"]["reason"], "memory", bomb)
            self.assertEqual(server.stop(), 0, server.log)

    def test_unprivileged(self) -> None:
        """Without any capability too, and it says what is missing then."""
        with Container(DAEMON, [*NATIVE_UNPRIVILEGED, SECCOMP, *SMALL_POOLS], SERVER) as server:
            server.await_health()
            self.assertEqual(server.request("/health")["reduced_modes"], ["one-user-for-all", "without-cgroups"])
            self.assertEqual(server.execute("print(6 * 7)")["stdout"], "42\n")
            self.assertEqual(server.stop(), 0, server.log)

    def test_healthcheck(self) -> None:
        """The image's own check finds the server well, and a server that is none not."""
        check = "--health-interval=1s"
        with Container(DAEMON, [*NATIVE, SECCOMP, *SMALL_POOLS, check], SERVER) as server:
            await_true(lambda: server.state["Health"]["Status"] == "healthy", 90, "the container is healthy")
            other = DAEMON.docker("exec", "--env=PORT=1", server.id, "code-interpreter", "health", check=False)
            self.assertEqual(other.returncode, 1, other)

    def test_ordinary_container(self) -> None:
        """Without the flags it does not start, and says why."""
        with Container(DAEMON, [], SERVER) as server:
            await_true(lambda: not server.state["Running"], 60, "the container ends")
            self.assertEqual(server.state["ExitCode"], 1)
            self.assertIn("--cap-add SYS_ADMIN", server.log)

    @unittest.skipUnless(THOROUGH, "takes minutes: IMAGE_TESTS_THOROUGH=1")
    def test_nothing_to_spare(self) -> None:
        """Each capability, and each call that the profile has for the launcher, is needed."""
        for flag in (flag for flag in NATIVE if flag.startswith("--cap-add")):
            with self.subTest(without=flag):
                self.assertFalse(self.starts([other for other in NATIVE if other != flag], PROFILE))
        rules = json.loads(PROFILE.read_text())["syscalls"]
        calls = [name for rule in rules if rule["comment"].startswith("LAUNCHER") for name in rule["names"]]
        for call in calls:
            with self.subTest(without=call), tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                profile = json.loads(PROFILE.read_text())
                for rule in profile["syscalls"]:
                    rule["names"] = [name for name in rule["names"] if name != call]
                profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
                file.write(json.dumps(profile))
                file.flush()
                self.assertFalse(self.starts(NATIVE, Path(file.name)))

    def starts(self, flags: list[str], profile: Path) -> bool:
        """Whether a server comes to be well."""
        options = [*flags, f"--security-opt=seccomp={profile}", *SMALL_POOLS]
        try:
            with Container(DAEMON, options, SERVER) as server:
                server.await_health(30)
                return True
        except AssertionError:
            return False


@needs_docker
class DockerModeTests(unittest.TestCase):
    """Sandboxes that are containers."""

    def test_docker_out_of_docker(self) -> None:
        """With the socket of the daemon around it."""
        group = f"--group-add={DAEMON.socket.stat().st_gid}"
        socket = f"--volume={DAEMON.socket}:/var/run/docker.sock"
        with Container(DAEMON, [*OUT_OF_DOCKER, group, socket, *SMALL_POOLS], SLIM) as server:
            server.await_health()
            self.assertEqual(server.execute("print(6 * 7)")["stdout"], "42\n")
            self.assertEqual(server.stop(), 0, server.log)
        owned = DAEMON.docker("ps", "--all", "--quiet", "--filter", f"ancestor={GUEST}").stdout
        self.assertEqual(owned, "")

    def test_docker_in_docker(self) -> None:
        """With a daemon of its own, which got the guest's image from a file."""
        with Container(DAEMON, ["--privileged", preloaded(), *SMALL_POOLS], DIND) as server:
            server.await_health(240)
            self.assertEqual(server.execute("print(6 * 7)")["stdout"], "42\n")
            self.assertEqual(server.stop(), 0, server.log)


@needs_docker
class EntryPointTests(unittest.TestCase):
    """The entry point, with a script in place of the server."""

    def program(self, script: str) -> str:
        """The option that puts a script in the server's place."""
        file = DAEMON.folder / f"{self.id().rsplit('.', 1)[-1]}.sh"
        file.write_text(f"#!/bin/bash\n{script}\n")
        file.chmod(0o755)
        return f"--volume={file}:/opt/code-interpreter/bin/code-interpreter:ro"

    def test_no_socket(self) -> None:
        """The docker backend without a daemon is one clear line."""
        done = DAEMON.docker("run", "--rm", "--env=EXECUTOR_BACKEND=docker", SERVER, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("mount it with -v /var/run/docker.sock:/var/run/docker.sock", done.stderr)

    def test_group_of_the_socket(self) -> None:
        """The server is told to keep the socket's group; where that is root's, it is started as a user in it."""
        say = self.program('echo "as=${RUN_AS_USER:-} ids=$(id --user):$(id --group)"')
        common = ["run", "--rm", "--env=EXECUTOR_BACKEND=docker", say, f"--volume={DAEMON.socket}:/var/run/docker.sock"]
        os.chown(DAEMON.socket, 0, 4321)
        self.assertRegex(DAEMON.docker(*common, SERVER).stdout, r"^as=\d+:4321 ids=0:0\n$")
        os.chown(DAEMON.socket, 0, 0)
        self.assertRegex(DAEMON.docker(*common, SERVER).stdout, r"^as= ids=[1-9]\d*:0\n$")

    def test_daemon_inside(self) -> None:
        """A daemon is started, has the guest's image, is in reach of the server's group, and ends with the server."""
        script = (
            "docker image inspect --format found code-interpreter-guest:latest\n"
            "docker run --rm --network=none --entrypoint=echo code-interpreter-guest:latest from a container\n"
            "stat --format=%G /var/run/docker.sock\n"
            "trap 'echo terminated; exit 7' TERM; echo waiting; while :; do sleep 0.1; done"
        )
        with Container(DAEMON, ["--privileged", preloaded(), self.program(script)], DIND) as server:
            await_true(lambda: "waiting" in server.log or not server.state["Running"], 240, "the script waits")
            for line in ("found\n", "from a container\n", "code-interpreter\n"):
                self.assertIn(line, server.log)
            self.assertEqual(server.stop(), 7, server.log[-2000:])
            self.assertIn("terminated\n", server.log)

    def test_daemon_that_dies(self) -> None:
        """The server ends with its daemon."""
        script = "trap 'exit 0' TERM; kill $(cat /var/run/docker.pid); while :; do sleep 0.1; done"
        with Container(DAEMON, ["--privileged", self.program(script)], DIND) as server:
            await_true(lambda: not server.state["Running"], 120, "the container ends")
            self.assertEqual(server.state["ExitCode"], 1)
            self.assertIn("the server ends with it", server.log)


def preloaded() -> str:
    """The option that gives a daemon inside the guest's image, as `PRELOAD=1` does; the file is made once."""
    file = DAEMON.folder / "guest.tar"
    if not file.exists():
        names = DAEMON.docker("inspect", "--format", '{{join .RepoTags " "}}', GUEST).stdout.split()
        DAEMON.docker("save", "--output", str(file), *names, seconds=300)
    return f"--volume={file}:/opt/code-interpreter/guest.tar:ro"


class DocumentTests(unittest.TestCase):
    """What people are told to type."""

    def test_documents(self) -> None:
        """The flags of the tests are those of the documents."""
        text = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
        for flags in (NATIVE, NATIVE_UNPRIVILEGED, OUT_OF_DOCKER):
            for flag in flags:
                self.assertTrue(flag.replace("=", " ", 1) in text, flag)


if __name__ == "__main__":
    unittest.main()
