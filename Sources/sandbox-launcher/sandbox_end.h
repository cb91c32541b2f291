/// How a sandbox ends: its processes first, then its cgroups, then the word to the server.
#pragma once
#include "sandbox.h"

/// Begins to end `sandbox` unless that began before.
void sandbox_end(struct worker *worker, struct sandbox *sandbox);
