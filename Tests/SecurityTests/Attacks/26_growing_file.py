# 26: a file that grows and shrinks while it is collected comes out whole or not at all
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
with open("moving", "wb") as file:
    file.write(b"a" * 1_000_000)
for worker in range(2):
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        end = time.monotonic() + 20
        handle = os.open("moving", os.O_RDWR)
        while time.monotonic() < end:
            if worker == 0:
                os.ftruncate(handle, 10)
                os.ftruncate(handle, 2_000_000)
            else:
                os.pwrite(handle, b"b" * 4096, 1_500_000)
                open("/workspace/new", "w").write("x" * 5000)
                os.unlink("/workspace/new")
        os._exit(0)
held()
