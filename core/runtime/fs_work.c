#include "runtime/fs_work.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CHUNK_BYTES (256 * 1024) /* between two looks whether it is still wanted */
#define LIST_MAX 1000000         /* entries of a directory */
#define DEPTH_MAX 200            /* of a tree to remove: each level holds a descriptor */
#define TEMP_TRIES 16
#define DEFAULT_MODE 0666 /* less the umask */

/* No read, write or open waits for a peer: a FIFO or a terminal answers EAGAIN or ENXIO. */
#define OPEN_FLAGS (O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

struct fs_request *fs_request_new(const char *path, const char *to)
{
    struct fs_request *r = mem_zero(1, sizeof *r);
    r->path = mem_text(path);
    r->to = mem_text(to);
    r->mode = -1;
    return r;
}

void fs_request_free(struct fs_request *r)
{
    if (!r)
        return;
    buf_close(&r->data);
    free(r->path);
    free(r->to);
    free(r->at);
    free(r->why);
    free(r);
}

/* --- errors ----------------------------------------------------------------------------------- */

static bool fail(struct fs_request *r, int error)
{
    if (!r->error)
        r->error = error;
    return false;
}

static bool fail_at(struct fs_request *r, const char *at, int error)
{
    if (!r->error) {
        r->error = error;
        r->at = mem_text(at);
    }
    return false;
}

