#include "root.h"

#include <string.h>
#include <sys/stat.h>

#include <linux/openat2.h>

#include "system.h"

/// Opens `path` inside the template: a symbolic link in it, an absolute one too, cannot lead out to the host.
static int open_inside(int template, const char *path, uint64_t flags, uint64_t mode) {
    struct open_how how = {
        .flags = flags | O_CLOEXEC, .mode = mode, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, template, path, &how, sizeof how);
}

/// Most bytes of a path in the template.
#define PATH_BYTES 1024

/// Splits an absolute path before its last component. `*name` points into `path`. 0, or -1 and EINVAL.
static int split(const char *path, char parent[PATH_BYTES], const char **name) {
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    if (*path != '/' || slash[1] == '\0' || length >= PATH_BYTES) {
        errno = EINVAL;
        return -1;
    }
    memcpy(parent, path, length);
    memcpy(parent + length, length == 0 ? "/" : "", length == 0 ? 2 : 1);
    *name = slash + 1;
    return 0;
}

static int open_directory(int template, const char *path);

/// Makes the directory `path`, parents included; an existing one stays. 0 or -1.
static int make_directory(int template, const char *path, mode_t mode) {
    char parent[PATH_BYTES];
    const char *name;
    if (split(path, parent, &name) != 0) return -1;
    int above = open_directory(template, parent);
    if (above < 0) return -1;
    int error = mkdirat(above, name, mode) == 0 || errno == EEXIST ? 0 : errno;
    close(above);
    errno = error;
    return error == 0 ? 0 : -1;
}

/// Opens the directory `path`, making it and its parents where they are missing.
static int open_directory(int template, const char *path) {
    int directory = open_inside(template, path, O_PATH | O_DIRECTORY, 0);
    if (directory >= 0 || errno != ENOENT) return directory;
    if (make_directory(template, path, 0755) != 0) return -1;
    return open_inside(template, path, O_PATH | O_DIRECTORY, 0);
}

/// Opens the directory above `path` and points `*name` at the last component.
static int open_parent(int template, const char *path, const char **name) {
    char parent[PATH_BYTES];
    return split(path, parent, name) == 0 ? open_directory(template, parent) : -1;
}

static int write_file(int template, const char *path, mode_t mode, const char *content) {
    const char *name;
    int parent = open_parent(template, path, &name);
    if (parent < 0) return -1;
    int file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int error = errno;
    close(parent);
    if (file < 0) {
        errno = error;
        return -1;
    }
    size_t length = strlen(content);
    error = 0;
    while (length > 0 && error == 0) {
        ssize_t written = write(file, content, length);
        if (written < 0) error = errno;
        else content += written, length -= (size_t)written;
    }
    // The mode of the plan, whatever our umask is.
    if (error == 0 && fchmod(file, mode) != 0) error = errno;
    close(file);
    errno = error;
    return error == 0 ? 0 : -1;
}

static int make_link(int template, const char *path, const char *target) {
    const char *name;
    int parent = open_parent(template, path, &name);
    if (parent < 0) return -1;
    int result = symlinkat(target, parent, name);
    int error = errno;
    close(parent);
    errno = error;
    return result;
}

/// A place to mount something on: a directory, or a file where `isDirectory` is false.
static int open_mount_point(int template, const char *path, bool isDirectory) {
    if (isDirectory) return open_directory(template, path);
    int place = open_inside(template, path, O_PATH, 0);
    if (place >= 0 || errno != ENOENT) return place;
    if (write_file(template, path, 0444, "") != 0) return -1;
    return open_inside(template, path, O_PATH, 0);
}

/// Puts a copy of the host's mounts at `source` into the template.
static int bind_path(int template, const char *source, const char *path, const char *kind) {
    bool isDevice = strcmp(kind, "device") == 0;
    if (!isDevice && strcmp(kind, "read-only") != 0) {
        errno = EINVAL;
        return -1;
    }
    int tree = sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | AT_RECURSIVE | O_CLOEXEC);
    if (tree < 0) return -1;
    struct stat status;
    struct ci_mount_attr attributes = {
        .set = CI_MOUNT_NO_SUID | (isDevice ? CI_MOUNT_NO_EXEC : CI_MOUNT_READ_ONLY | CI_MOUNT_NO_DEV),
    };
    int place = -1;
    // The attributes come before the tree is reachable by anybody.
    if (fstat(tree, &status) == 0 && sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes) == 0) {
        place = open_mount_point(template, path, S_ISDIR(status.st_mode));
    }
    const unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    int result = place < 0 ? -1 : sys_move_mount(tree, "", place, "", flags);
    int error = errno;
    close_descriptor(&place);
    close(tree);
    errno = error;
    return result;
}

/// mount(2) of a fresh file system on `path`.
static int mount_fresh(int template, const char *type, const char *path, unsigned long flags, const char *options) {
    int place = open_directory(template, path);
    if (place < 0) return -1;
    // By working directory: mount(2) takes no descriptor, and a path would be looked up outside of the template.
    int result = fchdir(place) == 0 ? mount(type, ".", type, flags, options) : -1;
    int error = errno;
    close(place);
    errno = error;
    return result;
}

/// Makes the template's tmpfs and mounts it over our root, where no host path is hidden: lookups begin below it until
/// pivot_root(2).
static int make_template(const char *options) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return -1;
    if (mount("tmpfs", "/", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) return -1;
    // ".." of the root leads up to what is mounted over it.
    return open("/..", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/// Makes the template our root and lets go of the host's.
static int enter_template(int template) {
    if (fchdir(template) != 0) return -1;
    // The old root is stacked upon the new one and then detached from there, see pivot_root(2).
    if (sys_pivot_root(".", ".") != 0) return -1;
    if (umount2(".", MNT_DETACH) != 0) return -1;
    return chdir("/");
}

static int carry_out(int *template, const struct plan_step *step) {
    char *const *text = step->text;
    if (step->verb == VERB_TEMPLATE) {
        close_descriptor(template);
        *template = make_template(text[0]);
        return *template < 0 ? -1 : 0;
    }
    switch ((enum verb)step->verb) {
    case VERB_DIRECTORY: return make_directory(*template, text[0], (mode_t)step->number[1]);
    case VERB_FILE: return write_file(*template, text[0], (mode_t)step->number[1], text[2]);
    case VERB_SYMLINK: return make_link(*template, text[0], text[1]);
    case VERB_BIND: return bind_path(*template, text[0], text[1], text[2]);
    case VERB_ROOT_TMPFS: return mount_fresh(*template, "tmpfs", text[0], MS_NOSUID | MS_NODEV, text[1]);
    case VERB_ROOT_PROC: return mount_fresh(*template, "proc", text[0], MS_NOSUID | MS_NODEV | MS_NOEXEC, text[1]);
    case VERB_ENTER: return enter_template(*template);
    case VERB_SEAL:
        return sys_mount_setattr(*template, "", AT_EMPTY_PATH, &(struct ci_mount_attr){.set = CI_MOUNT_READ_ONLY});
    default: errno = EINVAL; return -1;
    }
}

struct failure root_build(struct steps steps) {
    int template = -1;
    struct failure failure = NO_FAILURE;
    // Modes are the plan's.
    mode_t mask = umask(0);
    for (int i = 0; i < steps.count && failure.error == 0; i++) {
        if (carry_out(&template, &steps.first[i]) != 0) failure = plan_failure(&steps.first[i], errno);
    }
    umask(mask);
    close_descriptor(&template);
    return failure;
}
