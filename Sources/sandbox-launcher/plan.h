/// The plan as the launcher needs it: a table of steps for each section.
#pragma once
#include <stddef.h>

#include "../LauncherProtocol/plan_text.h"

enum verb : uint32_t {
    // [launcher]
    VERB_MODE = 1, VERB_MAP, VERB_SLOTS, VERB_OWNER,
    VERB_CGROUP, VERB_CGROUP_ENABLE, VERB_SWEEP,
    VERB_ZYGOTE, VERB_ZYGOTE_ENVIRONMENT,
    // [root]
    VERB_TEMPLATE, VERB_DIRECTORY, VERB_FILE, VERB_SYMLINK, VERB_BIND, VERB_ROOT_TMPFS, VERB_ROOT_PROC,
    VERB_ENTER, VERB_SEAL,
    // [limits]
    VERB_FOR, VERB_WRITE, VERB_WRITE_ATTEMPT,
    // [workspace]
    VERB_OPTION,
    // [statistics]
    VERB_OPEN, VERB_OPEN_ATTEMPT,
    // [init]
    VERB_JOIN_CGROUPS, VERB_CGROUP_NAMESPACE,
    VERB_WORKSPACE, VERB_TMPFS, VERB_DEVPTS, VERB_PROC, VERB_MASK,
    VERB_LOOPBACK_UP, VERB_HOSTNAME,
    VERB_USER_NAMESPACE, VERB_DROP_CAPABILITIES, VERB_NO_NEW_PRIVILEGES, VERB_UNDUMPABLE,
};

/// Most steps of all sections the launcher itself reads.
#define PLAN_MAX_STEPS 384

/// The steps of one section, in order.
struct steps {
    const struct plan_step *first;
    int count;
};

/// The whole plan. Texts point into the buffer it was read from.
struct plan {
    struct plan_step step[PLAN_MAX_STEPS];
    int count;
};

/// Where a plan could not be carried out. `error` is an errno, 0 when all went well.
struct failure {
    uint32_t section;
    int32_t step;
    int32_t error;
};

static const struct failure NO_FAILURE = {CI_SECTION_NONE, -1, 0};

/// Reads the plan in the memfd `descriptor` into memory that is kept for life. NO_FAILURE or the line that is wrong.
struct failure plan_load(struct plan *plan, int descriptor);

/// The steps of `section`.
struct steps plan_section(const struct plan *plan, uint32_t section);

/// A failure of `step` with errno `error`.
struct failure plan_failure(const struct plan_step *step, int error);
