# 16: nothing can be written but the workspace, /tmp and /dev/shm
# include: walls
# timeout: 60000
# expect: reason=exit exit=0 last=held files=none
import site
import stat

MINE = ("/workspace", "/home/user", "/tmp", "/dev/shm", "/proc", "/dev/pts", "/dev/fd")
tried = 0
for root, folders, files in os.walk("/"):
    if root.startswith(MINE):
        folders.clear()
        continue
    tried += 1
    attempt(f"a file in {root}", lambda: os.open(os.path.join(root, "x"), os.O_CREAT | os.O_WRONLY))
    attempt(f"a folder in {root}", lambda: os.mkdir(os.path.join(root, "y")))
    attempt(f"an unnamed file in {root}", lambda: os.open(root, os.O_TMPFILE | os.O_WRONLY))
    for name in files[:20]:
        path = os.path.join(root, name)
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            attempt(f"writing {path}", lambda: os.open(path, os.O_WRONLY))
    # Hundreds of folders of one kind tell no more than the first.
    del folders[40:]
for place in site.getsitepackages() + [
    "/opt/code-interpreter/runtime",
    "/opt/code-interpreter/venv",
    "/opt/code-interpreter/lib",
    "/usr/lib/python3",
]:
    attempt(f"poisoning {place}", lambda: os.open(f"{place}/sitecustomize.py", os.O_CREAT | os.O_WRONLY))
for path in (
    "/etc/passwd",
    "/etc/hosts",
    "/etc/ld.so.preload",
    "/etc/ld.so.cache",
    "/etc/nsswitch.conf",
    "/bin/sh",
    "/lib64/ld-linux-x86-64.so.2",
):
    attempt(f"renaming over {path}", lambda: os.rename("/workspace/__main__.py", path))
    attempt(f"linking {path}", lambda: os.link(path, "/workspace/link"))
    attempt(f"symlink at {path}", lambda: os.symlink("/workspace/x", path))
    attempt(f"times of {path}", lambda: os.utime(path))
    attempt(f"mode of {path}", lambda: os.chmod(path, 0o777))
    attempt(f"owner of {path}", lambda: os.chown(path, 1000, 1000))
    attempt(f"attribute of {path}", lambda: os.setxattr(path, "user.x", b"y"))
for device in ("null", "zero", "full", "random", "urandom"):
    attempt(f"removing /dev/{device}", lambda: os.unlink(f"/dev/{device}"))
    attempt(f"mode of /dev/{device}", lambda: os.chmod(f"/dev/{device}", 0o777))
print("folders tried:", tried)
held()
