#include "zygote_process.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

/// Most `zygote-environment` lines.
#define MAX_ENVIRONMENT 64

/// Above every fixed number, so that no copy lands on another's place.
#define SAFE_DESCRIPTOR 64

/// The fixed descriptors, from 3 on.
enum { FIXED_FIRST = 3, FIXED_COUNT = 3 };

static int collect_environment(const struct plan *plan, char *environment[MAX_ENVIRONMENT + 1]) {
    struct steps launcher = plan_section(plan, CI_SECTION_LAUNCHER);
    int count = 0;
    for (int i = 0; i < launcher.count; i++) {
        if (launcher.first[i].verb != VERB_ZYGOTE_ENVIRONMENT) continue;
        if (count == MAX_ENVIRONMENT) {
            errno = E2BIG;
            return -1;
        }
        environment[count++] = launcher.first[i].text[0];
    }
    environment[count] = NULL;
    return 0;
}

/// Leaves exactly: nothing on 0 and 1, our standard error on 2, and the fixed descriptors.
static int arrange_descriptors(const struct worker *worker, int socket) {
    const int sources[FIXED_COUNT] = {socket, worker->descriptors.plan, worker->descriptors.filters};
    int copies[FIXED_COUNT];
    if (dup2(worker->null, STDIN_FILENO) < 0 || dup2(worker->null, STDOUT_FILENO) < 0) return -1;
    for (int i = 0; i < FIXED_COUNT; i++) {
        copies[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, SAFE_DESCRIPTOR);
        if (copies[i] < 0) return -1;
    }
    for (int i = 0; i < FIXED_COUNT; i++) {
        if (dup2(copies[i], FIXED_FIRST + i) < 0) return -1;
    }
    return sys_close_range(FIXED_FIRST + FIXED_COUNT, ~0U);
}

static _Noreturn void execute(const struct worker *worker, const struct plan_step *step, int socket) {
    char *environment[MAX_ENVIRONMENT + 1];
    char *arguments[PLAN_MAX_ARGUMENTS + 1];
    int count = 0;
    // text[0] is the name people see; the program's path, absolute, is its own first argument: CPython finds itself by
    // that.
    for (int i = 1; i < step->count; i++) arguments[count++] = step->text[i];
    arguments[count] = NULL;
    sigset_t none;
    sigemptyset(&none);
    bool isReady = collect_environment(worker->plan, environment) == 0 && arrange_descriptors(worker, socket) == 0
        && setrlimit(RLIMIT_NOFILE, &worker->file_limit) == 0 && setsid() > 0 && chdir("/") == 0
        && sigprocmask(SIG_SETMASK, &none, NULL) == 0;
    if (isReady) execve(arguments[0], arguments, environment);
    say("zygote %s: %s: %s", step->text[0], step->text[1], strerror(errno));
    _exit(EXIT_FAILURE);
}

pid_t zygote_spawn(const struct worker *worker, const struct plan_step *step, int socket) {
    pid_t process = fork();
    if (process == 0) execute(worker, step, socket);
    return process;
}
