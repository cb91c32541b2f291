/// sandbox-launcher CONTROL PLAN FILTERS: carries out the plan of docs/PROTOCOL.md and decides nothing.
///
/// Three generations: the supervisor (supervisor.c) outside, the worker (worker.c) as PID 1 of the launcher's
/// namespaces, and in each sandbox an init (init.c). The interpreters are forked by zygotes (zygote.c) the worker
/// executes.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "outer.h"
#include "plan.h"
#include "report.h"
#include "supervisor.h"
#include "system.h"

/// Fourth argument of the second execution of a rootless launcher.
static const char *const INSIDE = "inside";

/// In static memory because it is large; read-only once loaded.
static struct plan plan;

/// The descriptor number in `text`, which must be open and above the standard ones. -1 otherwise.
static int parse_descriptor(const char *text) {
    uint64_t number;
    if (plan_number(text, 10, &number) != 0 || number < 3 || number > 1 << 20) return -1;
    return fcntl((int)number, F_GETFD) < 0 ? -1 : (int)number;
}

/// Fills missing standard descriptors, so that none of ours takes such a number.
static int open_standard_descriptors(void) {
    int descriptor;
    do {
        descriptor = open("/dev/null", O_RDWR);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor < 0) return -1;
    return close(descriptor);
}

/// Closes what the server's process happened to leave open above the standard descriptors.
static int close_all_but(struct descriptors kept) {
    unsigned first = STDERR_FILENO + 1;
    while (first != 0) {
        unsigned next = ~0U;
        const unsigned candidates[] = {(unsigned)kept.control, (unsigned)kept.plan, (unsigned)kept.filters};
        for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
            if (candidates[i] >= first && candidates[i] < next) next = candidates[i];
        }
        if (next > first && sys_close_range(first, next == ~0U ? next : next - 1) != 0) return -1;
        first = next + 1;
    }
    return 0;
}

/// Leaves the terminal's process group and its signals: whoever interrupts the server lets the server end us in good
/// order.
static int leave_terminal(void) {
    sigset_t all;
    sigfillset(&all);
    if (sigprocmask(SIG_SETMASK, &all, NULL) != 0) return -1;
    // A leader of a process group is alone in its group already.
    return setsid() < 0 && errno != EPERM ? -1 : 0;
}

/// Enters the outer user namespace and starts over there. Returns only on failure.
static struct failure start_over_inside(struct steps launcher, char **arguments) {
    struct failure failure = outer_enter(launcher);
    if (failure.error != 0) return failure;
    char *again[] = {arguments[0], arguments[1], arguments[2], arguments[3], (char *)INSIDE, NULL};
    char *environment[] = {NULL};
    execve("/proc/self/exe", again, environment);
    return (struct failure){CI_SECTION_LAUNCHER, -1, errno};
}

int main(int count, char **arguments) {
    bool isInside = count == 5 && strcmp(arguments[4], INSIDE) == 0;
    if (count != 4 && !isInside) {
        say("usage: sandbox-launcher CONTROL PLAN FILTERS");
        return EXIT_FAILURE;
    }
    if (open_standard_descriptors() != 0 || leave_terminal() != 0) return EXIT_FAILURE;
    struct descriptors descriptors = {
        parse_descriptor(arguments[1]), parse_descriptor(arguments[2]), parse_descriptor(arguments[3]),
    };
    if (descriptors.control < 0 || descriptors.plan < 0 || descriptors.filters < 0) {
        say("CONTROL, PLAN and FILTERS must be open descriptors above 2");
        return EXIT_FAILURE;
    }
    if (close_all_but(descriptors) != 0) return EXIT_FAILURE;
    struct failure failure = plan_load(&plan, descriptors.plan);
    struct steps launcher = plan_section(&plan, CI_SECTION_LAUNCHER);
    bool isRootless = false;
    if (failure.error == 0) failure = outer_mode(launcher, &isRootless);
    if (failure.error == 0 && isRootless && !isInside) failure = start_over_inside(launcher, arguments);
    if (failure.error != 0) {
        report_failure(descriptors.control, failure);
        return EXIT_FAILURE;
    }
    set_close_on_exec(descriptors.control, true);
    set_close_on_exec(descriptors.plan, true);
    set_close_on_exec(descriptors.filters, true);
    return supervise(&plan, descriptors);
}
