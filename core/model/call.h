/* A question to the engine and its answer: posted to the engine's mailbox, answered through `done`
 * on the engine's thread (which posts it back to a worker, or wakes a host's thread). Owned by the
 * asker, but the engine's from post to done. */
#ifndef MODEL_CALL_H
#define MODEL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/mailbox.h"
#include "model/job.h"
#include "model/life.h"

/* What travels to the engine (message.kind). */
enum engine_message {
    ENGINE_SUBMIT,       /* struct job */
    ENGINE_OUTCOME,      /* struct outcome */
    ENGINE_PROGRESS,     /* struct progress */
    ENGINE_GIVEN_BACK,   /* struct job: out of a worker's line, but it cannot start there now */
    ENGINE_CALL_WAIT,    /* until job `id` has ended; deadline_ms. A job that asks gives up its slot
                            meanwhile */
    ENGINE_CALL_ROOM,    /* until its queue takes `job`, which is then submitted */
    ENGINE_CALL_SUBMIT,  /* `job`, which has its place in its queue */
    ENGINE_CALL_STATE,   /* of job `id` */
    ENGINE_CALL_GET,     /* more of it, for hosts: user is a struct neap_job */
    ENGINE_CALL_LOG,     /* what it printed, into `reply` */
    ENGINE_CALL_CANCEL,  /* job `id` */
    ENGINE_CALL_STORED,  /* until what was submitted before is committed */
    ENGINE_CALL_STATS,   /* user is a struct neap_stats, or NULL: as MessagePack into `reply` */
    ENGINE_CALL_LEND,    /* all that the asker still does is to wait: it lends slot and place */
    ENGINE_CALL_RETURN,  /* the asker wants back what another call of it lent */
    ENGINE_CALL_IDLE,    /* until no job is left that could still run */
    ENGINE_CALL_DRAIN,   /* deadline_ms */
    ENGINE_CALL_ASK,     /* a question of neap_ask: struct ask (engine/ask.h) */
    ENGINE_CALL_EVENTS,  /* user is a struct neap_events; state: it listens, or does so no more */
    ENGINE_CALL_CONFIG,  /* user is the new struct config */
    ENGINE_CATALOGUE,    /* struct catalogue_note */
    ENGINE_SHOWN,        /* struct shown */
    ENGINE_WORKER_GONE,  /* struct worker_note: its thread is about to end */
    ENGINE_WORKER_STUCK, /* struct worker_note: `id` is the section it does not leave */
    ENGINE_WORKER_FULL,  /* struct worker_note: its state stays near its memory limit */
    ENGINE_STOP,
};

struct call {
    struct message message;
    uint64_t id;
    struct job *job;   /* ROOM, SUBMIT: the job, the engine's unless the answer leaves it here */
    struct job *asker; /* the running job that asks, or NULL */
    bool lends;  /* WAIT, ROOM: the asker does nothing else meanwhile, so it lends slot and place */
    bool late;   /* RETURN: at once, beyond the limits: what it waits for ran out of time */
    bool sleeps; /* who lends goes on by itself, too */
    bool document;       /* ROOM, SUBMIT: `reply` is to be the job's document */
    int64_t deadline_ms; /* Unix ms; INT64_MAX: none */
    void *user;
    /* the answer */
    int rc; /* enum neap_code; WAIT: NEAP_OK, NEAP_ENOENT, NEAP_ETIME. ROOM, SUBMIT: `id` is that of
               the job, or of its duplicate; if refused `reply` says why, a text with its NUL */
    bool duplicate; /* ROOM, SUBMIT: the job was there already */
    int state;
    struct buf reply; /* WAIT: the result; STATS */
    bool has_result;
    bool gave_slot;          /* the asker has slot and place again */
    struct job_error *error; /* WAIT: why it failed; owned */
    void (*done)(struct call *call);
    /* where it waits, the engine's */
    struct list waiting;
    struct list by_asker; /* in the claim of the asker */
    struct heap_node timer;
    /* the asker's */
    void *owner;
    void *worker; /* of a fiber, */
    uint64_t serial;
    void *
        run; /* and of its job, which a slot that comes back is for, whatever became of the fiber */
    int64_t run_ns; /* its started_ns */
};

/* How far a job is, from its worker; freed by the engine. */
struct progress {
    struct message message;
    uint64_t id;
    double fraction; /* 0..1 */
    char *text;      /* owned */
};

struct shown_run {
    uint64_t id;
    const struct task_name *task;
    unsigned attempt, generation;
    int64_t for_ms;    /* since its start */
    const char *state; /* computing waiting ready ending */
    char *traceback;   /* owned */
};

/* What a worker shows when asked: where its jobs are, or (serial 0) what one has printed. Freed by
 * the engine (shown_free, runtime/worker.h). */
struct shown {
    struct message message;
    void *worker;
    uint64_t serial;        /* of the question */
    struct shown_run *runs; /* owned */
    size_t n_runs, n_more;  /* more: left out */
    uint64_t job;
    unsigned attempt;
    uint64_t end;    /* bytes that this attempt has printed, of which */
    struct buf text; /* are the last */
};

/* What the end of few attempts has. */
struct outcome_more {
    int64_t after_ms;     /* of a retry or a snooze */
    struct list children; /* of ctx:submit, to be submitted where it completed */
    char *log;            /* passes to the engine; NULL: nothing */
    uint32_t log_len;
    uint64_t printed; /* bytes: what is in the log and what fell out of it */
};

/* The end of an attempt, from a worker: two cache lines, as they cross from core to core. */
struct outcome {
    struct message message;
    struct job *job;
    void *worker;
    uint32_t token; /* of the claim that it is the outcome of */
    unsigned generation;
    uint8_t kind;  /* enum outcome_kind */
    bool no_task;  /* handed back because the task was gone */
    uint8_t block; /* of its memory: what the pool wants back */
    uint32_t result_len;
    void *result;              /* MessagePack; NULL: nil; passes to the engine */
    struct job_error *error;   /* passes to the engine */
    struct outcome_more *more; /* or NULL */
    int64_t started_ms;        /* Unix */
    int64_t run_us, wait_us;   /* from start to end; available but not started */
    int64_t cpu_us;            /* that it computed */
    uint64_t bytes;            /* that it allocated in Lua, whether or not they were freed */
};

/* Of the claim that `job` has now; all else zero. Each by its thread's own cache. */
struct outcome *outcome_new(struct pool_cache *cache, struct job *job, int kind);
struct outcome_more *outcome_more(struct outcome *outcome); /* made if it is not there yet */
/* With what has not passed to others; `more->children` must be empty. */
void outcome_free(struct pool_cache *cache, struct outcome *outcome);

#endif
