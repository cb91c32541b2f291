# 14: nobody gets ahead of others: no real-time class, no better priority, no protection from the memory killer
# include: walls
# timeout: 20000
# expect: reason=exit exit=0 last=held
attempt("nice(-5)", lambda: os.nice(-5))
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    attempt(f"real-time class {policy}", lambda: os.sched_setscheduler(0, policy, os.sched_param(1)))
for who in (0, 1):
    attempt(f"priority of {who}", lambda: os.setpriority(os.PRIO_PROCESS, who, -10))
attempt("priority of user 0", lambda: os.setpriority(os.PRIO_USER, 0, -1))
attempt("affinity of init", lambda: os.sched_setaffinity(1, {0}))
attempt("limits of init", lambda: __import__("resource").prlimit(1, 7, (5, 5)))
score = int(open("/proc/self/oom_score_adj").read())
attempt("lower oom_score_adj", lambda: [open("/proc/self/oom_score_adj", "w").write(str(score - 100))])
attempt("oom_adj", lambda: [open("/proc/self/oom_adj", "w").write("-17")])
if system_call(251, 1, 0, (1 << 13) | 0)[0] == 0:
    breach("real-time I/O class")
# SCHED_DEADLINE: 10 ms of every 10 ms.
attributes = (ctypes.c_uint64 * 7)(48 | 6 << 32, 0, 0, 10_000_000, 10_000_000, 10_000_000, 0)
if system_call(314, 0, ctypes.addressof(attributes), 0)[0] == 0:
    breach("deadline class")
for name in (
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_CORE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_RTPRIO",
    "RLIMIT_NICE",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_SIGPENDING",
):
    import resource

    number = getattr(resource, name)
    soft, hard = resource.getrlimit(number)
    if hard == resource.RLIM_INFINITY:
        breach(f"{name} is unlimited")
    else:
        attempt(f"raising {name}", lambda: resource.setrlimit(number, (hard + 1, hard + 1)), (OSError, ValueError))
held()
