#include "include/SandboxEntry.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "steps.h"

#define EXPORTED __attribute__((visibility("default")))

/// How a child ends that could not be confined.
#define NOT_CONFINED 125
/// How a zygote ends that cannot come back from a sandbox's pid namespace: its next child would land in the wrong one.
#define LOST_IN_SANDBOX 70

/// The interpreter's, from the program that loaded us: what os.fork() does around fork(2).
void PyOS_BeforeFork(void);
void PyOS_AfterFork_Parent(void);
void PyOS_AfterFork_Child(void);

static struct entry_plan entry_plan;
static int own_pid_namespace = -1;

EXPORTED int ci_entry_load(
    const char *plan, size_t plan_length, const char *filters, size_t filters_length, const char *zygote
) {
    if (own_pid_namespace >= 0) return -EALREADY;
    int result = entry_filters_read(&entry_plan, filters, filters_length);
    if (result != 0) return result;
    char *text = malloc(plan_length + 1);
    if (text == NULL) return -ENOMEM;
    memcpy(text, plan, plan_length);
    result = entry_plan_read(&entry_plan, text, plan_length, zygote);
    if (result != 0) return result;
    // Nobody who shares our user id may look into us, nor into a child before it is confined.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return -errno;
    own_pid_namespace = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    return own_pid_namespace < 0 ? -errno : 0;
}

/// Writes `number` in decimal to `text`; the end of what was written.
static char *write_number(char *text, int number) {
    char digits[12];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) *text++ = digits[--count];
    return text;
}

/// Says in the channel at which step confinement failed, and ends.
static _Noreturn void fail(const struct entry *entry, int32_t step, int error) {
    char frame[96];
    char *end = stpcpy(frame + sizeof(uint32_t), "{\"type\":\"failed\",\"step\":");
    end = write_number(end, step);
    end = stpcpy(end, ",\"errno\":");
    end = write_number(end, error);
    *end++ = '}';
    uint32_t length = (uint32_t)(end - frame - (ptrdiff_t)sizeof length);
    for (size_t i = 0; i < sizeof length; i++) frame[i] = (char)(length >> 8 * i & 0xff);
    // Nobody listens: our status still says it.
    (void)send(entry->channel, frame, (size_t)(end - frame), MSG_NOSIGNAL | MSG_DONTWAIT);
    _exit(NOT_CONFINED);
}

static void confine(struct entry *entry) {
    for (int i = 0; i < entry->plan->count; i++) {
        const struct plan_step *step = &entry->plan->step[i];
        if (entry_carry_out(entry, step) != 0) fail(entry, step->index, errno);
    }
}

EXPORTED int ci_entry_fork(int init_pidfd, int channel, const int *cgroups, int cgroup_count) {
    if (own_pid_namespace < 0) return -EINVAL;
    // Only for children: our own pid namespace does not change.
    if (setns(init_pidfd, CLONE_NEWPID) != 0) return -errno;
    PyOS_BeforeFork();
    pid_t child = fork();
    int error = errno;
    if (child == 0) {
        struct entry entry = {&entry_plan, init_pidfd, channel, cgroups, cgroup_count, -1};
        // Confined first: what the interpreter does after a fork, hooks of warm modules included, happens inside.
        confine(&entry);
        PyOS_AfterFork_Child();
        return 0;
    }
    PyOS_AfterFork_Parent();
    if (setns(own_pid_namespace, CLONE_NEWPID) != 0) _exit(LOST_IN_SANDBOX);
    return child < 0 ? -error : child;
}