static bool cancelled(const struct fs_request *r)
{
    return atomic_load_explicit(&r->cancelled, memory_order_relaxed); /* only: soon */
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool too_large(struct fs_request *r)
{
    r->why = mem_format("larger than %" PRId64 " bytes", r->max_bytes);
    return fail(r, EFBIG);
}

/* Until the end of the file, whatever stat says of its size: those of /proc have none. */
static bool read_all(struct fs_request *r, int fd)
{
    for (;;) {
        if (cancelled(r))
            return fail(r, ECANCELED);
        if (r->data.cap - r->data.len < CHUNK_BYTES)
            buf_reserve(&r->data, CHUNK_BYTES);
        const ssize_t n = read(fd, r->data.data + r->data.len, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(r, errno);
        r->data.len += (size_t)n;
        if ((int64_t)r->data.len > r->max_bytes)
            return too_large(r);
        if (n == 0)
            return true;
    }
}

void fs_read(struct fs_request *r)
{
    const int fd = open(r->path, O_RDONLY | OPEN_FLAGS);
    if (fd < 0 || fstat(fd, &r->st)) {
        fail(r, errno);
    } else if (S_ISREG(r->st.st_mode) && r->st.st_size > r->max_bytes) {
        too_large(r);
    } else {
        if (r->st.st_size > 0) /* and one more read, which finds the end */
            buf_reserve(&r->data, (size_t)r->st.st_size + CHUNK_BYTES);
        read_all(r, fd);
    }
    if (fd >= 0)
        close(fd);
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_all(struct fs_request *r, int fd)
{
    for (size_t done = 0; done < r->in_len;) {
        const size_t left = r->in_len - done;
        if (cancelled(r))
            return fail(r, ECANCELED);
        const ssize_t n = write(fd, r->in + done, left < CHUNK_BYTES ? left : CHUNK_BYTES);
        if (n < 0 && errno != EINTR)
            return fail(r, errno);
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Closing may be what tells that the disk is full. */
static bool close_written(struct fs_request *r, int fd)
{
    return close(fd) == 0 || errno == EINTR || fail(r, errno);
}

void fs_write(struct fs_request *r)
{
    const int flags = O_WRONLY | O_CREAT | (r->append ? O_APPEND : O_TRUNC) | OPEN_FLAGS;
    const int fd = open(r->path, flags, r->mode >= 0 ? r->mode : DEFAULT_MODE);
    if (fd < 0) {
        fail(r, errno);
        return;
    }
    if (r->mode >= 0 && fchmod(fd, (mode_t)r->mode)) /* whatever the umask is */
        fail(r, errno);
    else
        write_all(r, fd);
    close_written(r, fd);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static char *dir_name(const char *path) /* to free() */
{
    const char *base = base_name(path);
    if (base == path)
        return mem_text(".");
    return mem_format("%.*s", base - 1 == path ? 1 : (int)(base - 1 - path), path);
}

/* A new file beside `path`, hidden, with the umask's permissions. Its name to *temp, to free(). */
static int open_temp(const char *path, char **temp)
{
    const char *base = base_name(path);
    for (int i = 0; i < TEMP_TRIES; i++) {
        uint32_t random[2];
        if (getrandom(random, sizeof random, 0) != sizeof random)
            return -1;
        *temp = mem_format("%.*s.%.200s.%08" PRIx32 "%08" PRIx32, (int)(base - path), path, base,
                           random[0], random[1]);
        const int fd = open(*temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DEFAULT_MODE);
        if (fd >= 0)
            return fd;
        free(*temp);
        *temp = NULL;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* The new file has the permissions asked for, else those of the one it replaces. */
static bool set_mode(struct fs_request *r, int fd)
{
    struct stat old;
    if (r->mode >= 0)
        return fchmod(fd, (mode_t)r->mode) == 0 || fail(r, errno);
    if (lstat(r->path, &old) == 0 && S_ISREG(old.st_mode) && fchmod(fd, old.st_mode & 07777))
        return fail(r, errno);
    return true;
}

/* The rename is on the disk once the directory is. */
static bool sync_dir(struct fs_request *r)
{
    char *dir = dir_name(r->path);
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: some have no such thing */
    if (!ok)
        fail_at(r, dir, errno);
    if (fd >= 0)
        close(fd);
    free(dir);
    return ok;
}

static bool fill(struct fs_request *r, int fd)
{
    bool ok = set_mode(r, fd) && write_all(r, fd);
    if (ok && fsync(fd))
        ok = fail(r, errno);
    return close_written(r, fd) && ok;
}

void fs_write_atomic(struct fs_request *r)
{
    char *temp = NULL;
    const int fd = open_temp(r->path, &temp);
    if (fd < 0) {
        fail(r, errno);
        return;
    }
    if (!fill(r, fd) || (cancelled(r) && !fail(r, ECANCELED)))
        unlink(temp);
    else if (rename(temp, r->path)) {
        fail(r, errno);
        unlink(temp);
    } else {
        sync_dir(r);
    }
    free(temp);
}

/* --- names ------------------------------------------------------------------------------------ */

void fs_stat(struct fs_request *r)
{
    if (lstat(r->path, &r->st))
        fail(r, errno);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void put_entry(struct buf *out, const struct stat *st, const char *name)
{
    const struct fs_entry entry = {
        .size = st->st_size,
        .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
        .mode = st->st_mode,
        .name_len = (uint32_t)strlen(name),
    };
    buf_put(out, &entry, sizeof entry);
    buf_put(out, name, entry.name_len);
}

static void list_entries(struct fs_request *r, DIR *dir)
{
    const struct dirent *entry;
    unsigned count = 0;
    while ((errno = 0, entry = readdir(dir))) {
        struct stat st;
        if (is_dots(entry->d_name) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
            continue; /* the latter: gone meanwhile */
        put_entry(&r->data, &st, entry->d_name);
        if (cancelled(r)) {
            fail(r, ECANCELED);
            return;
        }
        if (++count > LIST_MAX) {
            r->why = mem_format("more than %d entries", LIST_MAX);
            fail(r, EFBIG);
            return;
        }
    }
    if (errno)
        fail(r, errno);
}

void fs_list(struct fs_request *r)
{
    const int fd = open(r->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        fail(r, errno);
        if (fd >= 0)
            close(fd);
        return;
    }
    list_entries(r, dir);
    closedir(dir);
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* With parents, what is there already is as good as made. */
static bool make_dir(struct fs_request *r, const char *path)
{
    if (mkdir(path, 0777) == 0)
        return true;
    const int why = errno;
    return (why == EEXIST && r->deep && is_dir(path)) || fail_at(r, path, why);
}

static bool make_parents(struct fs_request *r)
{
    char *path = mem_text(r->path);
    bool ok = true;
    for (char *at = path + 1; ok && *path && (at = strchr(at, '/')); *at++ = '/') {
        *at = 0;
        ok = is_dir(path) || make_dir(r, path);
    }
    free(path);
    return ok;
}

void fs_mkdir(struct fs_request *r)
{
    if (!r->deep || make_parents(r))
        make_dir(r, r->path);
}

void fs_rename(struct fs_request *r)
{
    if (rename(r->path, r->to))
        fail(r, errno);
}

/* --- removing --------------------------------------------------------------------------------- */

static bool remove_tree(struct fs_request *r, int parent, const char *name, const char *path,
                        int depth);

static bool remove_inside(struct fs_request *r, DIR *dir, const char *path, int depth)
{
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(dir))) {
        if (is_dots(entry->d_name))
            continue;
        char *inner = mem_format("%s/%s", path, entry->d_name);
        const bool ok = remove_tree(r, dirfd(dir), entry->d_name, inner, depth + 1);
        free(inner);
        if (!ok)
            return false;
    }
    return !errno || fail_at(r, path, errno);
}

/* Through descriptors and never through a symbolic link: whatever is swapped meanwhile, only what
 * is below the directory goes. */
static bool remove_tree(struct fs_request *r, int parent, const char *name, const char *path,
                        int depth)
{
    if (cancelled(r))
        return fail(r, ECANCELED);
    if (unlinkat(parent, name, 0) == 0)
        return true;
    if (errno != EISDIR && errno != EPERM) /* EPERM: what POSIX has for a directory */
        return (errno == ENOENT && depth) || fail_at(r, path, errno); /* inside: gone meanwhile */
    const int why = errno;
    if (depth > DEPTH_MAX)
        return fail_at(r, path, ENAMETOOLONG);
    const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail_at(r, path, errno == ENOTDIR ? why : errno);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        fail_at(r, path, errno);
        close(fd);
        return false;
    }
    const bool ok = remove_inside(r, dir, path, depth);
    closedir(dir);
    return ok && (unlinkat(parent, name, AT_REMOVEDIR) == 0 || fail_at(r, path, errno));
}

/* "link/" would be what the link points to. */
static void strip_slashes(char *path)
{
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = 0;
}

void fs_remove(struct fs_request *r)
{
    struct stat st;
    strip_slashes(r->path);
    const char *name = base_name(r->path);
    if (r->deep && (!*name || is_dots(name))) { /* would be emptied before anything fails */
        r->why = mem_text("not by this name: it would be emptied, not removed");
        fail(r, EINVAL);
    } else if (r->deep) {
        remove_tree(r, AT_FDCWD, r->path, r->path, 0);
    } else if (lstat(r->path, &st) || (S_ISDIR(st.st_mode) ? rmdir(r->path) : unlink(r->path))) {
        fail(r, errno);
    }
}
