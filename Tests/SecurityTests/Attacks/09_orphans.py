# 09: orphans are reaped, so that dead processes do not use up the limit
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
for round in range(8):
    for _ in range(10):
        child = os.fork()
        if child == 0:
            for _ in range(4):
                if os.fork() == 0:
                    os._exit(0)
            os._exit(0)
        os.waitpid(child, 0)
# Three hundred and twenty orphans died. If they were still there, the limit of 64 would stop this.
end = time.monotonic() + 15
while True:
    zombies = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if status(name)["State"].startswith("Z"):
                    zombies.append(name)
            except (OSError, KeyError):
                pass
    if not zombies or time.monotonic() > end:
        break
    time.sleep(0.05)
if zombies:
    breach(f"zombies {zombies}")
held()
