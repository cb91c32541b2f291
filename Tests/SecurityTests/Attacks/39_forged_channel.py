# 39: a program that speaks on the server's own channel harms only itself
# include: walls
# timeout: 20000
# expect: any
for frame in (
    b'{"type":"done","exit_code":0}',
    b'{"type":"ready"}',
    b'{"type":"failed","step":0,"errno":1}',
    b'{"type":"done","exit_code":"x"}',
    b"\xff\xfe",
):
    try:
        os.write(900, len(frame).to_bytes(4, "little") + frame)
    except OSError as error:
        print(error)
print("still running", flush=True)
time.sleep(60)
