# 17: no device can be made, and what is no file in the workspace holds nobody up
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held files=none
import stat

for place in ("/workspace", "/tmp", "/dev/shm"):
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        for device in ((8, 0), (254, 0), (1, 1), (1, 2), (5, 1), (10, 200), (10, 232)):
            attempt(
                f"device {device} in {place}", lambda: os.mknod(f"{place}/device", kind | 0o666, os.makedev(*device))
            )
os.mkfifo("fifo")
os.mkfifo("fifo.csv")
os.mkdir("folder")
os.mkfifo("folder/fifo.png")
listener = socket.socket(socket.AF_UNIX)
listener.bind("socket.txt")
for name in os.listdir("/dev"):
    mode = os.lstat(f"/dev/{name}").st_mode
    if stat.S_ISBLK(mode):
        breach(f"/dev/{name} is a block device")
held()
