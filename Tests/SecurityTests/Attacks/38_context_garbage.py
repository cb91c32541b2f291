# 38: garbage on the channel ends the interpreter, not the server
# timeout: 3000
# expect: cell context=lost
import os
import time

for garbage in (b"\xff\xff\xff\xff" + b"x" * 1000, b"\0\0\0\0" * 1000, b"\x10\0\0\0{"):
    try:
        os.write(900, garbage)
    except OSError as error:
        print(error)
while True:
    try:
        os.write(900, bytes(65536))
    except OSError as error:
        print(error)
        break
time.sleep(30)
