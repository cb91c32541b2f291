# 32: one line of a gigabyte is only output
# timeout: 50000
# expect: reason=output_limit|cpu|memory exit=137
import sys

for _ in range(1024):
    sys.stdout.write("x" * (1 << 20))
    sys.stdout.flush()
