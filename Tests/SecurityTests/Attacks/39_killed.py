# 39: a program that kills itself is told as a signal, not as too much memory
# timeout: 20000
# expect: reason=signal exit=137 memory=false
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
