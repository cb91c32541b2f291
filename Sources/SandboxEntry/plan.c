#include <stdlib.h>
#include <sys/resource.h>

#include "steps.h"

static const struct plan_verb verbs[] = {
    {"for", "*", CI_SECTION_ENTRY, ENTRY_FOR},
    {"join-cgroups", "", CI_SECTION_ENTRY, ENTRY_JOIN_CGROUPS},
    {"namespaces", "", CI_SECTION_ENTRY, ENTRY_NAMESPACES},
    {"directory", "s", CI_SECTION_ENTRY, ENTRY_DIRECTORY},
    {"new-session", "", CI_SECTION_ENTRY, ENTRY_NEW_SESSION},
    {"resource-limit", "sss", CI_SECTION_ENTRY, ENTRY_RESOURCE_LIMIT},
    {"drop-bounding-set", "", CI_SECTION_ENTRY, ENTRY_DROP_BOUNDING_SET},
    {"identity", "uu", CI_SECTION_ENTRY, ENTRY_IDENTITY},
    {"drop-capabilities", "", CI_SECTION_ENTRY, ENTRY_DROP_CAPABILITIES},
    {"no-new-privileges", "", CI_SECTION_ENTRY, ENTRY_NO_NEW_PRIVILEGES},
    {"dumpable", "", CI_SECTION_ENTRY, ENTRY_DUMPABLE},
    {"landlock-handle", "xx", CI_SECTION_ENTRY, ENTRY_LANDLOCK_HANDLE},
    {"landlock-allow", "sx", CI_SECTION_ENTRY, ENTRY_LANDLOCK_ALLOW},
    {"landlock-enforce", "", CI_SECTION_ENTRY, ENTRY_LANDLOCK_ENFORCE},
    {"umask", "o", CI_SECTION_ENTRY, ENTRY_UMASK},
    {"descriptors", "", CI_SECTION_ENTRY, ENTRY_DESCRIPTORS},
    {"default-signals", "", CI_SECTION_ENTRY, ENTRY_DEFAULT_SIGNALS},
    {"seccomp", "u", CI_SECTION_ENTRY, ENTRY_SECCOMP},
};

static const struct {
    const char *name;
    uint64_t resource;
} resources[] = {
    {"as", RLIMIT_AS}, {"core", RLIMIT_CORE}, {"cpu", RLIMIT_CPU}, {"data", RLIMIT_DATA}, {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS}, {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"rss", RLIMIT_RSS}, {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

static int read_limit(const char *text, uint64_t *limit) {
    *limit = RLIM_INFINITY;
    return strcmp(text, "unlimited") == 0 ? 0 : plan_number(text, 10, limit);
}

/// Replaces the texts of a resource limit by numbers: resource, soft, hard. 0 or -EINVAL.
static int read_resource_limit(struct plan_step *step) {
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        if (strcmp(resources[i].name, step->text[0]) != 0) continue;
        step->number[0] = resources[i].resource;
        if (read_limit(step->text[1], &step->number[1]) != 0) return -EINVAL;
        return read_limit(step->text[2], &step->number[2]);
    }
    return -EINVAL;
}

int entry_filters_read(struct entry_plan *plan, const char *programs, size_t length) {
    plan->filter_count = 0;
    while (length > 0) {
        uint32_t count;
        if (plan->filter_count == ENTRY_MAX_FILTERS) return -E2BIG;
        if (length < sizeof count) return -EINVAL;
        memcpy(&count, programs, sizeof count);
        if (count > BPF_MAXINSNS) return -E2BIG;
        size_t size = count * sizeof(struct sock_filter);
        if (size == 0 || size > length - sizeof count) return -EINVAL;
        struct sock_filter *program = malloc(size);
        if (program == NULL) return -ENOMEM;
        memcpy(program, programs + sizeof count, size);
        plan->filter[plan->filter_count++] = (struct sock_fprog){(unsigned short)count, program};
        programs += sizeof count + size;
        length -= sizeof count + size;
    }
    return plan->filter_count > 0 ? 0 : -EINVAL;
}

int entry_plan_read(struct entry_plan *plan, char *text, size_t length, const char *zygote) {
    struct plan_reader reader;
    bool counts = true;
    int result = plan_read(&reader, text, length);
    if (result != 0) return result;
    plan->count = 0;
    for (;;) {
        struct plan_step step = {};
        result = plan_next(&reader, verbs, sizeof verbs / sizeof verbs[0], &step);
        if (result <= 0) return result;
        if (step.verb == ENTRY_FOR) counts = plan_counts_for(&step, zygote);
        if (step.verb == ENTRY_FOR || !counts) continue;
        if (plan->count == ENTRY_MAX_STEPS) return -E2BIG;
        if (step.verb == ENTRY_RESOURCE_LIMIT && read_resource_limit(&step) != 0) return -EINVAL;
        if (step.verb == ENTRY_SECCOMP && step.number[0] >= plan->filter_count) return -EINVAL;
        plan->step[plan->count++] = step;
    }
}
