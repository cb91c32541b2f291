# 02: other ways to enter the kernel, and arguments whose upper half is not empty
# include: walls
# timeout: 30000
# expect: reason=exit exit=0 last=held
import mmap


def machine_code(code):
    """Runs machine code that returns its result in rax."""
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()


def error_of(result):
    return errno.errorcode.get(-result, "?") if -4096 < result < 0 else f"ret={result}"


# mov eax, N; int 0x80; ret. The numbers are those of 32-bit x86: getpid 20, mount 21, ptrace 26, socket 359, keyctl 288, bpf 357.
for number in (20, 21, 26, 104, 190, 288, 310, 357, 359):
    code = b"\xb8" + number.to_bytes(4, "little") + b"\xcd\x80\x48\x98\xc3"
    answer = in_child(lambda: error_of(machine_code(code)))
    expect_blocked(f"int 0x80 call {number}", answer, BLOCKED + ("SIGSEGV",))

# mov eax, N; sysenter
answer = in_child(lambda: error_of(machine_code(b"\xb8\x14\x00\x00\x00\x0f\x34\xc3")))
if answer.startswith("ret=") and answer != "ret=0":
    breach(f"sysenter: {answer}")

X32 = 0x40000000
for number in (0, 1, 2, 39, 41, 59, 101, 165, 257, 272, 512, 513, 520, 521, 534, 545):
    expect_blocked(f"x32 call {number}", call_in_child(X32 | number, NOWHERE, NOWHERE, 0))

# The kernel looks at the lower 32 bits of an int, so a filter has to as well.
HIGH = 1 << 32
expect_blocked("socket(AF_ALG) with high bits", call_in_child(41, HIGH | 38, 5, 0))
expect_blocked("socket(AF_PACKET) with high bits", call_in_child(41, HIGH | 17, 3, 0))
# 95 has two names; libzmq aborts when a netlink socket is refused in any other way.
NO_NETLINK = ("EAFNOSUPPORT", "EOPNOTSUPP", "ENOTSUP")
expect_blocked("socket(AF_NETLINK) with high bits", call_in_child(41, HIGH | 16, 3, 0), BLOCKED + NO_NETLINK)
expect_blocked("socket(AF_VSOCK) with high bits", call_in_child(41, HIGH | 40, 1, 0), BLOCKED + ("EAFNOSUPPORT",))
expect_blocked("raw socket with high bits in the type", call_in_child(41, 2, HIGH | 3, 1))
expect_blocked("unshare(NEWUSER) with high bits", call_in_child(272, HIGH | 0x10000000))
expect_blocked("personality with high bits", call_in_child(135, HIGH | 0x0040000))
answer = call_in_child(56, HIGH | 0x10000000 | 17, 0, 0, 0, 0)
expect_blocked("clone(NEWUSER) with high bits", answer)
expect_blocked("ioctl(TIOCSTI) with high bits", call_in_child(16, 0, HIGH | 0x5412, NOWHERE), BLOCKED + ("ENOTTY",))
expect_blocked("keyctl with high bits", call_in_child(250, HIGH | 0, -3, 0))
expect_blocked("prctl(PR_SET_SECCOMP) with a listener", call_in_child(317, 1, 8 | HIGH, NOWHERE))

# A terminal of the own is where TIOCSTI and TIOCLINUX could do harm.
import pty

leader, follower = pty.openpty()
expect_blocked(
    "TIOCSTI on an own terminal",
    call_in_child(16, follower, 0x5412, ctypes.addressof(ctypes.c_char(b"x"))),
    BLOCKED + ("EIO",),
)
expect_blocked("TIOCLINUX", call_in_child(16, follower, 0x541C, NOWHERE), BLOCKED + ("ENOTTY",))
expect_blocked(
    "TIOCSTI with high bits on an own terminal", call_in_child(16, follower, HIGH | 0x5412, NOWHERE), BLOCKED + ("EIO",)
)
held()
