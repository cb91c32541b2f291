# 25: a name that is a file now and a link to the host then gives away nothing
# stdin: facts
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held secret
secret = facts()["secret"]
os.makedirs("real")
os.makedirs("aside")
for number in range(40):
    open(f"real/{number}", "w").write("honest")
os.symlink(os.path.dirname(secret), "link")
os.rename("real", "flip")
RENAME_EXCHANGE = 2
if os.fork() == 0:
    os.setsid()
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    a, b = ctypes.create_string_buffer(b"/workspace/flip"), ctypes.create_string_buffer(b"/workspace/link")
    os.symlink(secret, "/workspace/aside/target")
    end = time.monotonic() + 25
    while time.monotonic() < end:
        libc.renameat2(-100, a, -100, b, RENAME_EXCHANGE)
        try:
            os.unlink("/workspace/aside/target")
            open("/workspace/aside/target", "w").write("honest")
            os.unlink("/workspace/aside/target")
            os.symlink(secret, "/workspace/aside/target")
        except OSError:
            pass
    os._exit(0)
held()
