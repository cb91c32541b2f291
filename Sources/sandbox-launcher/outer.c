#include "outer.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "system.h"

/// Most ranges of the outer user namespace.
#define MAX_MAPS 4
/// Room for one number.
#define NUMBER_BYTES 24

/// The helper's exit statuses, told apart to name the cause.
enum { HELPER_CANNOT_EXECUTE = 127, HELPER_CANCELLED = 126 };

struct maps {
    const struct plan_step *step[MAX_MAPS];
    int count;
};

struct failure outer_mode(struct steps launcher, bool *isRootless) {
    for (int i = 0; i < launcher.count; i++) {
        const struct plan_step *step = &launcher.first[i];
        if (step->verb != VERB_MODE) continue;
        *isRootless = strcmp(step->text[0], "rootless") == 0;
        return *isRootless || strcmp(step->text[0], "root") == 0 ? NO_FAILURE : plan_failure(step, EINVAL);
    }
    return (struct failure){CI_SECTION_LAUNCHER, -1, EINVAL};
}

static struct failure collect_maps(struct steps launcher, struct maps *maps) {
    maps->count = 0;
    for (int i = 0; i < launcher.count; i++) {
        const struct plan_step *step = &launcher.first[i];
        if (step->verb != VERB_MAP) continue;
        if (maps->count == MAX_MAPS) return plan_failure(step, E2BIG);
        maps->step[maps->count++] = step;
    }
    return maps->count > 0 ? NO_FAILURE : (struct failure){CI_SECTION_LAUNCHER, -1, EINVAL};
}

/// The first id outside of a range; the group's may be named apart, and for our own uid is our own gid.
static uint64_t outside_id(const struct plan_step *map, bool isGroup) {
    if (!isGroup) return map->number[1];
    if (map->count == 4) return map->number[3];
    return map->number[2] == 1 && map->number[1] == getuid() ? getgid() : map->number[1];
}

/// The lines of a map of one id.
struct single_map {
    char users[3 * NUMBER_BYTES];
    char groups[3 * NUMBER_BYTES];
};

static struct single_map single_map(const struct plan_step *map) {
    struct single_map lines;
    unsigned long long inside = map->number[0];
    snprintf(lines.users, sizeof lines.users, "%llu %llu 1\n", inside, (unsigned long long)outside_id(map, false));
    snprintf(lines.groups, sizeof lines.groups, "%llu %llu 1\n", inside, (unsigned long long)outside_id(map, true));
    return lines;
}

/// One id, our own: the kernel lets us write that map ourselves. 0 or an errno.
static int write_single_map(const struct single_map *map) {
    // Without this nobody may write a group map without privileges, see user_namespaces(7).
    if (write_file_at(AT_FDCWD, "/proc/self/setgroups", "deny") != 0) return errno;
    if (write_file_at(AT_FDCWD, "/proc/self/gid_map", map->groups) != 0) return errno;
    return write_file_at(AT_FDCWD, "/proc/self/uid_map", map->users) == 0 ? 0 : errno;
}

/// Executes newuidmap(1) or newgidmap(1) for `process`.
static _Noreturn void execute_map_program(const char *program, pid_t process, const struct maps *maps, bool isGroup) {
    char number[1 + 3 * MAX_MAPS][NUMBER_BYTES];
    char *arguments[3 + 3 * MAX_MAPS];
    int count = 0;
    arguments[count++] = (char *)program;
    snprintf(number[0], NUMBER_BYTES, "%d", process);
    arguments[count++] = number[0];
    for (int i = 0; i < maps->count; i++) {
        const struct plan_step *map = maps->step[i];
        const uint64_t range[3] = {map->number[0], outside_id(map, isGroup), map->number[2]};
        for (int part = 0; part < 3; part++) {
            char *text = number[1 + 3 * i + part];
            snprintf(text, NUMBER_BYTES, "%llu", (unsigned long long)range[part]);
            arguments[count++] = text;
        }
    }
    arguments[count] = NULL;
    execv(program, arguments);
    _exit(HELPER_CANNOT_EXECUTE);
}

/// Forks a process that stays outside and runs `program` for us as soon as `*go` is written to. -1 and errno on
/// failure.
static pid_t start_helper(const char *program, const struct maps *maps, bool isGroup, int *go) {
    int pipe[2];
    if (pipe2(pipe, O_CLOEXEC) != 0) return -1;
    pid_t launcher = getpid();
    pid_t helper = fork();
    if (helper == 0) {
        char byte;
        close(pipe[1]);
        if (read(pipe[0], &byte, 1) != 1) _exit(HELPER_CANCELLED);
        execute_map_program(program, launcher, maps, isGroup);
    }
    int error = errno;
    close(pipe[0]);
    *go = pipe[1];
    if (helper < 0) close_descriptor(go);
    errno = error;
    return helper;
}

/// Lets a helper run, or gives it up where `isWanted` is false, and waits for it. 0 or an errno.
static int finish_helper(pid_t helper, int *go, bool isWanted) {
    if (isWanted && write(*go, "x", 1) != 1) isWanted = false;
    close_descriptor(go);
    int status;
    if (waitpid(helper, &status, 0) != helper) return errno;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == HELPER_CANNOT_EXECUTE) return ENOENT;
    return isWanted ? EPERM : ECANCELED;
}

/// Enters the namespace and has the setuid programs write maps of several ranges.
static int enter_with_helpers(const struct maps *maps) {
    int go[2] = {-1, -1};
    // Forked before the namespace exists: its root could not execute a program with the privileges of the host's.
    pid_t users = start_helper("/usr/bin/newuidmap", maps, false, &go[0]);
    if (users < 0) return errno;
    pid_t groups = start_helper("/usr/bin/newgidmap", maps, true, &go[1]);
    int error = groups < 0 || unshare(CLONE_NEWUSER) != 0 ? errno : 0;
    int users_error = finish_helper(users, &go[0], error == 0);
    int groups_error = groups < 0 ? 0 : finish_helper(groups, &go[1], error == 0 && users_error == 0);
    if (error == 0) error = users_error;
    return error != 0 ? error : groups_error;
}

struct failure outer_enter(struct steps launcher) {
    struct maps maps;
    struct failure failure = collect_maps(launcher, &maps);
    if (failure.error != 0) return failure;
    int error;
    if (maps.count == 1 && maps.step[0]->number[2] == 1) {
        // The ids must be read before unshare(2): inside, until the maps stand, everybody is nobody.
        struct single_map map = single_map(maps.step[0]);
        error = unshare(CLONE_NEWUSER) == 0 ? write_single_map(&map) : errno;
    } else {
        error = enter_with_helpers(&maps);
    }
    if (error == 0 && (syscall(SYS_setresgid, 0, 0, 0) != 0 || syscall(SYS_setresuid, 0, 0, 0) != 0)) error = errno;
    return error == 0 ? NO_FAILURE : plan_failure(maps.step[0], error);
}
