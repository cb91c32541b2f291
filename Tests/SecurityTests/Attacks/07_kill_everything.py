# 07: signals reach nobody outside the sandbox, and not its init
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
for number in range(1, 65):
    if number != signal.SIGCHLD:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
for number in (0, signal.SIGTERM, signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR1):
    attempt(f"kill(1, {number})", lambda: os.kill(1, number))
    attempt(
        f"tgkill(1, 1, {number})",
        lambda: None if system_call(234, 1, 1, number)[0] == 0 else os.open("/nonexistent", 0),
    )
attempt("pidfd_open(1)", lambda: signal.pidfd_send_signal(os.pidfd_open(1), signal.SIGKILL))
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(60)
        os._exit(0)
    children.append(child)
try:
    # Everything but this process itself and init.
    os.kill(-1, signal.SIGKILL)
except OSError:
    for child in children:
        os.kill(child, signal.SIGKILL)
for child in children:
    os.waitpid(child, 0)
os.kill(0, signal.SIGTERM)
os.killpg(os.getpgrp(), signal.SIGHUP)
for pid in range(2, 400):
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        except PermissionError:
            print("not ours:", pid)
held()
