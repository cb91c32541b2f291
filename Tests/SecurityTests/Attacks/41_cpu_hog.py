# 41: a program that uses every CPU is stopped by its share of time
# timeout: 55000
# expect: reason=cpu|timeout exit=137|null
import os

for _ in range(6):
    if os.fork() == 0:
        break
while True:
    pass
