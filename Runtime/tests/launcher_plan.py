"""Writes plans for the launcher, like those of the server; see docs/PROTOCOL.md."""

from __future__ import annotations

import dataclasses
import os

ORDER = ["launcher", "root", "limits", "workspace", "statistics", "init", "entry"]

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer")
PREFIX = "ci-harness-"

#: The file system's rights as of landlock(7), version 3: everything up to truncating.
LANDLOCK_ALL = (1 << 15) - 1

Line = tuple[str, ...]


@dataclasses.dataclass
class Plan:
    """The text of a plan, section by section."""

    sections: dict[str, list[Line]]

    def encode(self) -> bytes:
        """The text as the launcher reads it."""
        lines = []
        for name in ORDER:
            lines.append(f"[{name}]")
            for line in self.sections[name]:
                escaped = (part.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") for part in line)
                lines.append("\t".join(escaped))
        return "\n".join(lines).encode() + b"\n"

    def index(self, section: str, verb: str, nth: int = 0) -> int:
        """Where the nth step of that verb stands."""
        return [number for number, line in enumerate(self.sections[section]) if line[0] == verb][nth]

    def replace(self, section: str, verb: str, *line: str, nth: int = 0) -> int:
        """Put another line in place of the nth step of that verb, and return its index."""
        index = self.index(section, verb, nth)
        self.sections[section][index] = line
        return index


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who runs the launcher."""

    #: root, single or subordinate.
    mode: str
    user: int = 0
    group: int = 0
    first_subordinate: int = 0


def cgroup_parents() -> list[tuple[str, str]]:
    """The version 1 hierarchies of this machine: controller and directory."""
    if os.geteuid() != 0:
        return []
    found = [(name, f"/sys/fs/cgroup/{name}") for name in CONTROLLERS]
    return [(name, path) for name, path in found if os.path.exists(f"{path}/cgroup.procs")]


def make_plan(
    folder: str,
    identity: Identity,
    token: str,
    imports: str | None,
    slots: int,
    parents: list[tuple[str, str]] | None = None,
    notebook: str | None = None,
) -> Plan:
    """A plan for this machine.

    A zygote is warm with `imports`, where there are any, and one for contexts with those of `notebook`.

    `folder` has the files made by `prepare_files`; `parents` are cgroups to use instead of the machine's.
    """
    cgroups = (cgroup_parents() if parents is None else parents) if identity.mode == "root" else []
    sections: dict[str, list[Line]] = {
        "launcher": _launcher(identity, token, imports, notebook, slots, cgroups),
        "root": _root(folder),
        "limits": [],
        "workspace": [("option", "size", "64m"), ("option", "nr_inodes", "4096"), ("option", "mode", "0700")],
        "statistics": [],
        "init": _init(),
        "entry": _entry(),
    }
    if cgroups:
        sections["limits"] = [
            ("write", "memory", "memory.limit_in_bytes", str(256 << 20)),
            ("attempt", "memory", "memory.memsw.limit_in_bytes", str(256 << 20)),
            ("write", "pids", "pids.max", "65"),
        ]
        sections["statistics"] = [
            ("open", "memory", "memory.oom_control"),
            ("attempt", "memory", "memory.no_such_file"),
            ("open", "cpuacct", "cpuacct.usage"),
        ]
    return Plan(sections)


def _launcher(
    identity: Identity,
    token: str,
    imports: str | None,
    notebook: str | None,
    slots: int,
    cgroups: list[tuple[str, str]],
) -> list[Line]:
    lines: list[Line] = [("mode", "root" if identity.mode == "root" else "rootless")]
    if identity.mode == "root":
        lines += [("slots", "100000", str(slots)), ("owner", "65000", "65000")]
    else:
        lines.append(("map", "0", str(identity.user), "1", str(identity.group)))
        lines.append(("owner", "0", "0"))
        if identity.mode == "single":
            lines.append(("slots", "0", str(slots), "shared"))
        else:
            lines.append(("map", "1", str(identity.first_subordinate), "65536", str(identity.first_subordinate)))
            lines.append(("slots", "1", str(slots)))
    for name, path in cgroups:
        lines.append(("cgroup", "1", name, f"{path}/{PREFIX}{token}"))
        lines.append(("sweep", path, PREFIX))
    python = "/opt/code-interpreter/venv/bin/python3"
    kinds = [("bare", "")] + ([] if imports is None else [("full", imports)])
    if notebook is not None:
        kinds.append(("notebook", notebook))
    for kind, names in kinds:
        lines.append(("zygote", kind, python, "-s", "-E", "/opt/code-interpreter/runtime/zygote.py", kind, names))
    for variable in (
        "PATH=/opt/code-interpreter/venv/bin:/usr/bin:/bin",
        "HOME=/tmp",
        "LANG=C.UTF-8",
        "MPLCONFIGDIR=/tmp/matplotlib",
        "MPLBACKEND=Agg",
        "OPENBLAS_NUM_THREADS=1",
        "OMP_NUM_THREADS=1",
        "LD_BIND_NOW=1",
    ):
        lines.append(("zygote-environment", variable))
    return lines


def _root(folder: str) -> list[Line]:
    lines: list[Line] = [("template", "size=16m,nr_inodes=2048,mode=0755"), ("bind", "/usr", "/usr", "read-only")]
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            lines.append(("symlink", f"/{name}", os.readlink(f"/{name}")))
        elif os.path.isdir(f"/{name}"):
            lines.append(("bind", f"/{name}", f"/{name}", "read-only"))
    lines += [
        ("directory", "/etc", "0755"),
        ("file", "/etc/passwd", "0644", "root:x:0:0::/:/bin/false\nuser:x:1000:1000::/home/user:/bin/bash\n"),
        ("file", "/etc/group", "0644", "root:x:0:\nuser:x:1000:\n"),
        ("file", "/etc/masked", "0000", ""),
    ]
    for path in ("/etc/ssl", "/etc/fonts", "/etc/alternatives", "/etc/ld.so.cache"):
        if os.path.exists(path):
            lines.append(("bind", path, path, "read-only"))
    lines.append(("bind", f"{folder}/venv", "/opt/code-interpreter/venv", "read-only"))
    library = "/opt/code-interpreter/lib/libSandboxEntry.so"
    lines.append(("bind", f"{folder}/libSandboxEntry.so", library, "read-only"))
    for name in sorted(os.listdir(f"{folder}/runtime")):
        with open(f"{folder}/runtime/{name}", encoding="utf-8") as file:
            lines.append(("file", f"/opt/code-interpreter/runtime/{name}", "0444", file.read()))
    for name in ("full", "null", "random", "urandom", "zero"):
        lines.append(("bind", f"/dev/{name}", f"/dev/{name}", "device"))
    lines += [
        ("directory", "/dev/pts", "0755"),
        ("directory", "/dev/shm", "1777"),
        ("symlink", "/dev/ptmx", "pts/ptmx"),
        ("symlink", "/dev/fd", "/proc/self/fd"),
        ("directory", "/workspace", "0755"),
        ("directory", "/home/user", "0755"),
        ("directory", "/tmp", "1777"),
        ("tmpfs", "/tmp", "size=64m,nr_inodes=4096,mode=1777"),
        ("directory", "/proc", "0555"),
        ("proc", "/proc", "hidepid=invisible"),
        ("enter",),
        ("seal",),
    ]
    return lines


def _init() -> list[Line]:
    return [
        ("join-cgroups",),
        ("cgroup-namespace",),
        ("workspace", "/workspace"),
        ("workspace", "/home/user"),
        ("tmpfs", "/tmp", "size=64m,nr_inodes=4096,mode=1777"),
        ("tmpfs", "/dev/shm", "size=16m,nr_inodes=1024,mode=1777"),
        ("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620,max=16"),
        ("proc", "/proc", "hidepid=invisible"),
        ("mask", "/proc/cmdline", "/etc/masked"),
        ("mask", "/proc/no-such-file", "/etc/masked"),
        ("loopback-up",),
        ("hostname", "sandbox"),
        ("user-namespace", "1000", "1000"),
        ("drop-capabilities",),
        ("no-new-privileges",),
        ("undumpable",),
    ]


def _entry() -> list[Line]:
    everything = f"{LANDLOCK_ALL & ~(1 << 6 | 1 << 11):x}"
    device = f"{1 << 1 | 1 << 2 | 1 << 14:x}"
    lines: list[Line] = [
        ("join-cgroups",),
        ("namespaces",),
        ("directory", "/workspace"),
        ("new-session",),
        ("resource-limit", "core", "0", "0"),
        ("resource-limit", "nofile", "1024", "1024"),
        ("resource-limit", "nproc", "64", "64"),
        ("drop-bounding-set",),
        ("identity", "1000", "1000"),
        ("drop-capabilities",),
        ("no-new-privileges",),
        ("dumpable",),
        ("landlock-handle", f"{LANDLOCK_ALL:x}", "0"),
        ("landlock-allow", "/", "d"),
    ]
    lines += [("landlock-allow", path, everything) for path in ("/workspace", "/home/user", "/tmp", "/dev/shm")]
    lines += [("landlock-allow", f"/dev/{name}", device) for name in ("full", "null", "random", "urandom", "zero")]
    lines += [
        ("landlock-allow", "/dev/pts", "e"),
        ("landlock-enforce",),
        ("umask", "022"),
        ("descriptors",),
        ("default-signals",),
        ("seccomp", "0"),
    ]
    return lines
