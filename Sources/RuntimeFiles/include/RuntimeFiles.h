/// The Python files that run inside every sandbox, embedded from Runtime/ when this is compiled.
#pragma once
#include <stddef.h>

/// One file. Neither pointer is ever freed.
struct ci_runtime_file {
    /// Its name, without a directory.
    const char *name;
    /// Its content, not ended by a zero.
    const unsigned char *content;
    size_t length;
};

/// The file of that index from 0, or a null pointer beyond the last.
const struct ci_runtime_file *ci_runtime_file(size_t index);
