# 32: endless standard error is stopped
# timeout: 30000
# expect: reason=output_limit|cpu exit=137
import os

block = b"flood " * 20_000
while True:
    os.write(2, block)
