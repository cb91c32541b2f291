# 40: files in memory file systems are limited, each and together
# include: walls
# timeout: 30000
# expect: reason=memory|exit
for place in ("/dev/shm", "/tmp", "/workspace"):
    written = 0
    try:
        with open(f"{place}/fill", "wb", buffering=0) as file:
            while written < 4 << 30:
                written += file.write(bytes(1 << 20))
        breach(f"4 GiB in {place}")
    except OSError as error:
        print(place, written >> 20, errno.errorcode[error.errno], flush=True)
held()
