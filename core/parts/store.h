/* Where jobs live. A backend is a const table of functions; one conformance suite (tests/store) runs over all.
 * Owner: the engine, which alone calls it. The store owns every job that was put, until it is forgotten. */
#ifndef PARTS_STORE_H
#define PARTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

struct store;

struct store_limits { /* of what is kept after the end; oldest go first */
    size_t completed, dead;     /* records (cancelled count with completed) */
    size_t bytes;               /* of results, errors and arguments kept; memory backend only */
    int64_t completed_ms, dead_ms;
};

struct store_counts {
    size_t states[NEAP_STATES];
};

struct store_ops {
    const char *name;
    bool durable; /* put and finish survive a crash once committed */

    int (*open)(struct store **out, const char *url, const struct store_limits *limits, struct neap_error *err);
    void (*close)(struct store *s); /* frees every job too */

    /* Takes the job over; state and due.key say where it belongs (scheduled or available; held ones use hold). */
    int (*put)(struct store *s, struct job *job, int64_t now_ms, struct neap_error *err);
    /* The next job this pool may run, or NULL. It stays the store's, marked claimed; state stays available until it started. */
    struct job *(*claim)(struct store *s, unsigned pool, int64_t now_ms);
    const struct job *(*peek)(struct store *s, unsigned pool, int64_t now_ms);
    /* A claimed job that did not run goes back to its old place. */
    void (*give_back)(struct store *s, struct job *job, int64_t now_ms);
    /* A job in line leaves it but stays available ("no such task"), until unhold puts it back. */
    void (*hold)(struct store *s, struct job *job);
    void (*unhold)(struct store *s, struct job *job, int64_t now_ms);
    /* A claimed job's attempt ended: `state` completed, dead or cancelled (kept within limits, or forgotten at once where
     * `keep` is false: the pointer is then gone), or retryable / scheduled (due.key set: back in line), or running on (on_dead). */
    int (*finish)(struct store *s, struct job *job, int state, bool keep, int64_t now_ms, struct neap_error *err);
    /* A job in line or on hold ends as cancelled. */
    int (*cancel)(struct store *s, struct job *job, bool keep, int64_t now_ms, struct neap_error *err);
    /* End of a turn: everything since the last is acknowledged after this returns NEAP_OK. */
    int (*commit)(struct store *s, struct neap_error *err);

    struct job *(*get)(struct store *s, uint64_t id); /* NULL: unknown or forgotten */
    /* Jobs in order of id after `after`, at most `max`; returns how many. */
    size_t (*scan)(struct store *s, uint64_t after, struct job **out, size_t max);
    void (*counts)(struct store *s, struct store_counts *out);
    struct index *(*index)(struct store *s); /* the line, for queue settings; NULL where the backend keeps it itself */
    void (*prune)(struct store *s, int64_t now_ms); /* forgets what is over the limits, a small step at a time */
};

extern const struct store_ops store_memory;

#endif
