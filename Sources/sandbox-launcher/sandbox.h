/// The life of one sandbox: built by an init, entered by a zygote's child, killed and removed. Nothing in here waits.
#pragma once
#include "state.h"

/// Begins to make sandbox `id` with zygote `zygote`. The server hears CREATED or FAILED.
void sandbox_create(struct worker *worker, uint32_t id, int32_t zygote);

/// Begins to kill and remove sandbox `id`. The server hears DESTROYED.
void sandbox_destroy(struct worker *worker, uint32_t id);

/// Stops every process of sandbox `id`, or lets them run again.
void sandbox_freeze(const struct worker *worker, uint32_t id, bool isFrozen);

/// NULL where there is no such sandbox.
struct sandbox *sandbox_find(const struct worker *worker, uint32_t id);

/// Reads what the init of slot `slot` says.
void sandbox_hear_init(struct worker *worker, int slot);

/// The zygote forked the main process. Takes `channel` over.
void sandbox_started(struct worker *worker, struct sandbox *sandbox, int channel);

/// Ends a sandbox that cannot be made, unless it ends already. The server hears FAILED once nothing is left.
void sandbox_fail(struct worker *worker, struct sandbox *sandbox, struct failure failure);

/// A child of the worker ended. True where it was the init of a sandbox.
bool sandbox_reaped(struct worker *worker, pid_t pid);

/// Looks again after sandboxes that take time to end. Milliseconds until the next look, -1 where none ends.
int sandbox_continue_ending(struct worker *worker);
