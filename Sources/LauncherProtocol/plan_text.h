/// The plan's text, read line by line (docs/PROTOCOL.md, "The plan").
///
/// Shared by the launcher and by the entry library, which are linked apart from each other: hence only static
/// functions, no allocation and no state. Arguments are unescaped in place, so the text must be writable and outlive
/// what is read from it.
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "include/LauncherProtocol.h"

/// Most arguments of one line.
#define PLAN_MAX_ARGUMENTS 24

/// One kind of step: where it may stand and what its arguments are.
///
/// `signature` has one letter an argument: `s` text, `u` decimal, `o` octal, `x` hexadecimal. What follows `?` may be
/// missing; a final `*` stands for any number of further texts.
struct plan_verb {
    const char *name;
    const char *signature;
    uint32_t section;
    uint32_t verb;
};

/// One line. Numbers stand at the index of their argument.
struct plan_step {
    uint32_t verb;
    uint32_t section;
    int32_t index;
    int32_t count;
    char *text[PLAN_MAX_ARGUMENTS];
    uint64_t number[PLAN_MAX_ARGUMENTS];
};

/// Whether steps behind `scope`, the last `for` line of their section, count for sandboxes of that zygote. NULL, and a
/// line that names nobody, is everybody.
static inline bool plan_counts_for(const struct plan_step *scope, const char *zygote) {
    if (scope == NULL || scope->count == 0) return true;
    for (int i = 0; i < scope->count; i++) {
        if (strcmp(scope->text[i], zygote) == 0) return true;
    }
    return false;
}

/// Where the reader stands.
struct plan_reader {
    char *next;
    char *end;
    uint32_t section;
    int32_t index;
    /// How many sections began; they have a fixed order.
    int32_t sections;
};

/// The sections in the order in which they must stand.
static const struct plan_section {
    const char *name;
    uint32_t section;
} plan_sections[] = {
    {"launcher", CI_SECTION_LAUNCHER}, {"root", CI_SECTION_ROOT},         {"limits", CI_SECTION_LIMITS},
    {"workspace", CI_SECTION_WORKSPACE}, {"statistics", CI_SECTION_STATISTICS}, {"init", CI_SECTION_INIT},
    {"entry", CI_SECTION_ENTRY},
};
enum { PLAN_SECTION_COUNT = sizeof plan_sections / sizeof plan_sections[0] };

/// Replaces the escapes of `text` in place. 0, or -EINVAL for an unknown one.
static inline int plan_unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        switch (*++from) {
        case '\\': *to++ = '\\'; break;
        case 't': *to++ = '\t'; break;
        case 'n': *to++ = '\n'; break;
        default: return -EINVAL;
        }
    }
    *to = '\0';
    return 0;
}

/// Reads all of `text` as an unsigned number of that base. 0 or -EINVAL.
static inline int plan_number(const char *text, unsigned base, uint64_t *number) {
    uint64_t value = 0;
    if (*text == '\0') return -EINVAL;
    for (; *text != '\0'; text++) {
        unsigned digit = *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10 : (unsigned)(*text - '0');
        if (digit >= base || value > (UINT64_MAX - digit) / base) return -EINVAL;
        value = value * base + digit;
    }
    *number = value;
    return 0;
}

/// Splits `line` at its tabs into verb and arguments. 0 or -EINVAL.
static inline int plan_split(char *line, char **verb, struct plan_step *step) {
    step->count = 0;
    *verb = line;
    for (char *tab = strchr(line, '\t'); tab != NULL; tab = strchr(tab, '\t')) {
        *tab++ = '\0';
        if (step->count == PLAN_MAX_ARGUMENTS) return -EINVAL;
        step->text[step->count++] = tab;
    }
    for (int i = 0; i < step->count; i++) {
        if (plan_unescape(step->text[i]) != 0) return -EINVAL;
    }
    return 0;
}

/// Checks number and form of the arguments against `signature`. 0 or -EINVAL.
static inline int plan_check_arguments(const char *signature, struct plan_step *step) {
    int given = 0;
    bool isOptional = false;
    for (; *signature != '\0'; signature++) {
        if (*signature == '?') {
            isOptional = true;
            continue;
        }
        if (*signature == '*') return 0;
        if (given == step->count) return isOptional ? 0 : -EINVAL;
        unsigned base = *signature == 'u' ? 10 : *signature == 'o' ? 8 : *signature == 'x' ? 16 : 0;
        if (base != 0 && plan_number(step->text[given], base, &step->number[given]) != 0) return -EINVAL;
        given++;
    }
    return given == step->count ? 0 : -EINVAL;
}

/// Begins the section that `line` (`[name]`) names. 0, or -EINVAL where it is unknown or out of order.
static inline int plan_begin_section(struct plan_reader *reader, char *line) {
    size_t length = strlen(line);
    if (length < 2 || line[length - 1] != ']' || reader->sections == PLAN_SECTION_COUNT) return -EINVAL;
    line[length - 1] = '\0';
    const struct plan_section *expected = &plan_sections[reader->sections++];
    if (strcmp(line + 1, expected->name) != 0) return -EINVAL;
    reader->section = expected->section;
    reader->index = 0;
    return 0;
}

/// The next line that is neither blank nor a comment, NULL at the end. Lines are cut from the text in place.
static inline char *plan_next_line(struct plan_reader *reader) {
    while (reader->next < reader->end) {
        char *line = reader->next;
        char *newline = memchr(line, '\n', (size_t)(reader->end - line));
        if (newline == NULL) newline = reader->end;
        *newline = '\0';
        reader->next = newline + 1;
        if (*line != '\0' && *line != '#') return line;
    }
    return NULL;
}

/// Begins reading `text`, whose byte at `length` must be writable. 0, or -EINVAL where the text has a NUL.
static inline int plan_read(struct plan_reader *reader, char *text, size_t length) {
    *reader = (struct plan_reader){.next = text, .end = text + length};
    return memchr(text, '\0', length) == NULL ? 0 : -EINVAL;
}

/// Reads the next step. 1 and `*step`, 0 at the end, -EINVAL where the line is wrong; `step` then has its section and
/// index.
///
/// Steps of sections in which `verbs` has no verb at all are passed over: each reader knows its own sections only.
static inline int plan_next(
    struct plan_reader *reader, const struct plan_verb *verbs, size_t verb_count, struct plan_step *step
) {
    char *line;
    while ((line = plan_next_line(reader)) != NULL) {
        if (*line == '[') {
            int result = plan_begin_section(reader, line);
            *step = (struct plan_step){.section = reader->section, .index = -1};
            if (result != 0) return result;
            continue;
        }
        step->section = reader->section;
        step->index = reader->index++;
        char *name;
        bool isOwnSection = false;
        if (reader->sections == 0 || plan_split(line, &name, step) != 0) return -EINVAL;
        for (size_t i = 0; i < verb_count; i++) {
            if (verbs[i].section != step->section) continue;
            isOwnSection = true;
            if (strcmp(verbs[i].name, name) != 0) continue;
            step->verb = verbs[i].verb;
            return plan_check_arguments(verbs[i].signature, step) == 0 ? 1 : -EINVAL;
        }
        if (isOwnSection) return -EINVAL;
    }
    *step = (struct plan_step){.section = reader->section, .index = -1};
    return reader->sections == PLAN_SECTION_COUNT ? 0 : -EINVAL;
}
