# 23: no hard link to a file that belongs to others
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held files=none
for source in (
    "/etc/passwd",
    "/bin/sh",
    "/opt/code-interpreter/runtime/child.py",
    "/proc/self/status",
    "/proc/self/exe",
    "/dev/null",
):
    for follow in (True, False):
        attempt(f"link to {source}", lambda: os.link(source, "/workspace/link", follow_symlinks=follow))
        attempt(f"link to {source} in /tmp", lambda: os.link(source, "/tmp/link", follow_symlinks=follow))
    handle = None
    try:
        handle = os.open(source, os.O_RDONLY)
    except OSError:
        continue
    attempt(
        f"link through the descriptor of {source}",
        lambda: os.link(f"/proc/self/fd/{handle}", "/workspace/link", follow_symlinks=True),
    )
held()
