# 22: links of every kind give away nothing of the host
# stdin: facts
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held secret
#
# The server must not follow any of these when it collects what was produced. `secret` is a file of the host that the server itself can read.
secret = facts()["secret"]
folder = os.path.dirname(secret)
open("honest.txt", "w").write("honest")
os.symlink(secret, "final")
os.symlink(folder, "folder")
os.symlink("/", "root")
os.symlink("hop2", "hop1")
os.symlink("hop3", "hop2")
os.symlink(secret, "hop3")
os.symlink("../" * 30 + secret.lstrip("/"), "relative")
os.symlink("/proc/self/root" + secret, "through-proc")
os.symlink("/proc/1/root" + secret, "through-init")
os.symlink(f"/proc/self/cwd/{os.path.basename(secret)}", "through-cwd")
for number in range(0, 20):
    os.symlink(f"/proc/self/fd/{number}", f"fd-{number}")
os.symlink("/dev/stdin", "device")
os.mkdir("inner")
os.symlink(secret, "inner/final")
os.symlink("/etc/passwd", "passwd")
try:
    os.link(secret, "hard")
    breach("a hard link to a file of the host")
except OSError:
    pass
if os.path.exists(secret):
    breach(f"{secret} exists inside")
held()
