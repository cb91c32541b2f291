/// The steps of `[entry]`, read once and carried out in every child.
#pragma once
#include "../LauncherProtocol/plan_text.h"

#include <linux/filter.h>

/// Where the channel ends up; child.py knows the number.
#define ENTRY_CHANNEL 900

/// Most steps of `[entry]`.
#define ENTRY_MAX_STEPS 96

/// Most seccomp programs.
#define ENTRY_MAX_FILTERS 4

enum entry_verb : uint32_t {
    ENTRY_FOR = 1,
    ENTRY_JOIN_CGROUPS,
    ENTRY_NAMESPACES,
    ENTRY_DIRECTORY,
    ENTRY_NEW_SESSION,
    ENTRY_RESOURCE_LIMIT,
    ENTRY_DROP_BOUNDING_SET,
    ENTRY_IDENTITY,
    ENTRY_DROP_CAPABILITIES,
    ENTRY_NO_NEW_PRIVILEGES,
    ENTRY_DUMPABLE,
    ENTRY_LANDLOCK_HANDLE,
    ENTRY_LANDLOCK_ALLOW,
    ENTRY_LANDLOCK_ENFORCE,
    ENTRY_UMASK,
    ENTRY_DESCRIPTORS,
    ENTRY_DEFAULT_SIGNALS,
    ENTRY_SECCOMP,
};

/// All steps, in order, and the seccomp programs.
struct entry_plan {
    struct plan_step step[ENTRY_MAX_STEPS];
    int count;
    struct sock_fprog filter[ENTRY_MAX_FILTERS];
    uint32_t filter_count;
};

/// What one child needs and changes.
struct entry {
    const struct entry_plan *plan;
    int init_pidfd;
    int channel;
    const int *cgroups;
    int cgroup_count;
    /// The Landlock rules under construction, -1 when there are none.
    int ruleset;
};

/// Copies the seccomp programs: each is a count (four bytes, of this machine's order) and that many `struct sock_filter`.
/// 0 or -errno.
int entry_filters_read(struct entry_plan *plan, const char *programs, size_t length);

/// Reads from `text`, which is kept, what of `[entry]` counts for children of `zygote`. After the seccomp
/// programs, which steps name by number. 0 or -errno.
int entry_plan_read(struct entry_plan *plan, char *text, size_t length, const char *zygote);

/// Carries out one step in the child. 0, or -1 and errno. Async-signal-safe: no allocation, no lock.
int entry_carry_out(struct entry *entry, const struct plan_step *step);
