#!/usr/bin/env python3
"""runc for machines that lack a capability: takes away what no container can have there, `--privileged` or not.

A virtual machine without CAP_SYS_RESOURCE, for example, starts no privileged container at all otherwise.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# In the order of their numbers, as in capabilities(7).
NUMBERED = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)


def missing() -> set[str]:
    """The capabilities this machine does not have."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    bounding = int(status.split("CapBnd:")[1].split()[0], 16)
    return {f"CAP_{name}" for number, name in enumerate(NUMBERED.split()) if not bounding >> number & 1}


def limit(configuration: Path) -> None:
    """Rewrites what a container is to get."""
    text = configuration.read_text(encoding="utf-8")
    content = json.loads(text)
    wanting = missing()
    for name, capabilities in content.get("process", {}).get("capabilities", {}).items():
        content["process"]["capabilities"][name] = [entry for entry in capabilities if entry not in wanting]
    configuration.write_text(json.dumps(content), encoding="utf-8")


def main() -> None:
    """Does as runc does with the same arguments."""
    arguments = sys.argv[1:]
    if "create" in arguments and "--bundle" in arguments:
        limit(Path(arguments[arguments.index("--bundle") + 1]) / "config.json")
    os.execvp("runc", ["runc", *arguments])


if __name__ == "__main__":
    main()
