#include "parts/source.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "parts/source_walk.h"

/* What lay beside a FILE when first asked for: the same for whoever asks later. */
struct source_beside {
    pthread_mutex_t lock; /* guards `first`; files are read without it */
    struct beside_file {
        struct beside_file *next;
        struct source_file file;
    } * first;
};

struct source *source_ref(struct source *source)
{
    __atomic_add_fetch(&source->refs, 1, __ATOMIC_RELAXED);
    return source;
}

static void beside_free(struct source_beside *beside)
{
    for (struct beside_file *next, *b = beside->first; b; b = next) {
        next = b->next;
        free(b->file.path);
        free(b->file.data);
        free(b);
    }
    pthread_mutex_destroy(&beside->lock);
    free(beside);
}

void source_unref(struct source *source)
{
    if (!source || __atomic_sub_fetch(&source->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < source->n_files; i++) {
        free(source->files[i].path);
        free(source->files[i].data);
    }
    if (source->beside)
        beside_free(source->beside);
    free(source->files);
    free(source->dir);
    free(source);
}

char *source_path(const struct source *source, const char *path)
{
    if (!strcmp(source->dir, "."))
        return mem_text(path);
    return mem_format("%s%s%s", source->dir, !strcmp(source->dir, "/") ? "" : "/", path);
}

static struct source *source_new(const struct source_place *place, size_t n_files)
{
    struct source *source = mem_zero(1, sizeof *source);
    source->refs = 1;
    memcpy(source->name, place->name, sizeof source->name);
    source->dir = mem_text(place->dir);
    source->stock = place->stock;
    source->single = place->file != NULL;
    source->files = mem_zero(n_files, sizeof *source->files);
    return source;
}

static void finish(struct source *source)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        hash = hash_text(hash, file->path);
        hash = hash_bytes(hash, &file->len, sizeof file->len);
        hash = hash_block(hash, file->data, file->len);
    }
    source->hash = hash;
}

static int changing(const struct source_place *place, struct neap_error *err)
{
    return error_set(err, NEAP_ETIME, "%s is being changed", place->dir);
}

static int bad(const struct source_place *place, const char *path, const char *why,
               struct neap_error *err)
{
    return error_set(err, NEAP_ECONFIG, "%s/%s: %s", place->dir, path, why);
}

/* What can be said without opening any file. */
static int check(const struct source_place *place, const struct walk *w, struct neap_error *err)
{
    size_t sum = 0;
    if (w->n_files > SOURCE_FILES_MAX)
        return error_set(err, NEAP_ECONFIG, "%s: more than %d files", place->dir, SOURCE_FILES_MAX);
    for (size_t i = 0; i < w->n_files; i++) {
        const struct walk_file *file = &w->files[i];
        if (file->error)
            return bad(place, file->path, strerror(file->error), err);
        if (!S_ISREG(file->st.st_mode))
            return bad(place, file->path, "not a regular file", err);
        if (!file->st.st_size &&
            !file->task) /* an empty task is staging's to report, with the rest */
            return bad(place, file->path, "the file is empty (to take a helper away, delete it)",
                       err);
        if (file->st.st_size > SOURCE_FILE_MAX)
            return bad(place, file->path, "larger than 4 MiB", err);
        size_t name = strlen(place->name) + strlen(file->path) + 1 - strlen(".lua");
        if (!place->file && file->task && name > NEAP_TASK_MAX)
            return bad(place, file->path, "the task's full name is longer than 40 bytes", err);
        sum += (size_t)file->st.st_size;
    }
    if (sum > SOURCE_PLUGIN_MAX)
        return error_set(err, NEAP_ECONFIG, "%s: more than 64 MiB of files", place->dir);
    return NEAP_OK;
}

