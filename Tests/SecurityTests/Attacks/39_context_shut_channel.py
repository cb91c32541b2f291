# 39: a channel that is shut down is the end of the interpreter, told as such
# timeout: 5000
# expect: cell context=lost
import os
import socket
import time

channel = socket.socket(fileno=os.dup(900))
channel.shutdown(socket.SHUT_RDWR)
time.sleep(30)
