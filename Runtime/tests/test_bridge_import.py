"""What the zygote imports of the bridge."""

from __future__ import annotations

import subprocess
import sys
import unittest

from bridge_case import RUNTIME


class ImportTest(unittest.TestCase):
    """A zygote has one thread, and nothing of ZeroMQ's."""

    def test_the_bridge_can_be_imported_by_a_zygote(self) -> None:
        code = "import jupyter_bridge, os, sys; print('zmq' in sys.modules, len(os.listdir('/proc/self/task')))"
        done = subprocess.run([sys.executable, "-c", code], cwd=RUNTIME, capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "False 1\n")


if __name__ == "__main__":
    unittest.main()
