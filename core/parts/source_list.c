/* Finding plugins: the roots, the stock ones, and where a FILE operand belongs. */
#include "parts/source.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/text.h"
#include "parts/source_walk.h"

/* A FILE operand: its directory and base name, and where among the roots that is. */
struct operand {
    char *dir, *file;
    char task[NEAP_TASK_MAX + 1];
    char plugin[NEAP_TASK_MAX + 1]; /* "" where it lies elsewhere */
    size_t root;                    /* index; only if `plugin` */
};

struct listing { /* one listing under way */
    const struct source_roots *roots;
    struct source_listing *out;
    struct operand operand;
    size_t cap_places, cap_dirs;
    void *user;
    void (*problem)(void *user, const char *text);
    struct neap_error *err;
    int rc;
};

static bool same_inode(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool plugin_name(const char *name)
{
    return name[0] != '_' && text_name(name, strlen(name), NAME_MAX);
}

/* Of at most NEAP_TASK_MAX bytes. */
static void copy_name(char out[NEAP_TASK_MAX + 1], const char *name, size_t len)
{
    assert(len <= NEAP_TASK_MAX);
    memcpy(out, name, len);
    out[len] = 0;
}

static void operand_close(struct operand *o)
{
    free(o->dir);
    free(o->file);
}

/* "./my job.lua" -> "my_job" */
static void name_beside(const char *file, char out[NEAP_TASK_MAX + 1])
{
    size_t len = strlen(file);
    if (len > 4 && !strcmp(file + len - 4, ".lua"))
        len -= 4;
    if (len > NEAP_TASK_MAX)
        len = NEAP_TASK_MAX;
    for (size_t i = 0; i < len; i++)
        out[i] = text_name(file + i, 1, 1) ? file[i] : '_';
    out[len] = 0;
}

/* Is there a directory in root `dir` that is the same as `want`? Its name goes to `out`. */
static bool find_plugin(const char *dir, const struct stat *want, char out[NEAP_TASK_MAX + 1])
{
    DIR *stream = opendir(dir);
    const struct dirent *entry;
    struct stat st;
    bool found = false;
    while (stream && !found && (entry = readdir(stream))) {
        if (!plugin_name(entry->d_name) || strlen(entry->d_name) > NEAP_TASK_MAX ||
            fstatat(dirfd(stream), entry->d_name, &st, 0))
            continue;
        found = S_ISDIR(st.st_mode) && same_inode(&st, want);
        if (found)
            copy_name(out, entry->d_name, strlen(entry->d_name));
    }
    if (stream)
        closedir(stream);
    return found;
}

/* Sets plugin, root and task if the operand lies in a root. */
static void place_operand(struct operand *o, const struct source_roots *roots,
                          const struct stat *dir)
{
    size_t len = walk_lua_name(o->file);
    struct stat st;
    if (!len || o->file[0] == '_')
        return;
    for (size_t i = 0; i < roots->n_dirs; i++) {
        char plugin[NEAP_TASK_MAX + 1] = "", task[2 * NAME_MAX];
        if (stat(roots->dirs[i], &st))
            continue;
        if (same_inode(&st, dir))
            snprintf(task, sizeof task, "%.*s", (int)len, o->file);
        else if (find_plugin(roots->dirs[i], dir, plugin))
            snprintf(task, sizeof task, "%s.%.*s", plugin, (int)len, o->file);
        else
            continue;
        if (strlen(task) > NEAP_TASK_MAX)
            continue;
        copy_name(o->task, task, strlen(task));
        copy_name(o->plugin, plugin[0] ? plugin : task, strlen(plugin[0] ? plugin : task));
        o->root = i;
        return;
    }
}

static int operand_find(struct operand *o, const struct source_roots *roots, struct neap_error *err)
{
    const char *path = roots->task_file, *slash = strrchr(path, '/');
    struct stat file, dir;
    *o = (struct operand){0};
    if (stat(path, &file)) {
        const bool missing = errno == ENOENT || errno == ENOTDIR;
        error_set(err, missing ? NEAP_ENOENT : NEAP_EIO, "%s: %s", path,
                  errno == ENOENT ? "no such file" : strerror(errno));
        return missing ? NEAP_ENOENT : NEAP_EIO;
    }
    if (S_ISDIR(file.st_mode)) {
        error_set(err, NEAP_ENOENT, "%s: is a directory, not a task's file", path);
        return NEAP_ENOENT;
    }
    o->file = mem_text(slash ? slash + 1 : path);
    o->dir = slash == path ? mem_text("/") : mem_text(slash ? path : ".");
    if (slash > path)
        o->dir[slash - path] = 0;
    if (stat(o->dir, &dir)) {
        error_set(err, NEAP_EIO, "%s: %s", path, strerror(errno));
        operand_close(o);
        return NEAP_EIO;
    }
    name_beside(o->file, o->task);
    if (S_ISREG(file.st_mode))
        place_operand(o, roots, &dir);
    return NEAP_OK;
}

int source_file_task(const struct source_roots *roots, char out[NEAP_TASK_MAX + 1],
                     struct neap_error *err)
{
    struct operand o;
    int rc = operand_find(&o, roots, err);
    if (rc)
        return rc;
    memcpy(out, o.task, sizeof o.task);
    operand_close(&o);
    return NEAP_OK;
}

static void report(struct listing *l, const char *dir, const char *name, const char *why)
{
    char *text = mem_format("%s%s%s: %s", dir, name ? "/" : "", name ? name : "", why);
    l->problem(l->user, text);
    free(text);
}

static struct source_place *add_place(struct listing *l, const char *name, size_t len, size_t rank)
{
    struct source_listing *out = l->out;
    if (out->n_places == l->cap_places) {
        l->cap_places = l->cap_places ? l->cap_places * 2 : 16;
        out->places = mem_grow(out->places, l->cap_places, sizeof *out->places);
    }
    struct source_place *place = &out->places[out->n_places++];
    *place = (struct source_place){.rank = rank};
    copy_name(place->name, name, len);
    return place;
}

static void add_dir(struct listing *l, const char *path, uint64_t dev, uint64_t ino)
{
    struct source_listing *out = l->out;
    if (out->n_dirs == l->cap_dirs) {
        l->cap_dirs = l->cap_dirs ? l->cap_dirs * 2 : 16;
        out->dirs = mem_grow(out->dirs, l->cap_dirs, sizeof *out->dirs);
    }
    out->dirs[out->n_dirs++] = (struct source_dir){.path = mem_text(path), .dev = dev, .ino = ino};
}

/* Git and rsync are asked last: who is at work after the files were looked at may have been then.
 */
static void take_walk(struct listing *l, struct source_place *place, struct walk *w, int fd)
{
    place->files = w->n_files;
    place->stamp = w->stamp;
    place->shape = w->shape;
    place->newest_ms = w->newest_ms;
    if (w->unsafe)
        place->unsafe =
            place->file ? mem_format("%s/%s", place->dir, w->unsafe) : mem_text(w->unsafe);
    const bool recent = clock_unix_ms() - w->newest_ms < SOURCE_BUSY_MS;
    place->busy = w->busy || (recent && (walk_git_busy(fd) || walk_rsync_busy(fd)));
    for (size_t i = 0; i < w->n_dirs; i++)
        add_dir(l, w->dirs[i].path, w->dirs[i].dev, w->dirs[i].ino);
}

static void list_plugin(struct listing *l, int root_fd, const char *root, const char *name,
                        size_t rank)
{
    struct walk w = {0};
    char *dir = mem_format("%s/%s", root, name);
    int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 ? errno : walk_plugin(&w, fd, dir);
    if (error && error != ENOENT && error != ENOTDIR) { /* source_read finds out and says it */
        struct source_place *place = add_place(l, name, strlen(name), rank);
        place->dir = mem_text(dir);
        place->stamp = hash_bytes(HASH_START, &error, sizeof error) | 1;
    } else if (!error && !w.tasks) {
        for (size_t i = 0; i < w.n_dirs; i++) /* may become a plugin */
            add_dir(l, w.dirs[i].path, w.dirs[i].dev, w.dirs[i].ino);
    } else if (!error) {
        struct source_place *place = add_place(l, name, strlen(name), rank);
        place->dir = mem_text(dir);
        take_walk(l, place, &w, fd);
    }
    walk_close(&w);
    if (fd >= 0)
        close(fd);
    free(dir);
}

static struct source_place *list_single(struct listing *l, int fd, const char *dir,
                                        const char *file, const char *name, size_t rank, bool busy)
{
    struct walk w = {.busy = busy};
    walk_single(&w, fd, file);
    struct source_place *place = add_place(l, name, strlen(name), rank);
    place->dir = mem_text(dir);
    place->file = mem_text(file);
    take_walk(l, place, &w, fd);
    walk_close(&w);
    return place;
}

static void list_entry(struct listing *l, int fd, size_t root, const char *name, bool busy)
{
    const struct operand *o = &l->operand;
    const char *dir = l->roots->dirs[root];
    struct stat st;
    size_t len = walk_lua_name(name);
    if (name[0] == '_' || name[0] == '.' || (!len && !plugin_name(name)) ||
        fstatat(fd, name, &st, 0))
        return;
    bool is_dir = S_ISDIR(st.st_mode);
    if (is_dir ? len > 0 : !len)
        return;
    if (is_dir)
        len = strlen(name);
    if (len > NEAP_TASK_MAX) {
        report(l, dir, name, "the name is longer than 40 bytes");
        return;
    }
    bool wanted = o->plugin[0] && o->root == root && strlen(o->plugin) == len &&
                  !memcmp(o->plugin, name, len) && (strchr(o->task, '.') != NULL) == is_dir;
    size_t rank = wanted ? 0 : 2 * root + (is_dir ? 1 : 2);
    if (is_dir) {
        list_plugin(l, fd, dir, name, rank);
    } else {
        char plugin[NEAP_TASK_MAX + 1];
        copy_name(plugin, name, len);
        list_single(l, fd, dir, name, plugin, rank, busy);
    }
}

static void root_failed(struct listing *l, const char *dir, int error)
{
    bool missing = error == ENOENT || error == ENOTDIR;
    if (missing && !l->roots->required)
        return;
    char text[512];
    const char *why = error == ENOENT ? "no such directory of plugins" : strerror(error);
    snprintf(text, sizeof text, "%s: %s", dir, why);
    l->problem(l->user, text);
    if (!l->rc)
        l->rc = error_set(l->err, missing ? NEAP_ENOENT : NEAP_EIO, "%s", text);
}

/* Who may write to a root can put another plugin in the place of one. */
static bool root_refused(struct listing *l, const char *dir, const struct stat *st)
{
    char *why = l->roots->guarded ? walk_unsafe(st) : NULL;
    if (!why)
        return false;
    char *text = mem_format("%s: %s", dir, why);
    l->problem(l->user, text);
    if (!l->rc)
        l->rc = error_set(l->err, NEAP_ECONFIG, "%s", text);
    free(text);
    free(why);
    return true;
}

static bool root_busy(DIR *stream)
{
    int64_t now_ms = clock_unix_ms();
    const struct dirent *entry;
    bool busy = false;
    while (!busy && (entry = readdir(stream)))
        busy = entry->d_name[0] == '.' && walk_transfer(dirfd(stream), entry->d_name, now_ms);
    rewinddir(stream);
    return busy;
}

static void list_root(struct listing *l, size_t root)
{
    const char *dir = l->roots->dirs[root];
    struct stat st;
    DIR *stream = opendir(dir);
    if (!stream || fstat(dirfd(stream), &st)) {
        root_failed(l, dir, errno);
        if (stream)
            closedir(stream);
        return;
    }
    const bool refused = root_refused(l, dir, &st);
    add_dir(l, dir, st.st_dev, st.st_ino);
    bool busy = root_busy(stream);
    const struct dirent *entry;
    while (!refused && (entry = readdir(stream)))
        list_entry(l, dirfd(stream), root, entry->d_name, busy);
    closedir(stream);
}

static void list_beside(struct listing *l)
{
    const struct operand *o = &l->operand;
    int fd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        l->rc = error_set(l->err, NEAP_EIO, "%s: %s", l->roots->task_file, strerror(errno));
        return;
    }
    list_single(l, fd, o->dir, o->file, o->task, 0, false)->beside = true;
    close(fd);
}

