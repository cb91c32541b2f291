/// libseccomp, as it is.
#pragma once
#include <seccomp.h>
