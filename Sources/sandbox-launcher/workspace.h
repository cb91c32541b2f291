/// The workspace: a tmpfs of its own, which the server sees as its owner and the sandbox as itself.
#pragma once
#include "plan.h"

/// The server's ids as the launcher knows them.
struct owner {
    uint32_t user;
    uint32_t group;
};

/// A user namespace that translates the owner's ids to `slot`, for mount_setattr(2). A descriptor, or -1 and errno.
int workspace_open_idmap(struct owner owner, uint32_t slot);

/// Makes a workspace that belongs to `owner`: `*tree` for the server, `*mount`, to be moved into the sandbox, a second
/// mount of the same tree with the ids of `idmap`, or unchanged where that is -1. On failure neither is open. Older
/// kernels need `scratch`, a directory on which it is mounted meanwhile.
struct failure workspace_make(
    struct steps options, struct owner owner, int idmap, const char *scratch, int *tree, int *mount
);
