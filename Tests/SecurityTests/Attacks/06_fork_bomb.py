# 06: a fork bomb stops at the process limit
# timeout: 4000
# expect: reason=timeout|cpu|signal|exit|memory
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
