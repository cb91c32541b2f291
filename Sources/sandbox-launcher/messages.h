/// One struct with descriptors over a SOCK_SEQPACKET socket.
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "../LauncherProtocol/include/LauncherProtocol.h"

/// Most descriptors of any message here: a fork request has init, channel and every cgroup.
#define MESSAGE_MAX_DESCRIPTORS (CI_MAX_DESCRIPTORS > 2 + CI_MAX_CGROUPS ? CI_MAX_DESCRIPTORS : 2 + CI_MAX_CGROUPS)

/// Sends without blocking. 0 or an errno; EAGAIN also where the kernel has too many descriptors in flight.
int message_send(int socket, const void *message, size_t size, const int *descriptors, int count);

/// Receives one message of exactly `size` bytes without blocking, and at most one descriptor (-1 where there is none).
///
/// 1, 0 at the end of the conversation, or a negative errno: -EAGAIN where nothing waits, -EPROTO where the message has
/// another size.
int message_receive(int socket, void *message, size_t size, int *descriptor);
