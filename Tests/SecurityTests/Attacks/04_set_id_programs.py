# 04: no program gives more rights to whoever runs it
# include: walls
# timeout: 60000
# expect: reason=exit exit=0 last=held
import stat
import subprocess

found = 0
for root, folders, files in os.walk("/"):
    if root.startswith("/proc"):
        folders.clear()
        continue
    for name in files:
        path = os.path.join(root, name)
        try:
            mode = os.lstat(path).st_mode
            nosuid = os.statvfs(path).f_flag & os.ST_NOSUID
            capabilities = os.getxattr(path, "security.capability", follow_symlinks=False)
        except OSError:
            capabilities = b""
        if stat.S_ISREG(mode) and (mode & (stat.S_ISUID | stat.S_ISGID) or capabilities):
            found += 1
            if not nosuid:
                breach(f"{path} {mode:o} {capabilities} on a mount without nosuid")
print("set-id files:", found)
for command in (
    ["su", "-c", "id -u"],
    ["sudo", "-n", "id", "-u"],
    ["mount", "-t", "tmpfs", "x", "/tmp"],
    ["umount", "/tmp"],
    ["newuidmap", "1", "0", "0", "1"],
    ["passwd", "-d", "user"],
):
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        continue
    if result.returncode == 0:
        breach(f"{command} worked")
copy = "/workspace/set-id"
open(copy, "wb").write(open("/usr/bin/id", "rb").read())
try:
    os.chmod(copy, 0o6755)
except OSError:
    os.chmod(copy, 0o755)
output = subprocess.run([copy], capture_output=True, text=True).stdout
if "uid=1000" not in output and output:
    breach(f"own set-id program: {output}")
os.remove(copy)
held()
