# 39: a cell that puts another socket in the place of the channel loses its interpreter
# timeout: 3000
# expect: cell context=lost
import os
import socket
import time

mine, other = socket.socketpair()
os.dup2(mine.fileno(), 900)
print("replaced", flush=True)
time.sleep(1)
