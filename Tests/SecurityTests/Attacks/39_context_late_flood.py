# 39: threads that flood after the end of their cell fill neither the server nor the next stream
# timeout: 3000
# expect: cell
import os
import threading


def flood():
    block = b"late " * 10_000
    while True:
        os.write(1, block)
        os.write(2, block)


for _ in range(3):
    threading.Thread(target=flood, daemon=True).start()
