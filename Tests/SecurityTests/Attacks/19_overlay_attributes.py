# 19: attributes that mean something to the kernel cannot be set
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
for place in ("/workspace", "/tmp", "/dev/shm"):
    path = f"{place}/file"
    open(path, "w")
    for name in (
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "trusted.overlay.metacopy",
        "trusted.x",
        "security.ima",
        "security.evm",
    ):
        attempt(f"{name} in {place}", lambda: os.setxattr(path, name, b"y"))
    for version in (1, 2, 3):
        value = (version << 24 | 1).to_bytes(4, "little") + b"\xff" * 16 + (b"\0\0\0\0" if version == 3 else b"")
        attempt(f"security.capability {version} in {place}", lambda: os.setxattr(path, "security.capability", value))
    os.remove(path)
held()
