/// The template of the file system: made once, in the worker's mount namespace; every sandbox starts with a copy of it.
#pragma once
#include "plan.h"

/// Carries out `[root]`. The caller's mount namespace must be its own.
struct failure root_build(struct steps steps);
