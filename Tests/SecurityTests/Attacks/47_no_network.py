# 47: no way out: no route, no name, no service of the host, no socket of anybody else
# stdin: facts
# include: walls
# timeout: 50000
# expect: reason=exit exit=0 last=held
known = facts()
socket.setdefaulttimeout(5)
TARGETS = [
    "192.0.2.1",
    "1.1.1.1",
    "8.8.8.8",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "10.0.0.1",
    "172.17.0.1",
    "192.168.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "2001:4860:4860::8888",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    *known["addresses"],
]
for target in TARGETS:
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    for port in (53, 80, 443, known["tcp"]):
        attempt(f"TCP {target}:{port}", lambda: socket.socket(family, socket.SOCK_STREAM).connect((target, port)))
        attempt(f"UDP {target}:{port}", lambda: socket.socket(family, socket.SOCK_DGRAM).sendto(b"x", (target, port)))
for host in ("127.0.0.1", "::1", "127.0.0.53", "0.0.0.0", "::ffff:127.0.0.1", "localhost"):
    for port in (known["server"], known["tcp"], 22, 53, 80, 111, 631, 2375, 2376, 5432, 6379, 8080, 10250):
        attempt(f"{host}:{port}", lambda: socket.create_connection((host, port), 2))
for name in (
    "example.com",
    "localhost.localdomain",
    "metadata.google.internal",
    "host.docker.internal",
    "kubernetes.default.svc",
    socket.gethostname() + ".local",
):
    attempt(f"the name {name}", lambda: socket.getaddrinfo(name, 80))
for table in ("route", "ipv6_route", "fib_trie", "arp", "tcp", "udp", "tcp6", "unix", "packet", "dev"):
    try:
        lines = open(f"/proc/self/net/{table}").read().splitlines()
    except OSError:
        continue
    if table == "route" and len(lines) > 1:
        breach(f"routes {lines[1:]}")
    if table == "dev" and [line.split(":")[0].strip() for line in lines[2:]] != ["lo"]:
        breach(f"interfaces {lines[2:]}")
    if table == "unix" and any("@" in line.split()[-1] for line in lines[1:] if line.split()):
        breach(f"abstract sockets {lines}")
    if table in ("tcp", "tcp6", "udp") and any(f":{known['server']:04X}" in line for line in lines):
        breach(f"the server's port is in /proc/self/net/{table}")
for name in ("\0" + known["abstract"], "\0/tmp/dbus", "\0/containerd-shim/x", known["path"]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        attempt(f"unix socket {name!r}", lambda: socket.socket(socket.AF_UNIX, kind).connect(name))
for family, kind, protocol in (
    (socket.AF_INET, socket.SOCK_RAW, 1),
    (socket.AF_INET, socket.SOCK_RAW, 255),
    (socket.AF_INET6, socket.SOCK_RAW, 58),
    (17, 3, 0x300),
):
    attempt(f"raw socket {family} {protocol}", lambda: socket.socket(family, kind, protocol))
# SO_MARK, SO_PRIORITY, and the two that lift the limits of buffers.
for option in (36, 12, 32, 33):
    attempt(f"socket option {option}", lambda: socket.socket().setsockopt(socket.SOL_SOCKET, option, 1 << 20))
attempt("an address that is not its own", lambda: socket.socket().bind(("192.0.2.7", 80)))
held()
