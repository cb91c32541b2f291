#include "RuntimeFiles.h"

static const unsigned char child[] = {
#embed "../../Runtime/child.py"
};
static const unsigned char frames[] = {
#embed "../../Runtime/frames.py"
};
static const unsigned char script[] = {
#embed "../../Runtime/script.py"
};
static const unsigned char warm[] = {
#embed "../../Runtime/warm.py"
};
static const unsigned char zygote[] = {
#embed "../../Runtime/zygote.py"
};

static const struct ci_runtime_file files[] = {
    {"child.py", child, sizeof child},
    {"frames.py", frames, sizeof frames},
    {"script.py", script, sizeof script},
    {"warm.py", warm, sizeof warm},
    {"zygote.py", zygote, sizeof zygote},
};

const struct ci_runtime_file *ci_runtime_file(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : nullptr;
}
