# 32: a hundred thousand tiny writes are only output
# timeout: 20000
# expect: cell reason=none context=kept
import os

for number in range(100_000):
    os.write(1 + number % 2, b"x")
