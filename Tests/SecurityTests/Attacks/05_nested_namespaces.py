# 05: no namespace can be made or entered
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
import subprocess

for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    expect_blocked(f"unshare {flag:#x}", call_in_child(272, flag))
    # The flag of a time namespace is part of the exit signal for clone.
    if flag != 0x80:
        expect_blocked(f"clone {flag:#x}", call_in_child(56, flag | 17, 0, 0, 0, 0))
    expect_blocked(f"unshare user and {flag:#x}", call_in_child(272, flag | 0x10000000))
if call_in_child(435, NOWHERE, 88) != "ENOSYS":
    breach("clone3")
for name in os.listdir("/proc/self/ns"):
    handle = os.open(f"/proc/self/ns/{name}", os.O_RDONLY)
    expect_blocked(f"setns {name}", call_in_child(308, handle, 0))
    # ioctl NS_GET_USERNS and NS_GET_PARENT hand out descriptors of outer namespaces.
    for request in (0xB701, 0xB702):
        result, error = system_call(16, handle, request)
        if result >= 0:
            attempt(
                f"setns to what ioctl {request:#x} of {name} gave",
                lambda: call_in_child(308, result, 0) in BLOCKED and os.open("/nonexistent", 0),
            )
for command in (
    ["unshare", "-U", "true"],
    ["unshare", "-r", "true"],
    ["unshare", "-n", "true"],
    ["nsenter", "-t", "1", "-a", "true"],
    ["bwrap", "--bind", "/", "/", "true"],
):
    try:
        if subprocess.run(command, capture_output=True, timeout=20).returncode == 0:
            breach(f"{command}")
    except OSError:
        pass
held()
