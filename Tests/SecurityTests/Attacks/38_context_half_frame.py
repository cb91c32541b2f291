# 38: half a frame does not keep the stream from its end
# timeout: 1500
# expect: cell
import os

os.write(900, b"\x40\0\0\0" + b'{"type":"re')
print("written")
