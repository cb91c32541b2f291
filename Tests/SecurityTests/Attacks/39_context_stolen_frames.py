# 39: a cell that takes the server's frames away from its interpreter is stopped by the clock
# timeout: 1500
# expect: cell
import os
import threading


def steal():
    while True:
        os.read(900, 65536)


for _ in range(4):
    threading.Thread(target=steal, daemon=True).start()
steal()
