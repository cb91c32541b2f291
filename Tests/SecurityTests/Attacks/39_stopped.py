# 39: a program that stops itself is ended by the clock
# timeout: 2000
# expect: reason=timeout exit=null
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
