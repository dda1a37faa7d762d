/* What the parts of the configuration share, behind config.h. While it loads, all of it belongs to
 * the loading thread; once published it is immutable but for `refs`. */
#ifndef MODEL_CONFIG_PRIVATE_H
#define MODEL_CONFIG_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "model/config.h"
#include "model/config_file.h"
#include "model/config_options.h"
#include "model/config_reader.h"

struct config_place { /* line 0: the whole of it */
    size_t file;      /* index in config_private.files */
    int line;
};
#define PLACE_DEFAULT ((struct config_place){0, 0})
#define PLACE_NOWHERE ((struct config_place){(size_t)-1, 0}) /* said without a place, last */

struct config_entry { /* a key that was set; a later place replaces text and place */
    const struct option *option;
    char *key, *text; /* as written, names of secrets and not their values */
    struct config_place place;
};

struct config_block { /* a section; one of [neap] and [log] there always is */
    const struct section_kind *kind;
    char *label, *name; /* "queue mail", "mail"; name NULL: takes none */
    void *record;       /* in struct config once loaded */
    struct config_place place;
    bool damaged; /* a line in it could not be read */
    struct config_entry *entries;
    size_t n_entries;
};

struct config_private {
    atomic_uint refs; /* shared by threads: the last to let go frees */
    char **files;     /* "default", names of files, "--set", "--plugins" */
    size_t n_files;
    struct config_block **blocks; /* in order of appearance */
    size_t n_blocks;
    bool service;
};

struct config_problem {
    struct config_place place;
    size_t serial;
    char *text;
};

struct config_loading { /* one config_load */
    struct config *config;
    const struct config_source *source;
    struct config_problem *problems;
    size_t n_problems;
    struct config_block *block; /* of the lines being read, or NULL */
    bool skip;                  /* they stand in a section that is bad */
    size_t file;                /* being read */
    const char *dir;            /* that paths in it start from */
    bool alone;                 /* no other file is read */
    int cpus;                   /* here, counted at the first `auto`; 0: not yet */
    struct file_id *open;       /* files being read, outermost first */
    size_t n_open;
    struct file_id *read; /* files read or being read */
    size_t n_read;
};

/* config.c */
size_t config_file_add(struct config *config, const char *name);
struct config_block *config_block_find(const struct config *config, const char *label);
struct config_entry *config_entry_find(const struct config_block *block, const char *key);
char *config_place_text(const struct config *config,
                        struct config_place place); /* to free(); NULL: nowhere */

/* config_sections.c: what is read becomes records */
extern const struct config_events loading_events;
struct config_block *loading_block(struct config_loading *l, const struct section_kind *kind,
                                   const char *name, struct config_place place);
void loading_item(struct config_loading *l, const char *key, const char *value, int line, bool cut);

/* config_problems.c. `section` and `key` may be NULL. */
__attribute__((format(printf, 5, 6))) void loading_problem(struct config_loading *l,
                                                           struct config_place place,
                                                           const char *section, const char *key,
                                                           const char *format, ...);
/* Tells them all in order, frees them; NEAP_ECONFIG if there were any. */
int loading_report(struct config_loading *l, struct neap_error *err);

/* config_check.c: what no single value shows. */
void loading_check(struct config_loading *l);

/* config_load.c: for tests and fuzzing, a text that stands for a file named `name`; reads no other.
 */
int config_load_text(struct config **out, const struct config_source *source, const char *name,
                     const char *text, size_t len, struct neap_error *err);

#endif
