# 39: a C stack that overflows is a signal
# timeout: 30000
# expect: reason=signal|exit|memory exit=139|134|137|1
import sys

sys.setrecursionlimit(10**9)


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")


def down(n):
    return [down(n + 1)] if n else 0


import json

nested = []
for _ in range(500_000):
    nested = [nested]
try:
    repr(nested)
except RecursionError:
    pass
down(1)
