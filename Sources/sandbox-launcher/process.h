/// The processes that zygotes fork into sandboxes: a main one each, which has the sandbox's number, and those that enter
/// later. Nothing in here waits.
#pragma once
#include "state.h"

/// Adds a process that is to be forked into `sandbox`, with its channel. 0 or an errno; nothing of it is left then.
///
/// `procs` are taken over: cgroup.procs of each hierarchy.
int process_add(struct worker *worker, struct sandbox *sandbox, uint32_t id, const int *procs);

/// NULL where there is no such process.
struct process *process_find(const struct worker *worker, uint32_t id);

/// The sandbox it belongs to.
struct sandbox *process_sandbox(const struct worker *worker, const struct process *process);

/// Fork process `id` into the standing sandbox `sandbox`. The server hears ENTERED or NOT_ENTERED.
void process_enter(struct worker *worker, uint32_t sandbox, uint32_t id);

/// The zygote forked it. Takes `pidfd` over.
void process_started(struct worker *worker, struct process *process, pid_t pid, int pidfd);

/// It could not be forked: `failure` ends a sandbox of which it is the main process.
void process_failed(struct worker *worker, struct process *process, struct failure failure);

/// It ended with wait status `status`.
void process_exited(struct worker *worker, struct process *process, int status);

/// Sends `signal` to its process group.
void process_signal(const struct worker *worker, uint32_t id, int32_t signal);

/// Forgets every process of `sandbox`, whose init is about to be killed, and with it all of them.
void process_forget_all(struct worker *worker, const struct sandbox *sandbox);

/// A child of the worker ended, whose zygote died before. True where it was one of these.
bool process_reaped(struct worker *worker, pid_t pid, int status);
