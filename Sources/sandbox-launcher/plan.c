#include "plan.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/// More than any sensible plan, less than what would hurt.
#define PLAN_MAX_BYTES (8 << 20)

static const struct plan_verb verbs[] = {
    {"mode", "s", CI_SECTION_LAUNCHER, VERB_MODE},
    {"map", "uuu?u", CI_SECTION_LAUNCHER, VERB_MAP},
    {"slots", "uu?s", CI_SECTION_LAUNCHER, VERB_SLOTS},
    {"owner", "uu", CI_SECTION_LAUNCHER, VERB_OWNER},
    {"cgroup", "uss", CI_SECTION_LAUNCHER, VERB_CGROUP},
    {"cgroup-enable", "ss", CI_SECTION_LAUNCHER, VERB_CGROUP_ENABLE},
    {"sweep", "ss", CI_SECTION_LAUNCHER, VERB_SWEEP},
    {"zygote", "ss*", CI_SECTION_LAUNCHER, VERB_ZYGOTE},
    {"zygote-environment", "s", CI_SECTION_LAUNCHER, VERB_ZYGOTE_ENVIRONMENT},
    {"template", "s", CI_SECTION_ROOT, VERB_TEMPLATE},
    {"directory", "so", CI_SECTION_ROOT, VERB_DIRECTORY},
    {"file", "sos", CI_SECTION_ROOT, VERB_FILE},
    {"symlink", "ss", CI_SECTION_ROOT, VERB_SYMLINK},
    {"bind", "sss", CI_SECTION_ROOT, VERB_BIND},
    {"tmpfs", "ss", CI_SECTION_ROOT, VERB_ROOT_TMPFS},
    {"proc", "ss", CI_SECTION_ROOT, VERB_ROOT_PROC},
    {"enter", "", CI_SECTION_ROOT, VERB_ENTER},
    {"seal", "", CI_SECTION_ROOT, VERB_SEAL},
    {"for", "*", CI_SECTION_LIMITS, VERB_FOR},
    {"write", "sss", CI_SECTION_LIMITS, VERB_WRITE},
    {"attempt", "sss", CI_SECTION_LIMITS, VERB_WRITE_ATTEMPT},
    {"option", "ss", CI_SECTION_WORKSPACE, VERB_OPTION},
    {"open", "ss", CI_SECTION_STATISTICS, VERB_OPEN},
    {"attempt", "ss", CI_SECTION_STATISTICS, VERB_OPEN_ATTEMPT},
    {"join-cgroups", "", CI_SECTION_INIT, VERB_JOIN_CGROUPS},
    {"cgroup-namespace", "", CI_SECTION_INIT, VERB_CGROUP_NAMESPACE},
    {"workspace", "s", CI_SECTION_INIT, VERB_WORKSPACE},
    {"tmpfs", "ss", CI_SECTION_INIT, VERB_TMPFS},
    {"devpts", "ss", CI_SECTION_INIT, VERB_DEVPTS},
    {"proc", "ss", CI_SECTION_INIT, VERB_PROC},
    {"mask", "ss", CI_SECTION_INIT, VERB_MASK},
    {"loopback-up", "", CI_SECTION_INIT, VERB_LOOPBACK_UP},
    {"hostname", "s", CI_SECTION_INIT, VERB_HOSTNAME},
    {"user-namespace", "uu", CI_SECTION_INIT, VERB_USER_NAMESPACE},
    {"drop-capabilities", "", CI_SECTION_INIT, VERB_DROP_CAPABILITIES},
    {"no-new-privileges", "", CI_SECTION_INIT, VERB_NO_NEW_PRIVILEGES},
    {"undumpable", "", CI_SECTION_INIT, VERB_UNDUMPABLE},
};

struct failure plan_failure(const struct plan_step *step, int error) {
    return (struct failure){step->section, step->index, error};
}

/// All bytes of a memfd, with room for one more. Its offset is shared with the server and so left alone.
static char *read_all(int descriptor, size_t *length, int *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        *error = errno;
        return NULL;
    }
    if (status.st_size > PLAN_MAX_BYTES) {
        *error = EFBIG;
        return NULL;
    }
    *length = (size_t)status.st_size;
    char *text = malloc(*length + 1);
    if (text == NULL) {
        *error = ENOMEM;
        return NULL;
    }
    for (size_t read = 0; read < *length;) {
        ssize_t count = pread(descriptor, text + read, *length - read, (off_t)read);
        if (count <= 0) {
            *error = count < 0 ? errno : EIO;
            free(text);
            return NULL;
        }
        read += (size_t)count;
    }
    return text;
}

struct failure plan_load(struct plan *plan, int descriptor) {
    size_t length = 0;
    int error = 0;
    char *text = read_all(descriptor, &length, &error);
    if (text == NULL) return (struct failure){CI_SECTION_NONE, -1, error};
    struct plan_reader reader;
    if (plan_read(&reader, text, length) != 0) return (struct failure){CI_SECTION_NONE, -1, EINVAL};
    plan->count = 0;
    for (;;) {
        struct plan_step step = {};
        int result = plan_next(&reader, verbs, sizeof verbs / sizeof verbs[0], &step);
        if (result == 0) return NO_FAILURE;
        if (result < 0) return plan_failure(&step, -result);
        if (plan->count == PLAN_MAX_STEPS) return plan_failure(&step, E2BIG);
        plan->step[plan->count++] = step;
    }
}

struct steps plan_section(const struct plan *plan, uint32_t section) {
    struct steps steps = {plan->step, 0};
    int index = 0;
    while (index < plan->count && plan->step[index].section != section) index++;
    steps.first = &plan->step[index];
    while (index + steps.count < plan->count && plan->step[index + steps.count].section == section) steps.count++;
    return steps;
}
