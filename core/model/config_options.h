/* The table of sections and keys that drives parsing, checks, `neap config` and the reference page.
 * Constant; any thread. */
#ifndef MODEL_CONFIG_OPTIONS_H
#define MODEL_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_BOOL,
    OPTION_INTEGER,  /* int or int64_t by `size`; within min..max */
    OPTION_NUMBER,   /* double within min..max */
    OPTION_DURATION, /* ms, within min..max; max 0: no limit */
    OPTION_DURATION_US,
    OPTION_SIZE,   /* bytes, likewise */
    OPTION_CHOICE, /* index in `choices`; bool or int by `size` */
    OPTION_RATE,   /* nanoseconds between starts */
    OPTION_PRIORITY,
    OPTION_WORKERS,  /* `auto`: the number of CPUs */
    OPTION_PATHS,    /* char **; relative to the file */
    OPTION_PATTERNS, /* not stored: files to read next */
    OPTION_QUEUES,
    OPTION_QUEUE,
    OPTION_TASK,
    OPTION_STORE,  /* char *: "memory" or "sqlite:PATH"; relative to the file */
    OPTION_KEEP,   /* struct config_keep: how long, how many */
    OPTION_SOCKET, /* char *: a path; relative to the file. NULL: none, as for the next three */
    OPTION_LISTEN, /* char *: ADDRESS:PORT */
    OPTION_SECRET, /* char *: env:NAME or file:PATH; read when it is asked for */
    OPTION_HOSTS,  /* char *: names, separated by commas */
    OPTION_CRON,   /* from here on in struct config_schedule or config_task, by name */
    OPTION_ZONE,
    OPTION_JSON,
    OPTION_CONFIG,
};

enum option_flags {
    OPTION_RESTART = 1, /* counts at start only */
    OPTION_NONE = 2,    /* takes "none", stored as 0 */
};

struct option {
    const char *key; /* "config." takes any key that begins so */
    const char *fallback,
        *service_fallback; /* the default as text; NULL: none; `serve` has its own */
    const char *help;
    enum option_type type;
    unsigned flags;
    size_t offset, size; /* of the field in the section's record */
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
};

enum section_number {
    SECTION_NEAP,
    SECTION_POOL,
    SECTION_QUEUE,
    SECTION_TASK,
    SECTION_SCHEDULE,
    SECTION_STORE,
    SECTION_HTTP,
    SECTION_LOG
};
#define SECTIONS 8

struct section_kind {
    const char *name, *argument; /* "NAME" or "PATTERN"; NULL: there is one such section */
    const char *help;
    enum section_number number;
    const struct option *options;
    size_t n_options;
    size_t record_size; /* 0: the fields are struct config's own */
};

extern const struct section_kind section_kinds[SECTIONS];

const struct section_kind *section_find(const char *name, size_t len); /* NULL: unknown */
/* Takes `retry` for `retry.max`. NULL: unknown. */
const struct option *option_find(const struct section_kind *kind, const char *key);

#endif
