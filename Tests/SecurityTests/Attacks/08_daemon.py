# 08: a daemon that left its session is gone with its sandbox
# stdin: facts
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held files=none gone=marker
marker = facts()["marker"]
for layer in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            null = os.open("/dev/null", os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            os.execv("/bin/sleep", ["sleep", marker])
        os._exit(0)
    os.wait()
held()
