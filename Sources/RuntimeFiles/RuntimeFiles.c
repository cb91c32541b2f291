#include "RuntimeFiles.h"

static const unsigned char cells[] = {
#embed "../../Runtime/cells.py"
};
static const unsigned char child[] = {
#embed "../../Runtime/child.py"
};
static const unsigned char context[] = {
#embed "../../Runtime/context.py"
};
static const unsigned char display[] = {
#embed "../../Runtime/display.py"
};
static const unsigned char frames[] = {
#embed "../../Runtime/frames.py"
};
static const unsigned char kernel[] = {
#embed "../../Runtime/kernel.py"
};
static const unsigned char output[] = {
#embed "../../Runtime/output.py"
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
    {"cells.py", cells, sizeof cells},
    {"child.py", child, sizeof child},
    {"context.py", context, sizeof context},
    {"display.py", display, sizeof display},
    {"frames.py", frames, sizeof frames},
    {"kernel.py", kernel, sizeof kernel},
    {"output.py", output, sizeof output},
    {"script.py", script, sizeof script},
    {"warm.py", warm, sizeof warm},
    {"zygote.py", zygote, sizeof zygote},
};

const struct ci_runtime_file *ci_runtime_file(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : nullptr;
}
