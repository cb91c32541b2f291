# 40: the stacks of many threads are limited like all memory
# needs: cgroups
# timeout: 30000
# expect: reason=memory|exit|signal|cpu|timeout
import threading


def deep(n):
    buffer = bytearray(1 << 20)
    return deep(n + 1) if n < 900 else len(buffer)


import sys

sys.setrecursionlimit(100_000)
threading.stack_size(64 << 20)
threads = []
try:
    for _ in range(60):
        threads.append(threading.Thread(target=deep, args=(0,)))
        threads[-1].start()
except RuntimeError:
    pass
for thread in threads:
    thread.join()
