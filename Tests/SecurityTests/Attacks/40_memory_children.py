# 40: many children that each take a little is limited, and the answer says so
# needs: cgroups
# timeout: 30000
# expect: reason=memory|timeout|exit memory=true
import os
import time

for _ in range(40):
    if os.fork() == 0:
        block = bytearray(16 << 20)
        for page in range(0, len(block), 4096):
            block[page] = 1
        time.sleep(60)
        os._exit(0)
time.sleep(20)
