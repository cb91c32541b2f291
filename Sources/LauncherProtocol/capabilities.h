/// Giving up capabilities(7). Shared by init and the entry library, which are linked apart from each other;
/// async-signal-safe.
#pragma once
#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/securebits.h>

/// Empties the bounding set of every capability this kernel knows. 0 or -1.
static inline int capabilities_drop_bounding_set(void) {
    for (int capability = 0; capability < 64; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
        // EINVAL: the kernel's last capability was the one before.
        return errno == EINVAL && capability > 0 ? 0 : -1;
    }
    return 0;
}

/// Locks the securebits, so that user id 0 means nothing, then empties the ambient and all other sets. 0 or -1.
static inline int capabilities_drop_all(void) {
    // The bits first: setting them takes CAP_SETPCAP.
    const unsigned long bits = SECURE_ALL_BITS | SECURE_ALL_LOCKS;
    if (prctl(PR_SET_SECUREBITS, bits & ~issecure_mask(SECURE_KEEP_CAPS), 0, 0, 0) != 0) return -1;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return -1;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {};
    return (int)syscall(SYS_capset, &header, none);
}
