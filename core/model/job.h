/* A job as it travels. One allocation: the record and, behind it, its encoded arguments.
 *
 *   submitter ─► engine (store, index) ─► line of a worker ─► worker ─► outcome ─► engine
 *
 * The engine owns it. From the moment a worker takes it out of its line until its outcome is
 * posted, that worker may read what was fixed at submit or set before the claim: nobody changes
 * that meanwhile. */
#ifndef MODEL_JOB_H
#define MODEL_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fetch.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "neap.h"

struct gate;       /* parts/gate.h: the queue's door, shared by threads */
struct pool_cache; /* base/pool.h */
struct task_name;  /* model/name.h: an interned task name */

/* Retry policy; a negative field is unset and falls to the next source (see retry_merge). */
struct retry {
    int max;     /* retries after the first attempt */
    int backoff; /* enum neap_backoff */
    int64_t base_ms, cap_ms;
    double jitter; /* 0..1 */
};
#define RETRY_UNSET ((struct retry){-1, -1, -1, -1, -1})

#define JOB_KEY_BYTES 16

/* What may be there only once. */
struct job_unique {
    unsigned char key[JOB_KEY_BYTES];
    uint8_t states; /* bit n: a job with this key in enum neap_state n is in the way of a new one */
    bool exact;     /* and must then be the same request (an Idempotency-Key) */
    int64_t within_ms; /* only so long after its submission; 0: always */
};

/* The jobs that must have ended first. One allocation. */
struct job_after {
    uint32_t count;     /* of ids */
    uint32_t waiting;   /* of them have not ended: the engine's to change */
    uint8_t on_failure; /* enum after_policy: where one is dead or cancelled */
    uint64_t ids[];
};
enum after_policy { AFTER_CANCEL, AFTER_RUN };

#define JOB_CODE_MAX 15
/* What ended an attempt badly. One allocation, freed with free(). */
struct job_error {
    char code[JOB_CODE_MAX + 1];     /* error args timeout memory stuck crash */
    const char *message, *traceback; /* end in NUL; traceback may be NULL */
    int attempt;
    uint32_t text_bytes;
    char text[];
};

enum job_flags {
    JOB_DELIVER = 1, /* a host waits for the outcome (neap_next) */
    JOB_TICK = 2,    /* of a schedule: `tag` is the time of its tick, Unix ms */
    JOB_ON_DEAD = 4, /* the attempts are over: what runs now is on_dead */
};

enum job_where {
    JOB_NOWHERE, /* not put yet, or claimed */
    JOB_DUE,     /* in the index: `due` in the heap of due times */
    JOB_LINED,   /* in the index: `place` in a FIFO */
    JOB_SORTED,  /* in the index: `due` in a queue's heap */
    JOB_HELD,    /* in the store, in no line: its task is gone */
    JOB_WAITS,   /* in the store, in no line: pending */
    JOB_KEPT,    /* in the store, ended: in memory `due.key` is its number on the shelf */
    JOB_PINNED,  /* in the store, ended, readable while pinned, to be kept after */
    JOB_LEAVING, /* in the store, ended, readable while pinned, to be forgotten after */
    JOB_AWAY,    /* in line, but its place is known to a durable store's file alone */
};

/* Of its submission what most have not: one allocation, made when it is first set. */
struct job_terms {
    int64_t expires_ms; /* 0: never */
    int64_t timeout_ms; /* submit's own; 0: none, -1: the task's */
    uint64_t tag;
    struct retry *retry;       /* submit's own policy, or NULL; owned */
    struct job_unique *unique; /* NULL: not unique; owned */
    struct job_after *after;   /* NULL: waits for nobody; owned */
};

/* What its attempts left behind, of those that left something: one allocation as well. */
struct job_left {
    struct job_error *error; /* of the last failed attempt; owned; on_dead reads it */
    void *result;            /* MessagePack once completed; owned; NULL: nil */
    char *log;               /* the last 64 KiB that the attempts printed; owned, or NULL */
    void *past;              /* attempts that failed (job_past.h): MessagePack; owned, or NULL */
    uint32_t result_len, log_len, past_len;
    uint64_t log_end; /* bytes that they ever printed, of which `log` is the last; 0: log_len */
};

/* In lines of 64 bytes, as a block of 192 begins at one: what every step of the engine looks at,
 * what puts and hands out need, what its attempts write. */
