# 39: garbage on the channel ends the program, not the server
# include: walls
# timeout: 20000
# expect: any
for garbage in (b"\xff\xff\xff\xff" + b"x" * 1000, b"\0\0\0\0" * 1000, b"\x10\0\0\0{"):
    try:
        os.write(900, garbage)
    except OSError as error:
        print(error)
block = bytes(65536)
while True:
    try:
        os.write(900, block)
    except OSError as error:
        print(error)
        break
time.sleep(30)
