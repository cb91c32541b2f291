/// The life of one sandbox: built by an init, entered by a zygote's child, killed and removed. Nothing in here waits.
#pragma once
#include "state.h"

/// Begins to make sandbox `id` with zygote `zygote`. The server hears CREATED or FAILED.
void sandbox_create(struct worker *worker, uint32_t id, int32_t zygote);

/// Begins to kill and remove sandbox `id`. The server hears DESTROYED.
void sandbox_destroy(struct worker *worker, uint32_t id);

/// Sends `signal` to the process group of the main process of sandbox `id`.
void sandbox_signal(const struct worker *worker, uint32_t id, int32_t signal);

/// NULL where there is no such sandbox.
struct sandbox *sandbox_find(const struct worker *worker, uint32_t id);

/// Reads what the init of slot `slot` says.
void sandbox_hear_init(struct worker *worker, int slot);

/// The zygote forked the main process. Takes `pidfd` over.
void sandbox_started(struct worker *worker, struct sandbox *sandbox, pid_t main, int pidfd);

/// The main process ended with wait status `status`.
void sandbox_main_exited(struct worker *worker, struct sandbox *sandbox, int status);

/// Ends a sandbox that cannot be made, unless it ends already. The server hears FAILED once nothing is left.
void sandbox_fail(struct worker *worker, struct sandbox *sandbox, struct failure failure);

/// A child of the worker ended. True where it belonged to a sandbox.
bool sandbox_reaped(struct worker *worker, pid_t process, int status);

/// Looks again after sandboxes that take time to end. Milliseconds until the next look, -1 where none ends.
int sandbox_continue_ending(struct worker *worker);