/* "plugins/mail/send.lua": the length of "mail" */
static size_t stock_name(const char *path, const char **name)
{
    if (strncmp(path, "plugins/", 8) != 0)
        return 0;
    *name = path + 8;
    const char *slash = strchr(*name, '/');
    return slash ? (size_t)(slash - *name) : 0;
}

/* They are sorted by path, so a plugin's files follow each other. */
static void list_stock(struct listing *l)
{
    struct source_place *place = NULL;
    const char *name;
    for (size_t i = 0; i < embedded_count; i++) {
        const struct embedded_file *file = &embedded_files[i];
        size_t len = stock_name(file->path, &name);
        if (!len || len > NEAP_TASK_MAX)
            continue;
        if (!place || strlen(place->name) != len || memcmp(place->name, name, len) != 0) {
            place = add_place(l, name, len, 2 * l->roots->n_dirs + 1);
            place->stock = true;
            place->dir = mem_format("neap:plugins/%s", place->name);
            place->stamp = HASH_START | 1;
        }
        place->files++;
        place->stamp = hash_text(place->stamp, file->path) | 1; /* what is in it never changes */
    }
}

static int by_name_and_rank(const void *a, const void *b)
{
    const struct source_place *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->rank > y->rank) - (x->rank < y->rank);
}

