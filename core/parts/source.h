/* A plugin's source files as read from disk at one moment, all of one version: immutable, shared by reference (any thread).
 *
 * A root (a directory of plugins) holds plugin directories P/ (tasks P/*.lua are P.name, helpers P/lib/**.lua) and single-task
 * files T.lua (plugin and task T). Names that are not [A-Za-z0-9_-]+ and entries that begin with . or _ are not plugins or tasks; P/_*.lua and
 * *_test.lua are no tasks (P/_x.lua is a helper, *_test.lua is left out altogether). An earlier root shadows a whole plugin of the same name;
 * the stock plugins built into the binary (embedded_files, "plugins/...") come last. */
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

struct source {
    unsigned refs; /* atomic */
    char name[NEAP_TASK_MAX + 1];
    char *dir;     /* of its files, as opened (chunk names are dir/path); "neap:plugins/P" for a stock plugin */
    bool single;   /* a one-task plugin: files[0] is the task and its name is the plugin's */
    uint64_t hash; /* of paths and contents */
    struct source_file *files; /* in order of path */
    size_t n_files;
};

struct source *source_ref(struct source *source);
void source_unref(struct source *source); /* NULL is fine */

/* Where a plugin was found; cheap to list, compared between scans. */
struct source_place {
    char name[NEAP_TASK_MAX + 1];
    char *dir;      /* its directory, or the root of a single file */
    char *file;     /* the single file's name, or NULL */
    bool stock;
    uint64_t stamp; /* over names, inodes, sizes, mtimes and ctimes of all its files: changes when anything does */
    int64_t newest_ms; /* latest ctime or mtime of them */
    bool busy;      /* a transfer seems under way: rsync's temporary files (.name.XXXXXX), a git index.lock above it */
};

struct source_roots {
    const char *const *dirs;
    size_t n_dirs;
    bool required;         /* a missing directory is an error */
    const char *task_file; /* a FILE operand, or NULL. Inside a root's plugin directory it is that plugin's task; elsewhere a
                              one-task plugin named by its base name (odd bytes become _), first of all; its helpers are the
                              *.lua beside it and in lib/ beside it, read when asked for (source_helper) */
};

/* Lists the plugins of all roots, sorted by name, shadowing applied. problem() gets what cannot be read. */
int source_list(const struct source_roots *roots, struct source_place **out, size_t *count, void *user,
                void (*problem)(void *user, const char *text), struct neap_error *err);
void source_places_free(struct source_place *places, size_t count);

/* The task that roots->task_file is ("mail.send" or its base name). */
int source_file_task(const struct source_roots *roots, char out[NEAP_TASK_MAX + 1], struct neap_error *err);

/* Reads all files of a plugin through one directory descriptor and checks that nothing changed meanwhile (stamp before == stamp after ==
 * place->stamp). NEAP_ETIME: it is being changed, try again shortly. */
int source_read(const struct source_place *place, struct source **out, struct neap_error *err);

#endif
