# 06: a thread bomb stops at the process limit
# timeout: 4000
# expect: reason=timeout|cpu|signal|exit|memory
import threading
import time


def spawn():
    while True:
        try:
            threading.Thread(target=spawn).start()
        except RuntimeError:
            time.sleep(0.001)


spawn()
