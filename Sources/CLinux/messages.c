#include "CLinux.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 16 };

/// Room for the descriptors of one message, aligned as CMSG_FIRSTHDR(3) needs it.
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
};

ssize_t ci_send(int socket, const void *bytes, size_t size, const int *descriptors, int descriptor_count) {
    if (descriptor_count < 0 || descriptor_count > MAX_DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    union control control = {};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor_count > 0) {
        size_t length = (size_t)descriptor_count * sizeof(int);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(length);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(header), descriptors, length);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// Moves the descriptors of a message into `received` and gives their number.
static int take_descriptors(struct msghdr *message, int received[MAX_DESCRIPTORS]) {
    int count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t length = header->cmsg_len - CMSG_LEN(0);
        for (size_t i = 0; i < length / sizeof(int) && count < MAX_DESCRIPTORS; i++) {
            memcpy(&received[count++], CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        }
    }
    return count;
}

ssize_t ci_receive(int socket, void *bytes, size_t size, int *descriptors, int *descriptor_count) {
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    union control control = {};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    int capacity = *descriptor_count;
    *descriptor_count = 0;
    ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0) {
        return -1;
    }
    int received[MAX_DESCRIPTORS];
    int count = take_descriptors(&message, received);
    bool isTooLong = message.msg_flags & MSG_TRUNC;
    if (isTooLong || count > capacity || (message.msg_flags & MSG_CTRUNC)) {
        for (int i = 0; i < count; i++) {
            close(received[i]);
        }
        count = 0;
    }
    if (isTooLong) {
        errno = EMSGSIZE;
        return -1;
    }
    memcpy(descriptors, received, (size_t)count * sizeof(int));
    *descriptor_count = count;
    return length;
}
