# 40: anonymous memory is limited, and the answer says so
# needs: cgroups
# timeout: 30000
# expect: reason=memory exit=137 memory=true
blocks = []
while True:
    blocks.append(bytearray(8 << 20))
