#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cgroup.h"
#include "system.h"

/// How long dead processes may take to leave their groups.
#define REMOVAL_DEADLINE_MILLISECONDS 5000

/// How often the lock of a new base directory is tried while somebody's sweep looks at it.
#define LOCK_ATTEMPTS 50

static void pause_milliseconds(long milliseconds) {
    nanosleep(&(struct timespec){.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000}, NULL);
}

/// Lists `directory` by a descriptor of its own, so that the caller's keeps its lock and offset.
static DIR *list(int directory) {
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) return NULL;
    DIR *entries = fdopendir(copy);
    if (entries == NULL) close(copy);
    return entries;
}

/// The next subdirectory, NULL at the end.
static const char *next_group(DIR *entries) {
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') return entry->d_name;
    }
    return NULL;
}

static void thaw_group(int base, const char *name) {
    char path[NAME_MAX + 16];
    int length = snprintf(path, sizeof path, "%s/freezer.state", name);
    // Only one hierarchy has the file.
    if (length > 0 && (size_t)length < sizeof path) (void)write_file_at(base, path, "THAWED");
}

static void thaw_groups(int base) {
    DIR *entries = list(base);
    if (entries == NULL) return;
    const char *name;
    while ((name = next_group(entries)) != NULL) thaw_group(base, name);
    closedir(entries);
}

/// Removes the sandboxes' directories of one base as far as they are empty. True when none is left.
static bool remove_groups_once(int base) {
    DIR *entries = list(base);
    if (entries == NULL) return errno == ENOENT || errno == ENODEV;
    bool isEmpty = true;
    const char *name;
    while ((name = next_group(entries)) != NULL) {
        if (unlinkat(base, name, AT_REMOVEDIR) == 0 || errno == ENOENT) continue;
        thaw_group(base, name);
        isEmpty = false;
    }
    closedir(entries);
    return isEmpty;
}

static bool remove_groups(int base) {
    int64_t deadline = now_milliseconds() + REMOVAL_DEADLINE_MILLISECONDS;
    while (!remove_groups_once(base)) {
        if (now_milliseconds() > deadline) return false;
        pause_milliseconds(2);
    }
    return true;
}

/// Removes a base directory whose lock the caller holds.
static void remove_base(const char *path, int base) {
    if (!remove_groups(base)) say("cannot empty %s: %s", path, strerror(EBUSY));
    if (rmdir(path) != 0 && errno != ENOENT) say("cannot remove %s: %s", path, strerror(errno));
}

/// What a sweep does with a directory no living instance has.
typedef void sweeper(const char *path, int base);

static void thaw_base(const char *path, int base) {
    (void)path;
    thaw_groups(base);
}

/// Sweeps one directory, unless its lock says that its instance lives.
static void sweep_one(const char *directory, const char *name, sweeper *sweeper) {
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path) return;
    int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) return;
    if (flock(base, LOCK_EX | LOCK_NB) == 0) sweeper(path, base);
    close(base);
}

/// A directory that cannot be listed has nothing of ours.
static void sweep(const struct plan_step *step, sweeper *sweeper) {
    int directory = open(step->text[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    DIR *entries = list(directory);
    close(directory);
    if (entries == NULL) return;
    const char *name;
    while ((name = next_group(entries)) != NULL) {
        if (strncmp(name, step->text[1], strlen(step->text[1])) == 0) sweep_one(step->text[0], name, sweeper);
    }
    closedir(entries);
}

static void sweep_all(struct steps launcher, sweeper *sweeper) {
    for (int i = 0; i < launcher.count; i++) {
        if (launcher.first[i].verb == VERB_SWEEP) sweep(&launcher.first[i], sweeper);
    }
}

/// Opens and locks `path`. -1 and errno; EAGAIN where a sweep came between and it must be made again.
static int lock_base(const char *path) {
    int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) {
        if (errno == ENOENT) errno = EAGAIN;
        return -1;
    }
    struct stat locked, named;
    int error = EAGAIN;
    if (flock(base, LOCK_EX | LOCK_NB) == 0) {
        if (fstat(base, &locked) == 0 && stat(path, &named) == 0 && locked.st_ino == named.st_ino) return base;
    } else if (errno != EWOULDBLOCK) {
        error = errno;
    }
    close(base);
    errno = error;
    return -1;
}

/// Makes and locks a base directory. Between the two a sweep may hold or even remove it, hence the repetition.
static int make_base(const char *path) {
    for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
        if (mkdir(path, 0755) != 0 && errno != EEXIST) return -1;
        int base = lock_base(path);
        if (base >= 0 || errno != EAGAIN) return base;
        pause_milliseconds(10);
    }
    errno = EBUSY;
    return -1;
}

/// Carries out one `cgroup` line.
static int add_hierarchy(struct cgroups *cgroups, const struct plan_step *step) {
    if (cgroups->count == CI_MAX_CGROUPS) return E2BIG;
    if (step->number[0] != 1 && step->number[0] != 2) return EINVAL;
    int base = make_base(step->text[2]);
    if (base < 0) return errno;
    if (!remove_groups(base)) {
        close(base);
        return EBUSY;
    }
    cgroups->hierarchy[cgroups->count++] = (struct hierarchy){
        .step = step, .name = step->text[1], .path = step->text[2], .base = base,
        .isUnified = step->number[0] == 2,
        .hasLegacyFreezer = step->number[0] == 1 && strstr(step->text[1], "freezer") != NULL,
    };
    return 0;
}

/// Carries out one `cgroup-enable` line.
static int enable_controllers(const struct plan_step *step) {
    int directory = open(step->text[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno;
    int error = write_file_at(directory, "cgroup.subtree_control", step->text[1]) == 0 ? 0 : errno;
    close(directory);
    return error;
}

struct failure cgroups_prepare(struct cgroups *cgroups, struct steps launcher) {
    cgroups->count = 0;
    // Thawed in one hierarchy first: killed but frozen processes would fill the others.
    sweep_all(launcher, thaw_base);
    sweep_all(launcher, remove_base);
    for (int i = 0; i < launcher.count; i++) {
        const struct plan_step *step = &launcher.first[i];
        int error = 0;
        if (step->verb == VERB_CGROUP) error = add_hierarchy(cgroups, step);
        if (step->verb == VERB_CGROUP_ENABLE) error = enable_controllers(step);
        if (error == 0) continue;
        cgroups_remove(cgroups);
        return plan_failure(step, error);
    }
    return NO_FAILURE;
}

void cgroups_thaw_everything(const struct cgroups *cgroups) {
    for (int i = 0; i < cgroups->count; i++) {
        if (cgroups->hierarchy[i].hasLegacyFreezer) thaw_groups(cgroups->hierarchy[i].base);
    }
}

bool cgroups_remove_sandboxes(const struct cgroups *cgroups) {
    bool isEmpty = true;
    for (int i = 0; i < cgroups->count; i++) isEmpty = remove_groups(cgroups->hierarchy[i].base) && isEmpty;
    return isEmpty;
}

void cgroups_remove(struct cgroups *cgroups) {
    for (int i = 0; i < cgroups->count; i++) {
        remove_base(cgroups->hierarchy[i].path, cgroups->hierarchy[i].base);
        close_descriptor(&cgroups->hierarchy[i].base);
    }
    cgroups->count = 0;
}