/* Up to `cap` bytes; less only at the end of the file. -1: errno. */
static ssize_t read_whole(int fd, char *data, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (!n)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

static int read_one(const struct source_place *place, int dir, const struct walk_file *from,
                    struct source_file *to, struct neap_error *err)
{
    struct stat st;
    int rc = NEAP_OK;
    int fd = openat(dir, from->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ESTALE
                   ? changing(place, err)
                   : bad(place, from->path, strerror(errno), err);
    size_t size = (size_t)from->st.st_size;
    if (fstat(fd, &st) || st.st_dev != from->st.st_dev || st.st_ino != from->st.st_ino) {
        rc = changing(place, err);
        goto out;
    }
    to->data = mem_alloc(size + 1); /* a byte more shows that it grew */
    ssize_t len = read_whole(fd, to->data, size + 1);
    if (len < 0)
        rc = bad(place, from->path, strerror(errno), err);
    else if ((size_t)len != size)
        rc = changing(place, err);
    to->data[size] = 0;
    to->len = size;
    to->path = mem_text(from->path);
    to->task = from->task;
out:
    close(fd);
    return rc;
}

static int look(const struct source_place *place, int fd, struct walk *w)
{
    if (!place->file)
        return walk_plugin(w, fd, place->dir);
    walk_single(w, fd, place->file);
    return 0;
}

/* The stamps tell any change apart, as long as none is younger than the clock that marks them: see
 * source_settle_ms. */
static int read_dir(const struct source_place *place, int fd, struct source **out,
                    struct neap_error *err)
{
    struct walk before = {0}, after = {0};
    struct source *source = NULL;
    int rc = NEAP_OK, error = look(place, fd, &before);
    if (error || before.stamp != place->stamp) {
        rc = changing(place, err);
        goto out;
    }
    if ((rc = check(place, &before, err)))
        goto out;
    source = source_new(place, before.n_files);
    for (size_t i = 0; i < before.n_files && !rc; i++, source->n_files++)
        rc = read_one(place, fd, &before.files[i], &source->files[i], err);
    if (rc)
        goto out;
    if (look(place, fd, &after) || after.stamp != place->stamp) {
        rc = changing(place, err);
        goto out;
    }
    finish(source);
    *out = source;
    source = NULL;
out:
    source_unref(source);
    walk_close(&before);
    walk_close(&after);
    return rc;
}

/* A pipe, such as a shell's <(...): read once to its end, there is nothing to compare. */
static int read_stream(const struct source_place *place, int dir, struct source **out,
                       struct neap_error *err)
{
    int rc = NEAP_OK, fd = openat(dir, place->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return bad(place, place->file, strerror(errno), err);
    char *data = mem_alloc(SOURCE_FILE_MAX + 1);
    ssize_t len = read_whole(fd, data, SOURCE_FILE_MAX + 1);
    if (len < 0)
        rc = bad(place, place->file, strerror(errno), err);
    else if (!len)
        rc = bad(place, place->file, "empty", err);
    else if (len > SOURCE_FILE_MAX)
        rc = bad(place, place->file, "larger than 4 MiB", err);
    else {
        struct source *source = source_new(place, 1);
        source->n_files = 1;
        source->files[0] = (struct source_file){.path = mem_text(place->file),
                                                .data = mem_grow(data, (size_t)len + 1, 1),
                                                .len = (size_t)len,
                                                .task = true};
        source->files[0].data[len] = 0;
        data = NULL;
        finish(source);
        *out = source;
    }
    free(data);
    close(fd);
    return rc;
}

static bool stock_file(const char *path, const char *name, const char **inside)
{
    size_t len = strlen(name);
    if (strncmp(path, "plugins/", 8) != 0 || strncmp(path + 8, name, len) != 0 ||
        path[8 + len] != '/')
        return false;
    *inside = path + 8 + len + 1;
    return true;
}

static struct source *read_stock(const struct source_place *place)
{
    struct source *source = source_new(place, place->files);
    const char *path;
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *file = &embedded_files[i];
        if (!stock_file(file->path, place->name, &path))
            continue;
        assert(source->n_files < place->files);
        bool task = !strchr(path, '/') && path[0] != '_' && walk_lua_name(path);
        source->files[source->n_files++] =
            (struct source_file){.path = mem_text(path),
                                 .data = mem_copy(file->data, file->length + 1),
                                 .len = file->length,
                                 .task = task};
    }
    finish(source);
    return source;
}

int source_read(const struct source_place *place, struct source **out, struct neap_error *err)
{
    struct stat st;
    if (place->stock) {
        *out = read_stock(place);
        return NEAP_OK;
    }
    int fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? changing(place, err)
                   : error_set(err, NEAP_EIO, "%s: %s", place->dir, strerror(errno));
    bool stream = place->beside && !fstatat(fd, place->file, &st, 0) && !S_ISREG(st.st_mode);
    int rc = stream ? read_stream(place, fd, out, err) : read_dir(place, fd, out, err);
    close(fd);
    if (!rc && place->beside) {
        (*out)->beside = mem_zero(1, sizeof *(*out)->beside);
        pthread_mutex_init(&(*out)->beside->lock, NULL);
    }
    return rc;
}

static const struct source_file *find_file(const struct source *source, const char *path)
{
    for (size_t low = 0, high = source->n_files; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(path, source->files[middle].path);
        if (!order)
            return &source->files[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* No "..", no absolute path, nothing hidden. */
static bool plain_path(const char *path)
{
    if (path[0] == '/' || path[0] == '.' || strstr(path, "/.") || strstr(path, "//"))
        return false;
    return path[0] != 0;
}

static struct beside_file *beside_read(const struct source *source, const char *path,
                                       struct neap_error *err)
{
    struct stat st;
    struct beside_file *found = NULL;
    char *full = source_path(source, path);
    int fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            error_set(err, NEAP_EIO, "%s: %s", full, strerror(errno));
        goto out;
    }
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > SOURCE_FILE_MAX) {
        error_set(err, NEAP_EIO, "%s: not a regular file of at most 4 MiB", full);
        goto out;
    }
    found = mem_zero(1, sizeof *found);
    found->file.data = mem_zero((size_t)st.st_size + 1, 1);
    ssize_t len = read_whole(fd, found->file.data, (size_t)st.st_size);
    found->file.len = len < 0 ? 0 : (size_t)len;
    found->file.path = mem_text(path);
out:
    if (fd >= 0)
        close(fd);
    free(full);
    return found;
}

static const struct source_file *beside_find(struct source_beside *beside, const char *path)
{
    for (struct beside_file *b = beside->first; b; b = b->next)
        if (!strcmp(b->file.path, path))
            return &b->file;
    return NULL;
}

/* Two threads may read the same file at once; the first to be done wins for both. */
const struct source_file *source_helper(struct source *source, const char *path,
                                        struct neap_error *err)
{
    if (err)
        err->code = NEAP_OK;
    const struct source_file *file = find_file(source, path);
    struct source_beside *beside = source->beside;
    if (file || !beside || !plain_path(path))
        return file;
    pthread_mutex_lock(&beside->lock);
    file = beside_find(beside, path);
    pthread_mutex_unlock(&beside->lock);
    struct beside_file *read = file ? NULL : beside_read(source, path, err);
    if (!read)
        return file;
    pthread_mutex_lock(&beside->lock);
    file = beside_find(beside, path);
    if (!file) {
        read->next = beside->first;
        beside->first = read;
        file = &read->file;
        read = NULL;
    }
    pthread_mutex_unlock(&beside->lock);
    if (read) {
        free(read->file.path);
        free(read->file.data);
        free(read);
    }
    return file;
}
