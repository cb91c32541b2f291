# 39: a frame nested a hundred thousand deep is only a bad frame
# include: walls
# timeout: 10000
# expect: any
frame = b"[" * 100_000 + b"]" * 100_000
os.write(900, len(frame).to_bytes(4, "little") + frame)
frame = b'{"type":"done","exit_code":' + b"9" * 5000 + b"}"
try:
    os.write(900, len(frame).to_bytes(4, "little") + frame)
except OSError:
    pass
time.sleep(30)
