# 38: a frame that says it is four gigabytes is not waited for
# timeout: 3000
# expect: cell context=lost
import os
import time

os.write(900, b"\xf0\xff\xff\xff" + b'{"type":"result","data":{"text/plain":"' + b"x" * 50_000)
time.sleep(30)
