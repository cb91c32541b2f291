# 18: space in files without a name counts as well
# include: walls
# timeout: 40000
# expect: reason=exit|memory|cpu files=none
handles = []
try:
    for _ in range(900):
        handle = os.open("/workspace", os.O_TMPFILE | os.O_RDWR)
        os.write(handle, bytes(1 << 20))
        handles.append(handle)
    breach("900 MiB in files without a name")
except OSError as error:
    print("unnamed:", len(handles), errno.errorcode[error.errno], flush=True)
for handle in handles:
    os.close(handle)
handles = []
try:
    for number in range(900):
        handle = os.open(f"/tmp/{number}", os.O_CREAT | os.O_RDWR)
        os.write(handle, bytes(1 << 20))
        os.unlink(f"/tmp/{number}")
        handles.append(handle)
    breach("900 MiB in removed files that are still open")
except OSError as error:
    print("removed:", len(handles), errno.errorcode[error.errno], flush=True)
for handle in handles:
    os.close(handle)
memory = os.memfd_create("space")
for _ in range(4096):
    os.write(memory, bytes(1 << 20))
breach("4 GiB in a file in memory")
