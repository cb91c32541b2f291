#include "steps.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <linux/seccomp.h>

#include "../LauncherProtocol/capabilities.h"

/// landlock(7). Our own copies: the header of many systems is older than the kernel they run.
struct landlock_ruleset {
    uint64_t filesystem;
    uint64_t network;
    uint64_t scopes;
};
struct landlock_path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

enum { LANDLOCK_PATH_BENEATH = 1 };

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/// Before anything of this child's own is allocated, so that it counts against the sandbox.
static int join_cgroups(const struct entry *entry) {
    for (int i = 0; i < entry->cgroup_count; i++) {
        if (write(entry->cgroups[i], "0", 1) != 1) return -1;
    }
    return 0;
}

/// One call: the kernel takes the user namespace first by itself. The pid namespace came with fork(2).
static int enter_namespaces(const struct entry *entry) {
    const int namespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWUSER;
    return setns(entry->init_pidfd, namespaces);
}

/// Never above what is in force already: a host that is stricter than the plan stays so, and raising takes a privilege
/// on the host.
static int limit_resource(const struct plan_step *step) {
    int resource = (int)step->number[0];
    struct rlimit present;
    if (getrlimit(resource, &present) != 0) return -1;
    rlim_t hard = step->number[2] < present.rlim_max ? step->number[2] : present.rlim_max;
    rlim_t soft = step->number[1] < hard ? step->number[1] : hard;
    return setrlimit(resource, &(struct rlimit){soft, hard});
}

/// Raw calls: the C library's would ask threads that do not exist here to follow.
static int take_identity(const struct plan_step *step) {
    long group = (long)step->number[1];
    long user = (long)step->number[0];
    // The group first: the user may not change it any more.
    if (syscall(SYS_setresgid, group, group, group) != 0) return -1;
    return (int)syscall(SYS_setresuid, user, user, user);
}

static int create_ruleset(struct entry *entry, const struct plan_step *step) {
    struct landlock_ruleset rules = {.filesystem = step->number[0], .scopes = step->number[1]};
    entry->ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0U);
    return entry->ruleset < 0 ? -1 : 0;
}

static int allow_path(const struct entry *entry, const struct plan_step *step) {
    int parent = open(step->text[0], O_PATH | O_CLOEXEC);
    if (parent < 0) return -1;
    struct landlock_path_rule rule = {.allowed = step->number[1], .parent = parent};
    int result = (int)syscall(SYS_landlock_add_rule, entry->ruleset, LANDLOCK_PATH_BENEATH, &rule, 0U);
    int error = errno;
    close(parent);
    errno = error;
    return result;
}

static int enforce_ruleset(struct entry *entry) {
    int result = (int)syscall(SYS_landlock_restrict_self, entry->ruleset, 0U);
    int error = errno;
    close(entry->ruleset);
    entry->ruleset = -1;
    errno = error;
    return result;
}

/// Nothing of the zygote stays open: its socket, init's pidfd and the cgroups would each be a way out.
static int arrange_descriptors(struct entry *entry) {
    if (entry->channel != ENTRY_CHANNEL && dup3(entry->channel, ENTRY_CHANNEL, O_CLOEXEC) < 0) return -1;
    entry->channel = ENTRY_CHANNEL;
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ENTRY_CHANNEL - 1, 0U) != 0) return -1;
    if (syscall(SYS_close_range, ENTRY_CHANNEL + 1, ~0U, 0U) != 0) return -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -1;
    for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) {
        if (dup2(null, descriptor) < 0) return -1;
    }
    return close(null);
}

/// User code starts with the signals every program starts with.
static int reset_signals(void) {
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number <= SIGRTMAX; number++) {
        // The two that nobody may handle, and those the C library keeps to itself, are refused.
        if (sigaction(number, &standard, NULL) != 0 && errno != EINVAL) return -1;
    }
    sigset_t none;
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/// entry_plan_read() made sure that there is one of that number.
static int install_filter(const struct entry *entry, const struct plan_step *step) {
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &entry->plan->filter[step->number[0]]);
}

int entry_carry_out(struct entry *entry, const struct plan_step *step) {
    switch ((enum entry_verb)step->verb) {
    case ENTRY_FOR: return 0;
    case ENTRY_JOIN_CGROUPS: return join_cgroups(entry);
    case ENTRY_NAMESPACES: return enter_namespaces(entry);
    case ENTRY_DIRECTORY: return chdir(step->text[0]);
    case ENTRY_NEW_SESSION: return setsid() < 0 ? -1 : 0;
    case ENTRY_RESOURCE_LIMIT: return limit_resource(step);
    // While CAP_SETPCAP is still there; entering a user namespace had filled the set again.
    case ENTRY_DROP_BOUNDING_SET: return capabilities_drop_bounding_set();
    case ENTRY_IDENTITY: return take_identity(step);
    // After the identity, which takes CAP_SETUID; becoming an ordinary user dropped nothing, because root is unknown in
    // here.
    case ENTRY_DROP_CAPABILITIES: return capabilities_drop_all();
    // Landlock and seccomp ask for it.
    case ENTRY_NO_NEW_PRIVILEGES: return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // The change of identity made us undumpable, and /proc/self somebody else's.
    case ENTRY_DUMPABLE: return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    case ENTRY_LANDLOCK_HANDLE: return create_ruleset(entry, step);
    case ENTRY_LANDLOCK_ALLOW: return allow_path(entry, step);
    case ENTRY_LANDLOCK_ENFORCE: return enforce_ruleset(entry);
    case ENTRY_UMASK: umask((mode_t)step->number[0]); return 0;
    case ENTRY_DESCRIPTORS: return arrange_descriptors(entry);
    case ENTRY_DEFAULT_SIGNALS: return reset_signals();
    // Last: it denies calls the steps before need.
    case ENTRY_SECCOMP: return install_filter(entry, step);
    }
    errno = EINVAL;
    return -1;
}
