#include "cgroup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "system.h"

/// Room for "s4294967295/" and the name of any control file.
#define CGROUP_PATH_BYTES 128

/// The path of `file` in the directory of `sandbox`, relative to a base directory; of the directory itself where `file`
/// is "". 0 or -1.
static int sandbox_path(char *path, uint32_t sandbox, const char *file) {
    int length = snprintf(path, CGROUP_PATH_BYTES, "s%u%s%s", sandbox, *file == '\0' ? "" : "/", file);
    if (length > 0 && length < CGROUP_PATH_BYTES) return 0;
    errno = ENAMETOOLONG;
    return -1;
}

static const struct hierarchy *find_hierarchy(const struct cgroups *cgroups, const char *name) {
    for (int i = 0; i < cgroups->count; i++) {
        if (strcmp(cgroups->hierarchy[i].name, name) == 0) return &cgroups->hierarchy[i];
    }
    return NULL;
}

static int open_procs(const struct hierarchy *hierarchy, uint32_t sandbox) {
    char path[CGROUP_PATH_BYTES];
    if (sandbox_path(path, sandbox, "cgroup.procs") != 0) return -1;
    return openat(hierarchy->base, path, O_WRONLY | O_CLOEXEC);
}

/// Makes the directories; the step that failed is the hierarchy's own.
static struct failure make_directories(const struct cgroups *cgroups, uint32_t sandbox, int *procs) {
    char path[CGROUP_PATH_BYTES];
    for (int i = 0; i < cgroups->count; i++) {
        const struct hierarchy *hierarchy = &cgroups->hierarchy[i];
        if (sandbox_path(path, sandbox, "") != 0) return plan_failure(hierarchy->step, errno);
        if (mkdirat(hierarchy->base, path, 0755) != 0) return plan_failure(hierarchy->step, errno);
        procs[i] = open_procs(hierarchy, sandbox);
        if (procs[i] < 0) return plan_failure(hierarchy->step, errno);
    }
    return NO_FAILURE;
}

int cgroup_open_procs(const struct cgroups *cgroups, uint32_t sandbox, int *procs) {
    for (int i = 0; i < cgroups->count; i++) {
        procs[i] = open_procs(&cgroups->hierarchy[i], sandbox);
        if (procs[i] < 0) return errno;
    }
    return 0;
}

struct failure cgroup_make(
    const struct cgroups *cgroups, uint32_t sandbox, struct steps limits, const char *zygote, int *procs
) {
    struct failure failure = make_directories(cgroups, sandbox, procs);
    if (failure.error != 0) return failure;
    char path[CGROUP_PATH_BYTES];
    const struct plan_step *scope = NULL;
    for (int i = 0; i < limits.count; i++) {
        const struct plan_step *step = &limits.first[i];
        if (step->verb == VERB_FOR) scope = step;
        if (step->verb == VERB_FOR || !plan_counts_for(scope, zygote)) continue;
        bool isRequired = step->verb == VERB_WRITE;
        const struct hierarchy *hierarchy = find_hierarchy(cgroups, step->text[0]);
        if (hierarchy == NULL && !isRequired) continue;
        if (hierarchy == NULL) return plan_failure(step, EINVAL);
        if (sandbox_path(path, sandbox, step->text[1]) != 0) return plan_failure(step, errno);
        if (write_file_at(hierarchy->base, path, step->text[2]) == 0) continue;
        if (isRequired || errno != ENOENT) return plan_failure(step, errno);
    }
    return NO_FAILURE;
}

struct failure cgroup_open_statistics(
    const struct cgroups *cgroups, uint32_t sandbox, struct steps statistics, int placeholder, int *files
) {
    char path[CGROUP_PATH_BYTES];
    for (int i = 0; i < statistics.count; i++) {
        const struct plan_step *step = &statistics.first[i];
        bool isRequired = step->verb == VERB_OPEN;
        const struct hierarchy *hierarchy = find_hierarchy(cgroups, step->text[0]);
        if (hierarchy == NULL && isRequired) return plan_failure(step, EINVAL);
        if (hierarchy != NULL) {
            if (sandbox_path(path, sandbox, step->text[1]) != 0) return plan_failure(step, errno);
            files[i] = openat(hierarchy->base, path, O_RDONLY | O_CLOEXEC);
            if (files[i] < 0 && (isRequired || errno != ENOENT)) return plan_failure(step, errno);
        }
        if (files[i] < 0) files[i] = fcntl(placeholder, F_DUPFD_CLOEXEC, 0);
        if (files[i] < 0) return plan_failure(step, errno);
    }
    return NO_FAILURE;
}

int cgroup_open_unified(const struct cgroups *cgroups, uint32_t sandbox, int *index) {
    char path[CGROUP_PATH_BYTES];
    for (int i = 0; i < cgroups->count; i++) {
        if (!cgroups->hierarchy[i].isUnified || sandbox_path(path, sandbox, "") != 0) continue;
        *index = i;
        return openat(cgroups->hierarchy[i].base, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return -1;
}

void cgroup_freeze(const struct cgroups *cgroups, uint32_t sandbox, bool isFrozen) {
    char path[CGROUP_PATH_BYTES];
    for (int i = 0; i < cgroups->count; i++) {
        const struct hierarchy *hierarchy = &cgroups->hierarchy[i];
        if (!hierarchy->hasLegacyFreezer && !hierarchy->isUnified) continue;
        if (sandbox_path(path, sandbox, hierarchy->isUnified ? "cgroup.freeze" : "freezer.state") != 0) continue;
        const char *state = hierarchy->isUnified ? (isFrozen ? "1" : "0") : (isFrozen ? "FROZEN" : "THAWED");
        // A directory that is already gone holds nobody frozen.
        (void)write_file_at(hierarchy->base, path, state);
    }
}

int cgroup_remove(const struct cgroups *cgroups, uint32_t sandbox) {
    char path[CGROUP_PATH_BYTES];
    if (sandbox_path(path, sandbox, "") != 0) return errno;
    int error = 0;
    for (int i = 0; i < cgroups->count; i++) {
        if (unlinkat(cgroups->hierarchy[i].base, path, AT_REMOVEDIR) != 0 && errno != ENOENT) error = errno;
    }
    return error;
}
