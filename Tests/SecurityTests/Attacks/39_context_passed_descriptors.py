# 39: descriptors sent over the channel are not kept by the server
# timeout: 3000
# expect: cell
import os
import socket
import time

channel = socket.socket(fileno=os.dup(900))
for _ in range(200):
    handles = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
    try:
        socket.send_fds(channel, [b"\x02\0\0\0{}"], handles, socket.MSG_DONTWAIT)
    except OSError as error:
        print(error)
        break
    finally:
        for handle in handles:
            os.close(handle)
time.sleep(1)
