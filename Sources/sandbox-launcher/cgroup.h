/// Control groups: one base directory in each hierarchy, one child directory for each sandbox.
///
/// The supervisor makes and removes the base directories by path; the worker only uses descriptors of them, because its
/// root is the template, where no cgroup file system is mounted.
#pragma once
#include "plan.h"

/// One hierarchy of the plan.
struct hierarchy {
    const struct plan_step *step;
    const char *name;
    const char *path;
    /// The base directory. The lock that keeps other instances' sweeps away belongs to this open file.
    int base;
    /// Whether it is of version 2, in which a process can be born.
    bool isUnified;
    /// Whether it has the freezer of version 1, in which frozen processes cannot even die.
    bool hasLegacyFreezer;
};

struct cgroups {
    struct hierarchy hierarchy[CI_MAX_CGROUPS];
    int count;
};

/// Supervisor: removes what earlier instances left, then makes, locks and enables this instance's base directories.
struct failure cgroups_prepare(struct cgroups *cgroups, struct steps launcher);

/// Supervisor: lets frozen processes run, so that they can die.
void cgroups_thaw_everything(const struct cgroups *cgroups);

/// Supervisor: removes the directories of all sandboxes once their processes are dead. False where some are left after
/// a deadline.
bool cgroups_remove_sandboxes(const struct cgroups *cgroups);

/// Supervisor: removes the sandboxes' directories and then the base directories.
void cgroups_remove(struct cgroups *cgroups);

/// Worker: makes the directories of `sandbox`, writes the limits that count for `zygote` and opens cgroup.procs of each
/// hierarchy into `procs`.
///
/// On failure too the caller must close `procs` and remove the directories.
struct failure cgroup_make(
    const struct cgroups *cgroups, uint32_t sandbox, struct steps limits, const char *zygote, int *procs
);

/// Worker: opens cgroup.procs of each hierarchy of `sandbox` into `procs`. 0 or an errno; the caller must close what is
/// not -1 then too.
int cgroup_open_procs(const struct cgroups *cgroups, uint32_t sandbox, int *procs);

/// Worker: opens the statistics files of `sandbox` in the plan's order; a missing one that may be missing becomes
/// `placeholder`, duplicated.
///
/// On failure too the caller must close what is not -1.
struct failure cgroup_open_statistics(
    const struct cgroups *cgroups, uint32_t sandbox, struct steps statistics, int placeholder, int *files
);

/// Worker: opens the directory of `sandbox` in the hierarchy of version 2, whose index is written to `*index`. -1 where
/// there is none.
int cgroup_open_unified(const struct cgroups *cgroups, uint32_t sandbox, int *index);

/// Worker: stops the processes of `sandbox`, or lets them run again: in version 1 frozen ones cannot even die.
void cgroup_freeze(const struct cgroups *cgroups, uint32_t sandbox, bool isFrozen);

/// Worker: removes the directories of `sandbox`. 0 once all are gone, else the errno of one that is not.
int cgroup_remove(const struct cgroups *cgroups, uint32_t sandbox);
