# 18: a million empty files, links and folders run into a limit, and the answer stays small
# include: walls
# timeout: 40000
# expect: reason=exit|memory|cpu files<=1000 omitted
made = 0
for place in ("/workspace", "/tmp", "/dev/shm"):
    try:
        for number in range(1_000_000):
            os.close(os.open(f"{place}/{number}", os.O_CREAT | os.O_WRONLY))
            made += 1
        breach(f"a million files in {place}")
    except OSError as error:
        print(place, number, errno.errorcode[error.errno], flush=True)
for number in range(100_000):
    try:
        os.link("/workspace/0", f"/workspace/link-{number}")
    except OSError:
        break
held()
