#include "parts/source_walk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"

enum { DEPTH_MAX = 16, PARENTS_MAX = 32 };

int64_t walk_time_ms(const struct stat *st)
{
    return (int64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len >= n && !strcmp(text + len - n, end);
}

size_t walk_lua_name(const char *name)
{
    if (!ends_with(name, ".lua") || ends_with(name, "_test.lua"))
        return 0;
    size_t len = strlen(name) - strlen(".lua");
    return text_name(name, len, len) ? len : 0;
}

/* ".send.lua.x8Jq2L", or the directory of --delay-updates. A file that rests is somebody's own. */
bool walk_transfer(int fd, const char *name, int64_t unix_ms)
{
    if (!strcmp(name, ".~tmp~"))
        return true;
    size_t len = strlen(name);
    if (name[0] != '.' || len < 9 || name[len - 7] != '.')
        return false;
    for (size_t i = len - 6; i < len; i++)
        if (!isalnum((unsigned char)name[i]))
            return false;
    struct stat st;
    return !fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
           unix_ms - walk_time_ms(&st) < SOURCE_BUSY_MS;
}

char *walk_unsafe(const struct stat *st)
{
    const unsigned mode = st->st_mode & 07777;
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return mem_format(
            "mode %04o, owned by user %u: neither root nor the user that neap runs as", mode,
            (unsigned)st->st_uid);
    if (mode & (S_IWGRP | S_IWOTH))
        return mem_format("mode %04o: %s may write to it (chmod go-w)", mode,
                          mode & S_IWOTH ? "everybody" : "its group");
    return NULL;
}

/* Of several the first by path, whatever order they are found in. */
static void note_unsafe(struct walk *w, const char *root, const char *path, const struct stat *st)
{
    char *why = walk_unsafe(st);
    char *text =
        why ? mem_format("%s%s%s: %s", root ? root : "", root ? "/" : "", path, why) : NULL;
    free(why);
    if (text && (!w->unsafe || strcmp(text, w->unsafe) < 0)) {
        free(w->unsafe);
        w->unsafe = text;
    } else {
        free(text);
    }
}

static void add_file(struct walk *w, const char *path, bool task, const struct stat *st, int error)
{
    if (w->n_files == w->cap_files) {
        w->cap_files = w->cap_files ? w->cap_files * 2 : 8;
        w->files = mem_grow(w->files, w->cap_files, sizeof *w->files);
    }
    struct walk_file *file = &w->files[w->n_files++];
    *file = (struct walk_file){.path = mem_text(path), .task = task, .error = error};
    if (error)
        return;
    file->st = *st;
    note_unsafe(w, w->root, path, st);
    if (walk_time_ms(st) > w->newest_ms)
        w->newest_ms = walk_time_ms(st);
}

static void add_dir(struct walk *w, const char *path, const struct stat *st)
{
    if (w->n_dirs == w->cap_dirs) {
        w->cap_dirs = w->cap_dirs ? w->cap_dirs * 2 : 4;
        w->dirs = mem_grow(w->dirs, w->cap_dirs, sizeof *w->dirs);
    }
    w->dirs[w->n_dirs++] =
        (struct source_dir){.path = mem_text(path), .dev = st->st_dev, .ino = st->st_ino};
    note_unsafe(w, NULL, path, st);
    if (walk_time_ms(st) > w->newest_ms)
        w->newest_ms = walk_time_ms(st);
}

static int look(struct walk *w, int fd, const char *dir, const char *inside, int depth);

static void look_below(struct walk *w, int fd, const char *dir, const char *inside,
                       const char *name, int depth)
{
    int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (child < 0)
        return; /* gone meanwhile; or what it holds is found missing when asked for */
    char *path = mem_format("%s/%s", dir, name);
    char *below = mem_format("%s%s/", inside, name);
    look(w, child, path, below, depth + 1);
    free(below);
    free(path);
    close(child);
}

static void look_at(struct walk *w, int fd, const char *dir, const char *inside, const char *name,
                    int depth)
{
    struct stat st;
    size_t len = walk_lua_name(name);
    if (!len && (depth ? !text_name(name, strlen(name), NAME_MAX) : strcmp(name, "lib") != 0))
        return;
    int error = fstatat(fd, name, &st, 0) ? errno : 0;
    if (!error && S_ISDIR(st.st_mode)) {
        if (!len && depth < DEPTH_MAX)
            look_below(w, fd, dir, inside, name, depth);
        return;
    }
    if (!len)
        return;
    if (error == ENOENT && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return; /* deleted since it was listed; else a symbolic link to nowhere */
    bool task = !depth && name[0] != '_';
    char *path = mem_format("%s%s", inside, name);
    add_file(w, path, task, &st, error);
    w->tasks += task;
    free(path);
}

/* The directory itself counts for its time, so that a deletion is seen to be recent. */
static int look(struct walk *w, int fd, const char *dir, const char *inside, int depth)
{
    struct stat st;
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    if (!stream || fstat(copy, &st)) {
        int error = errno;
        if (stream)
            closedir(stream);
        else if (copy >= 0)
            close(copy);
        return error;
    }
    add_dir(w, dir, &st);
    int64_t now_ms = clock_unix_ms();
    const struct dirent *entry;
    while (w->n_files <= SOURCE_FILES_MAX && (entry = readdir(stream))) {
        if (entry->d_name[0] != '.')
            look_at(w, fd, dir, inside, entry->d_name, depth);
        else if (!w->busy)
            w->busy = walk_transfer(fd, entry->d_name, now_ms);
    }
    closedir(stream);
    return 0;
}

static int by_file_path(const void *a, const void *b)
{
    const struct walk_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int by_dir_path(const void *a, const void *b)
{
    const struct source_dir *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static uint64_t hash_number(uint64_t hash, int64_t number)
{
    return hash_bytes(hash, &number, sizeof number);
}

static uint64_t hash_time(uint64_t hash, const struct timespec *t)
{
    return hash_number(hash_number(hash, t->tv_sec), t->tv_nsec);
}

static void stamp(struct walk *w)
{
    uint64_t hash = HASH_START, shape = HASH_START;
    for (size_t i = 0; i < w->n_dirs; i++) {
        hash = hash_text(hash, w->dirs[i].path);
        hash = hash_number(hash_number(hash, (int64_t)w->dirs[i].dev), (int64_t)w->dirs[i].ino);
    }
    for (size_t i = 0; i < w->n_files; i++) {
        const struct walk_file *file = &w->files[i];
        const struct stat *st = &file->st;
        shape = hash_text(shape, file->path);
        hash = hash_number(hash_text(hash, file->path), file->error);
        if (file->error)
            continue;
        hash = hash_number(hash_number(hash, (int64_t)st->st_dev), (int64_t)st->st_ino);
        hash = hash_number(hash_number(hash, st->st_mode), st->st_size);
        hash = hash_time(hash_time(hash, &st->st_mtim), &st->st_ctim);
    }
    if (w->unsafe) /* the mode of a directory shows nowhere else */
        hash = hash_text(hash, w->unsafe);
    if (w->n_files > SOURCE_FILES_MAX) /* not all were looked at */
        hash = hash_number(hash, w->newest_ms);
    w->stamp = hash | 1; /* never 0 */
    w->shape = shape;
}

int walk_plugin(struct walk *w, int fd, const char *dir)
{
    w->root = dir;
    int error = look(w, fd, dir, "", 0);
    if (w->n_files)
        qsort(w->files, w->n_files, sizeof *w->files, by_file_path);
    if (w->n_dirs)
        qsort(w->dirs, w->n_dirs, sizeof *w->dirs, by_dir_path);
    stamp(w);
    return error;
}

void walk_single(struct walk *w, int fd, const char *file)
{
    struct stat st;
    int error = fstatat(fd, file, &st, 0) ? errno : 0;
    add_file(w, file, true, &st, error);
    w->tasks = 1;
    stamp(w);
}

void walk_close(struct walk *w)
{
    for (size_t i = 0; i < w->n_files; i++)
        free(w->files[i].path);
    for (size_t i = 0; i < w->n_dirs; i++)
        free(w->dirs[i].path);
    free(w->files);
    free(w->dirs);
    free(w->unsafe);
    *w = (struct walk){0};
}

/* A .git that is a file (a worktree, a submodule) says where the real one is: "gitdir: PATH". */
static bool linked_git_busy(int fd, const char *dots, const char *git)
{
    char text[PATH_MAX + 64], lock[2 * PATH_MAX + 128];
    int file = openat(fd, git, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return false;
    ssize_t len = read(file, text, sizeof text - 1);
    close(file);
    if (len < 8 || strncmp(text, "gitdir: ", 8) != 0)
        return false;
    text[len] = 0;
    text[strcspn(text, "\r\n")] = 0;
    const char *path = text + 8;
    snprintf(lock, sizeof lock, "%s%s/index.lock", path[0] == '/' ? "" : dots, path);
    return !faccessat(fd, lock, F_OK, 0);
}

/* Parents are taken from the descriptor, so that symbolic links are behind us. */
bool walk_git_busy(int fd)
{
    char dots[3 * PARENTS_MAX + 1] = "", path[sizeof dots + 32];
    struct stat st, up;
    for (int i = 0; i < PARENTS_MAX; i++) {
        snprintf(path, sizeof path, "%s.git", dots);
        if (!fstatat(fd, path, &st, 0)) {
            if (!S_ISDIR(st.st_mode))
                return linked_git_busy(fd, dots, path);
            snprintf(path, sizeof path, "%s.git/index.lock", dots);
            return !faccessat(fd, path, F_OK, 0);
        }
        if (fstatat(fd, i ? dots : ".", &st, 0))
            return false;
        memcpy(dots + 3 * i, "../", 4);
        if (fstatat(fd, dots, &up, 0) || (st.st_dev == up.st_dev && st.st_ino == up.st_ino))
            return false;
    }
    return false;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return len > 1 && !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static bool is_rsync(int proc, const char *pid)
{
    char path[64], name[16] = "";
    snprintf(path, sizeof path, "%.20s/comm", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, name, sizeof name - 1);
    close(fd);
    return len > 0 && !strcmp(name, "rsync\n");
}

/* Its receiving end works in the directory that it fills. Between deleting and writing it leaves no
 * other trace, for as long as the machine lets it wait. */
bool walk_rsync_busy(int fd)
{
    char link[64], own[PATH_MAX], cwd[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, own, sizeof own - 1);
    DIR *proc = len < 0 ? NULL : opendir("/proc");
    if (!proc)
        return false;
    own[len] = 0;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(proc))) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(link, sizeof link, "%.20s/cwd", entry->d_name);
        len = readlinkat(dirfd(proc), link, cwd, sizeof cwd - 1);
        if (len < 0)
            continue;
        cwd[len] = 0;
        found = (is_below(own, cwd) || is_below(cwd, own)) && is_rsync(dirfd(proc), entry->d_name);
    }
    closedir(proc);
    return found;
}
