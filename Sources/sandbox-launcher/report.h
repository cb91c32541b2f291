/// The last word of a launcher that cannot start or go on.
#pragma once
#include "plan.h"

/// Tells the server and people that there will be no launcher, and why. The server may be gone itself.
void report_failure(int control, struct failure failure);
