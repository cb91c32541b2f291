# 39: an interpreter that stops itself is replaced
# timeout: 1000
# expect: cell context=lost
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
