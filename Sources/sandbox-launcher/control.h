/// The conversation with the server.
#pragma once
#include "state.h"

/// Sends `event`, or keeps it until the socket has room. Takes the descriptors over. Ends the worker where the server
/// is gone.
void control_send(struct worker *worker, struct ci_event event, const int *descriptors, int count);

/// Sends an event of `kind` that has a value and no descriptors.
void control_tell(struct worker *worker, enum ci_event_kind kind, uint32_t sandbox, int32_t value);

/// Sends FAILED.
void control_tell_failure(struct worker *worker, uint32_t sandbox, struct failure failure);

/// Reads requests and carries them out, and sends what waits; `events` as of epoll_wait(2).
void control_serve(struct worker *worker, uint32_t events);

/// Throws away what the server sent to a worker that died: it is told that every sandbox of before is gone.
void control_discard_requests(const struct worker *worker);
