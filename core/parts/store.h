/* Where jobs live. A backend is a const table of functions; one conformance suite (tests/store)
 * runs over all. Owner: the engine, which alone calls it. The store owns every job that was put,
 * until it is forgotten. While a job is claimed or held its `place` is free for the engine to use.
 */
#ifndef PARTS_STORE_H
#define PARTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

struct store;

/* What is kept after the end; the oldest go first. 0: no limit. */
struct store_limits {
    size_t completed, dead; /* records (cancelled count with completed) */
    size_t bytes;           /* job_extra_bytes of what is kept; memory backend only */
    int64_t completed_ms, dead_ms;
};

struct store_counts {
    size_t states[NEAP_STATES]; /* claimed jobs count as running */
};

struct store_ops {
    const char *name;
    bool durable; /* put and finish survive a crash once committed */

    /* limits NULL: none. */
    int (*open)(struct store **out, const char *url, const struct store_limits *limits,
                struct neap_error *err);
    void (*close)(struct store *s); /* frees every job too */

    /* Takes the job over (only where it returns NEAP_OK). due.key says whether it is scheduled or
     * available, and `state` is set so (retryable stays where it is due later); available_ms 0
     * becomes the later of submitted_ms and due.key. Its id must be new. */
    int (*put)(struct store *s, struct job *job, int64_t now_ms, struct neap_error *err);
    /* The next job this pool may run, or NULL; what is due by now is promoted first. It stays the
     * store's, marked claimed, `started` false; `state` stays available, the engine reads
     * `started`. */
    struct job *(*claim)(struct store *s, unsigned pool, int64_t now_ms);
    const struct job *(*peek)(struct store *s, unsigned pool, int64_t now_ms);
    /* A claimed job that did not run goes back to its old place. */
    void (*give_back)(struct store *s, struct job *job, int64_t now_ms);
    /* A claimed job, or one in line, leaves the line and keeps its state ("no such task"), until
     * unhold puts it back to its old place. */
    void (*hold)(struct store *s, struct job *job);
    void (*unhold)(struct store *s, struct job *job, int64_t now_ms);
    /* A claimed job's attempt ended. `state`:
     * completed, dead or cancelled: result, error and log are set already. Kept within limits, or
     *   forgotten at once where `keep` is false and nobody pins it: the pointer is then gone;
     * retryable or scheduled: back in line, due.key says when (by now: available from now);
     * running: it stays claimed (on_dead runs). */
    int (*finish)(struct store *s, struct job *job, int state, bool keep, int64_t now_ms,
                  struct neap_error *err);
    /* A job in line or on hold ends as cancelled; `keep` as for finish. */
    int (*cancel)(struct store *s, struct job *job, bool keep, int64_t now_ms,
                  struct neap_error *err);
    /* While pinned a job that has ended stays readable whatever `keep` and the limits say, and does
     * not count for them. Pins count. The last unpin does what its end would have done, so the
     * pointer may be gone after it. Not kept through a crash. */
    void (*pin)(struct store *s, struct job *job);
    void (*unpin)(struct store *s, struct job *job);
    /* End of a turn: everything since the last is acknowledged after this returns NEAP_OK. */
    int (*commit)(struct store *s, struct neap_error *err);

    struct job *(*get)(struct store *s, uint64_t id); /* NULL: unknown or forgotten */
    /* Jobs in order of id after `after`, at most `max`; returns how many. May look at every job. */
    size_t (*scan)(struct store *s, uint64_t after, struct job **out, size_t max);
    void (*counts)(struct store *s, struct store_counts *out);
    /* The line, for queue settings and its next due time; NULL where the backend keeps it itself.
     * index_watch is the store's. */
    struct index *(*index)(struct store *s);
    /* Forgets what is over the limits, at most STORE_PRUNE_STEP jobs a call; true: more are. Finish
     * and cancel forget at the pace at which they keep; age alone needs this, now and then. */
    bool (*prune)(struct store *s, int64_t now_ms);
};
#define STORE_PRUNE_STEP 256

extern const struct store_ops store_memory;

#endif
