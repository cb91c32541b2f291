# 38: frames without end are neither kept nor waited for
# timeout: 1500
# expect: cell
import os

body = b'{"type":"result","id":1,"data":{"text/plain":"' + b"x" * 60_000 + b'"}}'
frame = len(body).to_bytes(4, "little") + body
while True:
    os.write(900, frame)
