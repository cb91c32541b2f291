# 39: a cell that answers for the next ones, and never reads them, ends only its own interpreter
# timeout: 3000
# expect: cell companion
import os
import time


def say(body):
    os.write(900, len(body).to_bytes(4, "little") + body)


say(b'{"type":"done","id":1}')
while True:
    for number in range(2, 20):
        say(b'{"type":"started","id":%d,"execution_count":7}' % number)
        say(b'{"type":"done","id":%d}' % number)
    time.sleep(0.001)
