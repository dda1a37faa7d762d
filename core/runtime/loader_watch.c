#include "runtime/loader_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

/* Freed when libuv has closed its handle. */
struct watch {
    uv_fs_event_t handle;
    struct watches *owner; /* NULL once stopped */
    char *path;
    char *only;        /* the one name of interest there, or NULL: all */
    const char *own;   /* its own base name: how inotify calls the death of the directory itself */
    uint64_t dev, ino; /* 0: not known for sure, take it anew */
    bool wanted;
};

struct watches {
    uv_loop_t *loop;
    void *user;
    void (*changed)(void *user);
    struct watch **all;
    size_t count, cap;
    int error;
    bool added;
};

struct watches *watches_new(uv_loop_t *loop, void *user, void (*changed)(void *user))
{
    struct watches *w = mem_zero(1, sizeof *w);
    *w = (struct watches){.loop = loop, .user = user, .changed = changed};
    return w;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    free(watch->path);
    free(watch->only);
    free(watch);
}

static void stop(struct watch *watch)
{
    watch->owner = NULL;
    uv_close((uv_handle_t *)&watch->handle, on_closed);
}

static bool lua_file(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && !strcmp(name + len - 4, ".lua");
}

/* What a task writes into a file of its own beside the code is no reason to look. */
static bool of_interest(const struct watch *watch, const char *name, int events)
{
    if (watch->only)
        return !strcmp(name, watch->only);
    return (events & UV_RENAME) || lua_file(name);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct watch *watch = handle->data;
    if (!watch->owner)
        return;
    if (name && (events & UV_RENAME) && !strcmp(name, watch->own))
        watch->ino = watch->dev = 0; /* perhaps gone; the number of its inode may come back */
    else if (!status && name && !of_interest(watch, name, events))
        return;
    watch->owner->changed(watch->owner->user);
}

static bool look(const char *path, uint64_t *dev, uint64_t *ino)
{
    struct stat st;
    if (stat(path, &st))
        return false;
    *dev = st.st_dev;
    *ino = st.st_ino;
    return true;
}

static struct watch *start(struct watches *w, const char *path, const char *only)
{
    struct watch *watch = mem_zero(1, sizeof *watch);
    const char *slash = strrchr(path, '/');
    uint64_t dev = 0, ino = 0;
    uv_fs_event_init(w->loop, &watch->handle);
    watch->handle.data = watch;
    watch->owner = w;
    watch->path = mem_text(path);
    watch->only = mem_text(only);
    watch->own = slash && slash[1] ? watch->path + (slash + 1 - path) : watch->path;
    bool known = look(path, &dev, &ino);
    int rc = uv_fs_event_start(&watch->handle, on_event, path, 0);
    if (rc) {
        if (rc != UV_ENOENT && rc != UV_ENOTDIR && rc != UV_EACCES)
            w->error = rc;
        stop(watch);
        return NULL;
    }
    if (known && look(path, &watch->dev, &watch->ino) && (watch->dev != dev || watch->ino != ino))
        watch->dev = watch->ino = 0; /* replaced meanwhile: which one is watched? */
    return watch;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static void want(struct watches *w, const char *path, const char *only, uint64_t dev, uint64_t ino)
{
    struct watch *watch = NULL;
    for (size_t i = 0; i < w->count && !watch; i++)
        if (!strcmp(w->all[i]->path, path) && same_text(w->all[i]->only, only))
            watch = w->all[i];
    if (watch && watch->dev == dev && watch->ino == ino) {
        watch->wanted = true;
        return;
    }
    if (w->error) /* none left: the others stay, the look every 2 s does the rest */
        return;
    struct watch *fresh = start(w, path, only);
    if (!fresh)
        return;
    fresh->wanted = true;
    w->added = true;
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->all = mem_grow(w->all, w->cap, sizeof(struct watch *));
    }
    w->all[w->count++] = fresh; /* the old one, if any, is not wanted any more */
}

/* Along the path of a root: where a symbolic link stands or a component is missing, a flip shows in
 * the directory above. Links behind links are left to the look every 2 s. */
static void want_parents(struct watches *w, const char *root)
{
    char *path = mem_text(root);
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = 0;
    for (char *end = path + strspn(path, "/"); *end;) {
        char *begin = end;
        struct stat st;
        uint64_t dev, ino;
        end = begin + strcspn(begin, "/");
        char kept = *end;
        *end = 0;
        bool missing = lstat(path, &st) != 0;
        if (missing || S_ISLNK(st.st_mode)) {
            char *only = mem_text(begin), *parent = mem_text(path);
            parent[begin - path] = 0;
            for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
                parent[n - 1] = 0;
            const char *dir = parent[0] ? parent : ".";
            if (look(dir, &dev, &ino))
                want(w, dir, only, dev, ino);
            free(only);
            free(parent);
        }
        if (missing)
            break;
        *end = kept;
        end += strspn(end, "/");
    }
    free(path);
}

bool watches_sync(struct watches *w, const struct source_listing *listing, const char *const *roots,
                  size_t n_roots)
{
    w->error = 0;
    w->added = false;
    for (size_t i = 0; i < w->count; i++)
        w->all[i]->wanted = false;
    for (size_t i = 0; i < n_roots; i++)
        want_parents(w, roots[i]);
    for (size_t i = 0; i < listing->n_dirs; i++)
        want(w, listing->dirs[i].path, NULL, listing->dirs[i].dev, listing->dirs[i].ino);
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        if (w->all[i]->wanted)
            w->all[kept++] = w->all[i];
        else
            stop(w->all[i]);
    }
    w->count = kept;
    return w->added;
}

int watches_error(const struct watches *w)
{
    return w->error;
}

size_t watches_count(const struct watches *w)
{
    return w->count;
}

void watches_free(struct watches *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->count; i++)
        stop(w->all[i]);
    free(w->all);
    free(w);
}
