#include "supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "report.h"
#include "system.h"
#include "worker.h"

/// A worker that dies this often within the period below will not do better the next time.
#define MAX_DEATHS 5
#define DEATHS_PERIOD_MILLISECONDS 10000

/// How often frozen processes are woken again while a killed worker takes its sandboxes with it.
#define THAW_INTERVAL_MILLISECONDS 50

struct supervisor {
    const struct plan *plan;
    struct descriptors descriptors;
    struct cgroups cgroups;
    pid_t worker;
    int pidfd;
    int lifeline;
    /// When the latest workers died, a ring.
    int64_t deaths[MAX_DEATHS];
    unsigned death_count;
};

/// Starts a worker in namespaces of its own. 0 or an errno.
static int start_worker(struct supervisor *supervisor) {
    int lifeline[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lifeline) != 0) return errno;
    // A pid namespace, so that nothing can survive the worker; a network namespace, because a rootless process could
    // not come back to the host's after it visited a sandbox's.
    const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    pid_t worker = sys_clone(namespaces, &supervisor->pidfd);
    if (worker == 0) {
        close(lifeline[0]);
        worker_run(
            supervisor->plan, &supervisor->cgroups, supervisor->descriptors, lifeline[1], supervisor->death_count == 0
        );
    }
    int error = errno;
    close(lifeline[1]);
    if (worker < 0) {
        close(lifeline[0]);
        return error;
    }
    supervisor->worker = worker;
    supervisor->lifeline = lifeline[0];
    return 0;
}

/// Waits until the worker or the server is gone. True where the worker began to die.
static bool wait_for_end(const struct supervisor *supervisor) {
    struct pollfd watched[] = {
        {.fd = supervisor->descriptors.control},
        // A dying worker closes its descriptors first, then waits for all its sandboxes: with frozen ones its pidfd
        // alone would stay silent.
        {.fd = supervisor->lifeline},
        {.fd = supervisor->pidfd, .events = POLLIN},
    };
    for (;;) {
        if (poll(watched, sizeof watched / sizeof watched[0], -1) < 0) continue;
        if (watched[0].revents != 0) return false;
        if (watched[1].revents != 0 || watched[2].revents != 0) return true;
    }
}

/// Ends the worker where it still runs, and with it every process it ever made. Its wait status.
static int end_worker(struct supervisor *supervisor, bool isDying) {
    if (!isDying) (void)sys_pidfd_send_signal(supervisor->pidfd, SIGKILL, 0);
    struct pollfd dead = {.fd = supervisor->pidfd, .events = POLLIN};
    do {
        cgroups_thaw_everything(&supervisor->cgroups);
    } while (poll(&dead, 1, THAW_INTERVAL_MILLISECONDS) <= 0);
    int status = 0;
    if (waitpid(supervisor->worker, &status, 0) != supervisor->worker) status = 0;
    close_descriptor(&supervisor->pidfd);
    close_descriptor(&supervisor->lifeline);
    return status;
}

/// Notes a death of the worker. Whether it was one too many.
static bool died_too_often(struct supervisor *supervisor) {
    int64_t now = now_milliseconds();
    supervisor->deaths[supervisor->death_count++ % MAX_DEATHS] = now;
    int64_t oldest = supervisor->deaths[supervisor->death_count % MAX_DEATHS];
    return supervisor->death_count >= MAX_DEATHS && now - oldest < DEATHS_PERIOD_MILLISECONDS;
}

/// Runs one worker to its end. True where another one should follow; otherwise `*status` is the launcher's exit status.
static bool run_worker(struct supervisor *supervisor, int *status) {
    int error = start_worker(supervisor);
    if (error != 0) {
        report_failure(supervisor->descriptors.control, (struct failure){CI_SECTION_NONE, -1, error});
        *status = EXIT_FAILURE;
        return false;
    }
    bool isDying = wait_for_end(supervisor);
    int wait_status = end_worker(supervisor, isDying);
    bool didExit = WIFEXITED(wait_status);
    *status = EXIT_SUCCESS;
    if (!isDying || (didExit && WEXITSTATUS(wait_status) == WORKER_DONE)) return false;
    *status = EXIT_FAILURE;
    if (didExit && WEXITSTATUS(wait_status) == WORKER_CANNOT_START) return false;
    say("the worker died with wait status %d", wait_status);
    if (!cgroups_remove_sandboxes(&supervisor->cgroups)) say("cgroups of dead sandboxes are left");
    if (!died_too_often(supervisor)) return true;
    say("the worker died %d times within %d s", MAX_DEATHS, DEATHS_PERIOD_MILLISECONDS / 1000);
    report_failure(supervisor->descriptors.control, (struct failure){CI_SECTION_NONE, -1, ECHILD});
    return false;
}

int supervise(const struct plan *plan, struct descriptors descriptors) {
    struct supervisor supervisor = {.plan = plan, .descriptors = descriptors, .pidfd = -1, .lifeline = -1};
    struct failure failure = cgroups_prepare(&supervisor.cgroups, plan_section(plan, CI_SECTION_LAUNCHER));
    if (failure.error != 0) {
        report_failure(descriptors.control, failure);
        return EXIT_FAILURE;
    }
    int status;
    while (run_worker(&supervisor, &status)) {
    }
    cgroups_remove(&supervisor.cgroups);
    return status;
}
