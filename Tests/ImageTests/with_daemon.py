#!/usr/bin/env python3
"""Runs a command while a Docker daemon with the images of these tests is up: `with_daemon.py COMMAND…`.

The command finds it through CODE_INTERPRETER_TEST_DOCKER_HOST and CODE_INTERPRETER_TEST_DOCKER_IMAGE. Ends with the
command's status; with 77 and the reason on standard output where no daemon can be started.
"""

from __future__ import annotations

import os
import subprocess
import sys

from docker_daemon import Daemon
from test_images import GUEST, HINDRANCE

IMPOSSIBLE = 77


def main() -> int:
    """Run it."""
    if HINDRANCE is not None:
        print(HINDRANCE)
        return IMPOSSIBLE
    daemon = Daemon()
    try:
        environment = {
            **os.environ,
            "CODE_INTERPRETER_TEST_DOCKER_HOST": f"unix://{daemon.socket}",
            "CODE_INTERPRETER_TEST_DOCKER_IMAGE": GUEST,
        }
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    finally:
        daemon.stop()


if __name__ == "__main__":
    sys.exit(main())