static void place_close(struct source_place *place)
{
    free(place->dir);
    free(place->file);
    free(place->unsafe);
}

static void drop_shadowed(struct listing *l)
{
    struct source_listing *out = l->out;
    size_t kept = 0;
    if (out->n_places)
        qsort(out->places, out->n_places, sizeof *out->places, by_name_and_rank);
    for (size_t i = 0; i < out->n_places; i++) {
        struct source_place *place = &out->places[i];
        struct source_place *winner = kept ? &out->places[kept - 1] : NULL;
        if (!winner || strcmp(winner->name, place->name) != 0) {
            out->places[kept++] = *place;
            continue;
        }
        if (!winner->file && place->file && winner->rank && winner->rank + 1 == place->rank)
            report(l, place->dir, place->file, "left out, there is a directory of this name");
        place_close(place);
    }
    out->n_places = kept;
}

int source_list(const struct source_roots *roots, struct source_listing *out, void *user,
                void (*problem)(void *user, const char *text), struct neap_error *err)
{
    struct listing l = {.roots = roots, .out = out, .user = user, .problem = problem, .err = err};
    *out = (struct source_listing){.unix_ms = clock_unix_ms()};
    if (roots->task_file && (l.rc = operand_find(&l.operand, roots, err)))
        return l.rc;
    for (size_t i = 0; i < roots->n_dirs; i++)
        list_root(&l, i);
    if (roots->task_file && !l.operand.plugin[0])
        list_beside(&l);
    list_stock(&l);
    drop_shadowed(&l);
    operand_close(&l.operand);
    if (l.rc)
        source_listing_close(out);
    return l.rc;
}

void source_listing_close(struct source_listing *listing)
{
    for (size_t i = 0; i < listing->n_places; i++)
        place_close(&listing->places[i]);
    for (size_t i = 0; i < listing->n_dirs; i++)
        free(listing->dirs[i].path);
    free(listing->places);
    free(listing->dirs);
    *listing = (struct source_listing){0};
}

int64_t source_settle_ms(const struct source_place *place, int64_t unix_ms, bool reshaped)
{
    const int64_t quiet_ms = reshaped ? SOURCE_RESHAPED_MS : SOURCE_QUIET_MS;
    int64_t age_ms = unix_ms - place->newest_ms;
    if (place->stock || age_ms < -SOURCE_FUTURE_MS) /* a clock of somebody else's */
        return 0;
    if (place->busy && age_ms < SOURCE_BUSY_MS)
        return SOURCE_BUSY_MS - age_ms;
    return age_ms < quiet_ms ? quiet_ms - age_ms : 0;
}
