# 40: a file in memory is limited, and the answer says so
# needs: cgroups
# timeout: 30000
# expect: reason=memory exit=137 memory=true
import os

handle = os.memfd_create("bomb")
while True:
    os.write(handle, bytes(1 << 20))
