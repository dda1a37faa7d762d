/* A plugin's source files as read from disk at one moment, all of one version.
 *
 * A root (a directory of plugins) holds plugin directories P/ (tasks P/X.lua are P.X, helpers
 * P/lib/...) and single-task files T.lua (plugin and task T). Names that are not [A-Za-z0-9_-]+ and
 * entries that begin with . or _ are no plugins or tasks; P/_x.lua is a helper; what ends in
 * _test.lua is left out altogether. A directory without a task is no plugin. An earlier root
 * shadows a whole plugin of the same name; the stock plugins (embedded_files) come last. */
#ifndef PARTS_SOURCE_H
#define PARTS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "neap.h"

struct source_file {
    char *path; /* inside the plugin: "send.lua", "lib/x.lua" */
    char *data;
    size_t len;
    bool task; /* else a helper for require */
};

/* Immutable, shared by reference by any thread. */
struct source {
    unsigned refs; /* atomic */
    char name[NEAP_TASK_MAX + 1];
    char *dir;     /* of its files, as opened; "neap:plugins/P" for a stock plugin */
    bool stock;    /* built in */
    bool single;   /* a one-task plugin: files[0] is the task and its name is the plugin's */
    uint64_t hash; /* of paths and contents */
    struct source_file *files; /* in order of path */
    size_t n_files;
    struct source_beside
        *beside; /* private: helpers of a FILE from elsewhere, read when asked for */
};

struct source *source_ref(struct source *source);
void source_unref(struct source *source); /* NULL is fine */
/* The file at `path`; of a FILE from elsewhere also what lies beside it. Any thread; lives as long
 * as the source. NULL: none, or `err` says why it cannot be read. */
const struct source_file *source_helper(struct source *source, const char *path,
                                        struct neap_error *err);
/* "plugins/mail/send.lua": for chunk names and messages. To free(). */
char *source_path(const struct source *source, const char *path);

/* Where a plugin was found; cheap to list, compared between looks. */
struct source_place {
    char name[NEAP_TASK_MAX + 1];
    char *dir;  /* its directory, or the one of a single file */
    char *file; /* the single file's name, or NULL */
    bool stock;
    bool beside;       /* a FILE from elsewhere */
    size_t files;      /* that belong to it */
    uint64_t shape;    /* over the paths of its files: a file came or went */
    uint64_t stamp;    /* over their names, inodes, sizes and times: changes when anything does */
    int64_t newest_ms; /* when the last of them, or a directory of theirs, changed (ctime) */
    char *unsafe;      /* "PATH: why" where somebody else may change it; NULL: nobody */
    bool busy;   /* a transfer is under way: rsync's temporary files, a git index.lock above it */
    size_t rank; /* private: the least wins */
};

struct source_roots {
    const char *const *dirs;
    size_t n_dirs;
    bool required; /* a missing directory is an error, */
    bool guarded;  /* and so is one that others than root and this user may change (NEAP_ECONFIG) */
    /* A FILE operand, or NULL. Inside a root's plugin it is that plugin's task, and that plugin
     * beats shadowing; elsewhere it is a one-task plugin named by its base name (odd bytes become
     * _), first of all, whose helpers are the *.lua beside it and in lib/ beside it. */
    const char *task_file;
};

struct source_dir { /* one that was looked into: worth watching */
    char *path;
    uint64_t dev, ino;
};

struct source_listing {          /* owned by one thread */
    struct source_place *places; /* by name, shadowing applied */
    size_t n_places;
    struct source_dir *dirs;
    size_t n_dirs;
    int64_t unix_ms; /* when it began */
};

/* Looks at all roots. What is wrong goes to problem(), each time. An error (a root that is missing
 * though required, NEAP_ENOENT, or that cannot be read, NEAP_EIO) leaves `out` empty. */
int source_list(const struct source_roots *roots, struct source_listing *out, void *user,
                void (*problem)(void *user, const char *text), struct neap_error *err);
void source_listing_close(struct source_listing *listing);

/* The task that roots->task_file is ("mail.send" or its base name). NEAP_ENOENT: no such file. */
int source_file_task(const struct source_roots *roots, char out[NEAP_TASK_MAX + 1],
                     struct neap_error *err);

/* How long to leave a place alone, so that a version in the making is not taken: until nothing
 * changed for 50 ms, for 250 ms where files came or went (rsync deletes first, and only then
 * writes; or last), for 5 s while a transfer is under way. `unix_ms` is the listing's. 0: now is
 * fine. */
int64_t source_settle_ms(const struct source_place *place, int64_t unix_ms, bool reshaped);

/* Reads all files through one directory descriptor and checks that nothing changed since the
 * listing and while it read. NEAP_ETIME: something did, list again. Other errors are this version's
 * own: what it says goes for anybody who reads it. */
int source_read(const struct source_place *place, struct source **out, struct neap_error *err);

#endif
