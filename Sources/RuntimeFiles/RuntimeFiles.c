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
static const unsigned char jupyter_bridge[] = {
#embed "../../Runtime/jupyter_bridge.py"
};
static const unsigned char jupyter_conversation[] = {
#embed "../../Runtime/jupyter_conversation.py"
};
static const unsigned char jupyter_deno[] = {
#embed "../../Runtime/jupyter_deno.py"
};
static const unsigned char jupyter_kernel[] = {
#embed "../../Runtime/jupyter_kernel.py"
};
static const unsigned char jupyter_output[] = {
#embed "../../Runtime/jupyter_output.py"
};
static const unsigned char jupyter_variables[] = {
#embed "../../Runtime/jupyter_variables.py"
};
static const unsigned char jupyter_wire[] = {
#embed "../../Runtime/jupyter_wire.py"
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
static const unsigned char settled[] = {
#embed "../../Runtime/settled.py"
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
    {"jupyter_bridge.py", jupyter_bridge, sizeof jupyter_bridge},
    {"jupyter_conversation.py", jupyter_conversation, sizeof jupyter_conversation},
    {"jupyter_deno.py", jupyter_deno, sizeof jupyter_deno},
    {"jupyter_kernel.py", jupyter_kernel, sizeof jupyter_kernel},
    {"jupyter_output.py", jupyter_output, sizeof jupyter_output},
    {"jupyter_variables.py", jupyter_variables, sizeof jupyter_variables},
    {"jupyter_wire.py", jupyter_wire, sizeof jupyter_wire},
    {"kernel.py", kernel, sizeof kernel},
    {"output.py", output, sizeof output},
    {"script.py", script, sizeof script},
    {"settled.py", settled, sizeof settled},
    {"warm.py", warm, sizeof warm},
    {"zygote.py", zygote, sizeof zygote},
};

const struct ci_runtime_file *ci_runtime_file(size_t index) {
    return index < sizeof files / sizeof files[0] ? &files[index] : nullptr;
}
