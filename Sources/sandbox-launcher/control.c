#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "process.h"
#include "sandbox.h"
#include "system.h"
#include "worker.h"

/// Requests carried out before other events get their turn.
#define REQUESTS_AT_ONCE 16

static void close_all(const int *descriptors, int count) {
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

/// While events wait, no request is read: what waits stays bounded, and the server feels it.
static void watch_control(const struct worker *worker, bool isOutboxEmpty) {
    struct epoll_event event = {
        .events = isOutboxEmpty ? EPOLLIN : EPOLLOUT, .data.u64 = (uint64_t)SOURCE_CONTROL << 32,
    };
    if (epoll_ctl(worker->epoll, EPOLL_CTL_MOD, worker->descriptors.control, &event) != 0) _exit(EXIT_FAILURE);
}

/// Tries to send. False where the socket has no room. Ends the worker, and so everything it made, where the server is
/// gone.
static bool try_send(const struct worker *worker, const struct ci_event *event, const int *descriptors, int count) {
    int error = message_send(worker->descriptors.control, event, sizeof *event, descriptors, count);
    if (error == 0) return true;
    if (error == EAGAIN) return false;
    if (error != EPIPE && error != ECONNRESET) say("cannot send to the server: %s", strerror(error));
    _exit(error == EPIPE || error == ECONNRESET ? WORKER_DONE : EXIT_FAILURE);
}

void control_send(struct worker *worker, struct ci_event event, const int *descriptors, int count) {
    struct outbox *outbox = &worker->outbox;
    if (outbox->count == 0 && try_send(worker, &event, descriptors, count)) {
        close_all(descriptors, count);
        return;
    }
    if (outbox->count == outbox->capacity) {
        say("the server does not read its events");
        _exit(EXIT_FAILURE);
    }
    struct outgoing *outgoing = &outbox->ring[(outbox->first + outbox->count) % outbox->capacity];
    *outgoing = (struct outgoing){.event = event, .count = count};
    if (count > 0) memcpy(outgoing->descriptors, descriptors, (size_t)count * sizeof(int));
    if (outbox->count++ == 0) watch_control(worker, false);
}

void control_tell(struct worker *worker, enum ci_event_kind kind, uint32_t sandbox, int32_t value) {
    struct ci_event event = {.kind = kind, .sandbox = sandbox, .value = value, .step = -1};
    control_send(worker, event, NULL, 0);
}

void control_tell_failure(struct worker *worker, uint32_t sandbox, struct failure failure) {
    struct ci_event event = {
        .kind = CI_EVENT_FAILED,
        .sandbox = sandbox,
        .section = failure.section,
        .step = failure.step,
        .error = failure.error,
    };
    control_send(worker, event, NULL, 0);
}

static void flush(struct worker *worker) {
    struct outbox *outbox = &worker->outbox;
    while (outbox->count > 0) {
        struct outgoing *outgoing = &outbox->ring[outbox->first];
        if (!try_send(worker, &outgoing->event, outgoing->descriptors, outgoing->count)) return;
        close_all(outgoing->descriptors, outgoing->count);
        outbox->first = (outbox->first + 1) % outbox->capacity;
        outbox->count--;
    }
    watch_control(worker, true);
}

static void carry_out(struct worker *worker, const struct ci_request *request) {
    switch ((enum ci_request_kind)request->kind) {
    case CI_REQUEST_CREATE: sandbox_create(worker, request->sandbox, request->argument); return;
    case CI_REQUEST_DESTROY: sandbox_destroy(worker, request->sandbox); return;
    case CI_REQUEST_SIGNAL: process_signal(worker, request->sandbox, request->argument); return;
    case CI_REQUEST_ENTER: process_enter(worker, request->sandbox, (uint32_t)request->argument); return;
    case CI_REQUEST_FREEZE: sandbox_freeze(worker, request->sandbox, request->argument != 0); return;
    }
    say("unknown request %u", request->kind);
}

void control_serve(struct worker *worker, uint32_t events) {
    if (worker->outbox.count > 0 && (events & EPOLLOUT) != 0) flush(worker);
    for (int i = 0; i < REQUESTS_AT_ONCE && worker->outbox.count == 0; i++) {
        struct ci_request request;
        int descriptor = -1;
        int result = message_receive(worker->descriptors.control, &request, sizeof request, &descriptor);
        close_descriptor(&descriptor);
        if (result == -EAGAIN) break;
        if (result == 0) _exit(WORKER_DONE);
        if (result < 0) say("a request was not understood: %s", strerror(-result));
        if (result > 0) carry_out(worker, &request);
    }
    if ((events & (EPOLLHUP | EPOLLERR)) != 0) _exit(WORKER_DONE);
}

void control_discard_requests(const struct worker *worker) {
    struct ci_request request;
    int descriptor, result;
    do {
        result = message_receive(worker->descriptors.control, &request, sizeof request, &descriptor);
        if (result > 0) close_descriptor(&descriptor);
    } while (result > 0 || result == -EPROTO);
}
