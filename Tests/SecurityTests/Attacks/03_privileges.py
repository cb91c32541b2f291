# 03: no privilege is left and none can be had back
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
own = status()
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if own[name].strip("0"):
        breach(f"{name} {own[name]}")
if own["NoNewPrivs"] != "1":
    breach("NoNewPrivs")
if own["Seccomp"] != "2":
    breach("Seccomp")
if own["Uid"].split() != ["1000"] * 4 or own["Gid"].split() != ["1000"] * 4:
    breach(f"ids {own['Uid']} {own['Gid']}")
if set(own["Groups"].split()) - {"1000"}:
    breach(f"groups {own['Groups']}")
securebits = libc.prctl(27, 0, 0, 0, 0)
if securebits & 0b11 != 0b11:
    breach(f"securebits {securebits:#x}: NOROOT is not locked")
for identity in (0, 1, 65534, 100000, 1001):
    for name in ("setuid", "setgid", "seteuid", "setegid"):
        attempt(f"{name}({identity})", lambda: getattr(os, name)(identity))
    attempt(f"setresuid({identity})", lambda: os.setresuid(identity, identity, identity))
    attempt(f"setresgid({identity})", lambda: os.setresgid(identity, identity, identity))
attempt("setgroups", lambda: os.setgroups([0]))
attempt("setgroups empty", lambda: os.setgroups([]))
# capset with every bit, prctl: ambient raise, keep capabilities, undo no-new-privileges.
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
data = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
if libc.capset(header, data) == 0:
    breach("capset")
for name, arguments in {
    "ambient": (47, 2, 21, 0, 0),
    "securebits": (28, 0),
    "no-new-privileges off": (38, 0, 0, 0, 0),
}.items():
    if libc.prctl(*arguments) == 0:
        breach(f"prctl {name}")
if libc.prctl(41, 1, 0, 0, 0) == 0 and status()["CapEff"].strip("0"):
    breach("timing")
for line in open("/proc/self/uid_map").read().splitlines() + open("/proc/self/gid_map").read().splitlines():
    inside, _, count = line.split()
    if inside == "0" or int(count) > 1:
        breach(f"map {line}")
held()
