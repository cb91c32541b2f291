/// Rootless: the outer user namespace, in which the launcher is root without being root.
#pragma once
#include "plan.h"

/// Whether the plan asks for a rootless launcher. NO_FAILURE, or EINVAL where `mode` is missing or unknown.
struct failure outer_mode(struct steps launcher, bool *isRootless);

/// Enters a new user namespace with the plan's maps and becomes its root. The caller must then execute the program
/// again: setns(2) by pidfd is a ptrace check, and a process that cannot be dumped belongs to the user namespace in
/// which its program was executed.
struct failure outer_enter(struct steps launcher);
