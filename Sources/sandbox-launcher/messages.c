#include "messages.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int message_send(int socket, const void *message, size_t size, const int *descriptors, int count) {
    struct iovec part = {(void *)message, size};
    alignas(struct cmsghdr) char control[CMSG_SPACE(MESSAGE_MAX_DESCRIPTORS * sizeof(int))] = {};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        memcpy(CMSG_DATA(rights), descriptors, (size_t)count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)size) return 0;
    if (sent >= 0) return EIO;
    return errno == ETOOMANYREFS || errno == ENOBUFS ? EAGAIN : errno;
}

/// Keeps the first descriptor of `header` and closes all others. -1 where there is none.
static int take_descriptor(struct msghdr *header) {
    int kept = -1;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL; part = CMSG_NXTHDR(header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor;
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (kept < 0) kept = descriptor;
            else close(descriptor);
        }
    }
    return kept;
}

int message_receive(int socket, void *message, size_t size, int *descriptor) {
    struct iovec part = {message, size};
    alignas(struct cmsghdr) char control[CMSG_SPACE(MESSAGE_MAX_DESCRIPTORS * sizeof(int))];
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control,
    };
    ssize_t received;
    do {
        received = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return errno == ECONNRESET ? 0 : -errno;
    *descriptor = take_descriptor(&header);
    if (received == 0) return 0;
    if (received == (ssize_t)size && (header.msg_flags & MSG_TRUNC) == 0) return 1;
    if (*descriptor >= 0) close(*descriptor);
    *descriptor = -1;
    return -EPROTO;
}