struct job {
    union { /* where it is now; the time in due.key is beside the links of `place` */
        struct message message; /* on its way to the engine, or set aside by its worker */
        struct list place;      /* see enum job_where */
        /* due.key of a job in no line, or scheduled: not before this time (Unix ms, 0: at once).
         * In line as available the key is the index's, and 0 after. */
        struct heap_node due;
    };
    uint64_t id;                  /* fixed at submit */
    struct job *next_by_id;       /* hash chain of the store */
    const struct task_name *task; /* fixed at submit, until `terms` */
    struct gate *gate;            /* its queue */
    struct job_terms *terms;      /* job_terms; owned */
    uint64_t parent;
    int64_t submitted_ms;
    /* At submit: not before this time (0: at once). Since put: since when it could run. */
    int64_t available_ms;
    struct claim *claim;   /* while claimed: the engine's note of it (engine/) */
    struct job_left *left; /* job_left; owned; the engine's */
    uint32_t args_len;     /* 0: no arguments; fixed at submit */
    /* Set by the engine before a claim. */
    uint32_t attempt; /* 1 for the first */
    uint32_t token;   /* how often it was claimed: tells this claim from a stale one */
    int8_t rank;      /* priority as aged by then: its order in a worker's line */
    /* Fixed at submit, again. */
    int8_t priority;
    uint8_t flags;
    /* The engine's alone. */
    uint8_t block;         /* of its memory: what the pool wants back */
    uint8_t state : 4;     /* enum neap_state; the store's to change once put */
    uint8_t where : 4;     /* enum job_where; the index's and the store's */
    bool claimed : 1;      /* in a line or running */
    bool owes_on_dead : 1; /* it is dead, and on_dead has not run to its end */
    bool dirty : 1;        /* a durable store's: noted for its next commit */
    bool gone : 1;         /* the same: forgotten; stays until that commit */
    bool row_stale : 1;    /* the same: claimed since its row was written */
    uint8_t crashes;       /* of the process, while it ran */
    /* A durable store's: the state that its row in the file has, plus 1; 0: it has none. */
    uint8_t row;
    uint16_t pins;      /* the store's: who wants it readable after its end */
    atomic_ushort refs; /* owners: one, and workers that were given up with it */
    union {
        int64_t running_since_ms; /* its worker's, until it says "started" */
        int64_t finished_ms;      /* once it has ended; the engine's */
    };
    /* Of the last attempt that ended; the engine's. */
    int64_t started_ms; /* 0: none */
    uint64_t bytes;
    uint32_t run_ms, cpu_ms, generation;
    uint32_t running_slot; /* in the crash table, while it runs; its worker's */
    /* Shared: the worker says "started", the engine reads it for the job's state. */
    atomic_bool started;
    unsigned char args[];
};

/* To read, whether or not it has any; to write. */
extern const struct job_terms job_no_terms;
extern const struct job_left job_left_nothing;
struct job_terms *job_terms_own(struct job *job);
struct job_left *job_left_own(struct job *job);
void job_left_drop(struct job *job); /* result and error, of one that has `left` */

static inline const struct job_terms *job_terms(const struct job *job)
{
    return job->terms ? job->terms : &job_no_terms;
}

static inline const struct job_left *job_left(const struct job *job)
{
    return job->left ? job->left : &job_left_nothing;
}

/* All zero but for the arguments; timeout_ms is -1. `args` may be NULL: the bytes are
 * then zero, to be filled in later. `cache` is that of the calling thread; NULL, which who has none
 * may give: from malloc, and only what is from there may be freed so. */
struct job *job_new(struct pool_cache *cache, const void *args, size_t args_len);
void job_ref(struct job *job); /* one more owner */
/* Gives up one's own; NULL is fine. `cache` may be another thread's than at job_new. */
void job_free(struct pool_cache *cache, struct job *job);

/* Copies both texts, up to 64 KiB each; traceback may be NULL. */
struct job_error *job_error_new(const char *code, int attempt, const char *message,
                                size_t message_len, const char *traceback, size_t traceback_len);
struct job_error *job_error_copy(const struct job_error *error);

/* When a job that waits becomes available, if that is later; else 0. Wherever the store has it. */
static inline int64_t job_due_ms(const struct job *job)
{
    const bool later =
        job->state == NEAP_SCHEDULED || job->state == NEAP_RETRYABLE || job->state == NEAP_PENDING;
    return later && !job->claimed ? job->due.key : 0;
}

/* Asks for the record to be in the cache soon, but for what attempts write: putting it in line,
 * handing it out and forgetting it need no more. */
FETCH_INLINE void job_fetch(const struct job *job)
{
    fetch_line(job);
    fetch_line(&job->parent);
}

/* As it was submitted: no attempts, no result, no error. */
void job_reset(struct job *job);

#define JOB_AFTER_MAX 100000 /* jobs that one may wait for */
struct job_after *job_after_new(const uint64_t *ids, size_t count, int on_failure);

/* Bytes it holds besides the record itself: arguments, result, log and error. */
size_t job_extra_bytes(const struct job *job);

#endif
