# 32: a million tiny writes are only output
# timeout: 50000
# expect: reason=exit|cpu exit=0|137
import os

for number in range(1_000_000):
    os.write(1 + number % 2, b"x")
