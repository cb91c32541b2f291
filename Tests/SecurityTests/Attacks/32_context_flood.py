# 32: endless output is stopped by the clock
# timeout: 600
# expect: cell
import os

block = b"flood " * 10_000
while True:
    os.write(1, block)
