# 07: a storm of signals hits only the program itself
# timeout: 4000
# expect: reason=timeout|signal|exit|cpu
import os
import signal

parent = os.getpid()
signal.signal(signal.SIGUSR1, lambda *_: None)
for _ in range(4):
    if os.fork() == 0:
        while True:
            try:
                os.kill(parent, signal.SIGUSR1)
                os.kill(0, signal.SIGURG)
            except OSError:
                pass
while True:
    pass
