/// What the worker keeps of root once the template stands.
#pragma once

/// Gives up every capability that making sandboxes does not take, here and in all that is executed from here: the
/// zygotes. 0 or -1 and errno.
int privileges_reduce(void);
