/* The configuration: read once, then immutable and shared by reference (any thread). A reload makes
 * a new one. One table in config_options.c (section, key, type, default, restart-only, help,
 * offset) drives parsing, checks, `neap config` and docs/configuration.md. */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/cron.h"
#include "model/job.h"
#include "neap.h"

struct config_pool {
    char *name;
    int64_t workers; /* threads; `auto` is resolved */
    int64_t slots;   /* jobs a worker may have in hand */
    char **queues;   /* names, or the single name "*"; NULL-terminated */
    int64_t slice_us;
    int64_t memory_bytes; /* of one Lua state; 0: no limit */
    bool strict;          /* sandbox = strict */
};

#define CONFIG_CAPACITY                                                                            \
    "1000000" /* of a queue that no [queue] section limits: it bounds the mailboxes */

struct config_queue {
    char *name;
    int64_t concurrency;      /* running at once over all pools; 0: no limit */
    int64_t capacity;         /* not running; 0: no limit */
    int when_full;            /* enum gate_policy: block reject drop */
    int64_t rate_interval_ns; /* 0: no limit */
    int64_t ageing_ms;        /* 0: none */
    bool paused;
};

struct config_pair {
    char *key;   /* without the "config." */
    char *value; /* resolved; may be secret */
    bool secret; /* came from env: or file:, never printed */
};

struct config_task {    /* [task PATTERN] */
    char *pattern;      /* "mail.report", "mail.*" or "*" */
    struct retry retry; /* unset fields as in RETRY_UNSET */
    char *queue;        /* NULL: unset */
    int priority;       /* INT_MIN: unset */
    int64_t timeout_ms; /* of an attempt; 0: none, -1: unset */
    char *on_dead;      /* a task to tell of each death; "": none, NULL: unset */
    struct config_pair *config;
    size_t n_config;
};

enum catchup { CATCHUP_SKIP, CATCHUP_ONCE, CATCHUP_ALL };

struct config_schedule {
    char *name, *task;
    struct cron cron;
    bool has_cron;
    char *cron_text, *zone_text; /* as written; NULL: not given */
    int64_t every_ms;            /* where there is no cron */
    struct zone *zone;           /* owned */
    bool overlap;                /* false (skip): no new job while the last has not ended */
    int catchup;                 /* enum catchup: what becomes of ticks that were missed */
    void *args;                  /* MessagePack; NULL: none */
    size_t args_len;
    char *origin; /* FILE:LINE */
};

struct config_keep { /* of jobs that have ended */
    int64_t age_ms;  /* 0: any */
    int64_t count;   /* 0: any number; -1: none is kept */
};

struct config {
    char **plugins;   /* directories as to be opened, NULL-terminated; empty: none configured */
    bool plugins_set; /* somebody named them: a missing one is an error */
    int64_t drain_ms;
    bool watch;
    int64_t max_children; /* running at once, of neap.exec; `auto` is resolved */
    int64_t grace_ms;     /* by which code may outlive its end before its worker is replaced */
    int64_t max_stuck;    /* workers that may be replaced so before the process gives up */
    char *http_socket, *http_listen, *http_token, *http_hosts;         /* NULL: none */
    int64_t http_max_body, http_max_connections, http_max_per_address; /* the last: 0: any */
    int64_t http_header_ms, http_body_ms;
    char *store_url; /* "memory" or "sqlite:PATH", as to be opened */
    struct config_keep keep_completed, keep_dead;
    int64_t window;            /* jobs of a queue in memory, where the store is durable */
    int log_level;             /* enum neap_level */
    int log_format;            /* enum config_log_format */
    struct config_pool *pools; /* at least one: [pool default] stands where none is given */
    struct config_queue *queues;
    struct config_task *tasks; /* most specific first */
    struct config_schedule *schedules;
    size_t n_pools, n_queues, n_tasks, n_schedules;
    /* private to config*.c: references, the raw entries for printing (config_rows) */
    struct config_private *private;
};
enum config_log_format { LOG_AUTO, LOG_LOGFMT, LOG_JSON };

struct config_source {
    const char *file;            /* NULL: none */
    const char *const *settings; /* "[section] key=value" */
    size_t n_settings;
    const char *const *plugins; /* instead of [neap] plugins; relative to the current directory */
    size_t n_plugins;
    bool service;                                  /* defaults of `serve`: watch = yes */
    void (*problem)(void *user, const char *text); /* every mistake */
    void *user;
};

/* NEAP_ECONFIG after all mistakes went to problem(). */
int config_load(struct config **out, const struct config_source *source, struct neap_error *err);
/* One setting as it is written, whatever is wrong elsewhere, and where: both to free(). NULL: it is
 * not there. */
char *config_look(const char *file, const char *section, const char *key, char **origin);
struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine */

/* The settings of one task: the most specific pattern that sets a field wins, field by field. */
void config_task_retry(const struct config *config, const char *task, struct retry *out);
const char *config_task_queue(const struct config *config, const char *task); /* NULL: unset */
int config_task_priority(const struct config *config, const char *task);      /* INT_MIN: unset */
int64_t config_task_timeout(const struct config *config,
                            const char *task); /* ms; 0: none, -1: unset */
/* The task to tell when one of its jobs dies; NULL: none. A task that is named so anywhere has none
 * itself, so that alerts do not beget alerts. */
const char *config_task_on_dead(const struct config *config, const char *task);
/* Calls each key that names a task: `where` is "FILE:LINE: [task *] on_dead". */
void config_each_task_name(const struct config *config, void *user,
                           void (*each)(void *user, const char *where, const char *task));
/* Calls each key once, with the value that wins. */
void config_task_each(const struct config *config, const char *task, void *user,
                      void (*each)(void *user, const char *key, const char *value, bool secret));
/* Where that key was set, to begin a message with: "FILE:LINE: [task mail.*] config.from". To
 * free(); NULL: nowhere. */
char *config_task_where(const struct config *config, const char *task, const char *key);
const struct config_queue *config_queue_find(const struct config *config,
                                             const char *name); /* NULL: defaults */

/* A setting that is a number, yes or no, a choice (its place among them), a duration (ms; of a
 * slice us), a size or a rate (ns between starts): ("pool default", "workers"). `otherwise`: no
 * such section or key, or no number. */
int64_t config_int(const struct config *config, const char *section, const char *key,
                   int64_t otherwise);

/* The text of a setting of [http], to free(); a secret's own value. NULL in `*out`: none, or no
 * such setting. NEAP_ECONFIG: the secret cannot be read. */
int config_text(const struct config *config, const char *section, const char *key, char **out,
                struct neap_error *err);

/* May `new` replace `old` while running? Else NEAP_ECONFIG and every restart-only key that differs
 * went to problem(). */
int config_may_replace(const struct config *old, const struct config *new,
                       const struct config_source *source, struct neap_error *err);

/* Every setting, its value as text (secrets as env:NAME or file:PATH) and origin ("default",
 * FILE:LINE, "--set"). */
void config_rows(const struct config *config, void *user,
                 void (*row)(void *user, const char *section, const char *key, const char *value,
                             const char *origin));
/* The reference page, Markdown, from the same table. To free(). */
char *config_reference(void);

#endif
