#include "privileges.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../LauncherProtocol/capabilities.h"

/// In a user namespace of its own each sandbox gets all of them anew, and drops them again.
static const int kept[] = {
    // Namespaces, mounts, and joining them: ours, init's and the zygotes' children's.
    CAP_SYS_ADMIN,
    CAP_SYS_CHROOT,
    // setns(2) by pidfd looks like ptrace(2) to the kernel.
    CAP_SYS_PTRACE,
    // Maps of user namespaces.
    CAP_SETUID,
    CAP_SETGID,
    CAP_SETFCAP,
    // Bounding sets and securebits.
    CAP_SETPCAP,
    // The loopback device of a sandbox.
    CAP_NET_ADMIN,
    CAP_KILL,
    // Control groups and /proc belong to somebody else in a user namespace, or to another user by delegation.
    CAP_DAC_OVERRIDE,
    // Descriptors in flight and files open at once.
    CAP_SYS_RESOURCE,
};

static bool is_kept(int capability) {
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (kept[i] == capability) return true;
    }
    return false;
}

int privileges_reduce(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) != 0) return -1;
    uint32_t mask[2] = {};
    for (int capability = 0; capability < 64; capability++) {
        if (is_kept(capability)) {
            mask[capability / 32] |= 1U << capability % 32;
            continue;
        }
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        // EINVAL: the kernel's last capability was the one before.
        if (errno != EINVAL) return -1;
        break;
    }
    for (int half = 0; half < 2; half++) {
        sets[half].permitted &= mask[half];
        sets[half].effective = sets[half].permitted;
        sets[half].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, sets) != 0) return -1;
    // No program executed from here on may gain anything.
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
