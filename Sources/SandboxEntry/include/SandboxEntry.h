/// How a zygote's child enters its sandbox. Loaded by Runtime/zygote.py with ctypes.PyDLL, which keeps the
/// interpreter's lock.
#pragma once
#include <stddef.h>

/// Reads what `[entry]` of the plan has for children of `zygote`, and keeps a copy of it and of the seccomp programs
/// (docs/PROTOCOL.md). Call once, before anything else. 0 or -errno.
int ci_entry_load(
    const char *plan, size_t plan_length, const char *filters, size_t filters_length, const char *zygote
);

/// Forks a child into the sandbox whose init is `init_pidfd`. The pid in the parent, 0 in the child, -errno where there
/// is no child.
///
/// In the child `[entry]` was carried out and the channel is descriptor 900. Where a step fails, the child says so in
/// the channel and ends with status 125. The caller keeps its descriptors, and must be single-threaded.
int ci_entry_fork(int init_pidfd, int channel, const int *cgroups, int cgroup_count);
