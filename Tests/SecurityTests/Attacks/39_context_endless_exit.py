# 39: exit handlers without end, and destructors, do not keep a context from its restart
# timeout: 2000
# expect: cell
import atexit
import signal
import sys


class Sticky:
    def __del__(self):
        while True:
            pass


for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
sticky = Sticky()
atexit.register(Sticky().__del__)
sys.exit(1)
