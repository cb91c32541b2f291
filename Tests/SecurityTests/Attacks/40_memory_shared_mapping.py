# 40: a shared mapping is limited, and the answer says so
# needs: cgroups
# timeout: 30000
# expect: reason=memory exit=137 memory=true
import mmap

blocks = []
while True:
    block = mmap.mmap(-1, 8 << 20)
    for page in range(0, 8 << 20, 4096):
        block[page] = 1
    blocks.append(block)
