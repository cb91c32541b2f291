# 18: files whose length is a lie, and space nobody has
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held files=1 omitted
with open("small", "w") as file:
    file.write("x")
with open("sparse-8-EiB", "wb") as file:
    length = (1 << 63) - 1
    while length > 1 << 40:
        try:
            file.truncate(length)
            break
        except OSError:
            length >>= 1
with open("sparse-1-TiB", "wb") as file:
    file.seek((1 << 40) - 1)
    file.write(b"x")
for place in ("/workspace", "/tmp", "/dev/shm"):
    handle = os.open(f"{place}/reserved", os.O_CREAT | os.O_RDWR)
    attempt(f"ten gigabytes reserved in {place}", lambda: os.posix_fallocate(handle, 0, 10 << 30))
    os.unlink(f"{place}/reserved")
held()
