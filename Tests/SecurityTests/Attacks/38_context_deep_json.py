# 38: a frame nested a hundred thousand deep, and numbers without end, are only bad frames
# timeout: 3000
# expect: cell
import os
import time

for body in (
    b"[" * 100_000 + b"]" * 100_000,
    b'{"type":"result","id":1,"data":' + b'{"a":' * 60_000 + b"1" + b"}" * 60_001,
    b'{"type":"started","id":1,"execution_count":' + b"9" * 5000 + b"}",
    b'{"type":"started","id":1,"execution_count":1e999}',
    b'{"type":"done","id":1,"type":"done","type":[]}',
):
    try:
        os.write(900, len(body).to_bytes(4, "little") + body)
    except OSError as error:
        print(error)
time.sleep(30)
