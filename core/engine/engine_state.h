/* What the files of the engine share. All of it belongs to the engine's thread. */
#ifndef ENGINE_ENGINE_STATE_H
#define ENGINE_ENGINE_STATE_H

#include "engine/engine.h"
#include "engine/schedule.h"
#include "engine/waiters.h"
#include "parts/index.h"
#include "parts/rate.h"

#include <pthread.h>

#define DRAIN_GRACE_MS 500 /* for jobs told to stop at the end of a drain */

struct queue { /* by gate->index */
    struct gate *gate;
    struct config_queue *limits; /* of the config in force; NULL: defaults */
    int64_t running;   /* claimed and not parked */
    int64_t returning; /* parked jobs that want their place back */
    struct rate rate;
    uint64_t pools; /* bit n: pool n serves it */
    struct list room; /* calls that wait for room */
    struct neap_counters counters;
};

struct member { /* a worker of a pool */
    struct list link;
    struct pool *pool;
    struct worker *worker;
    int64_t held; /* jobs in its line or running there and not parked */
    int64_t jobs; /* all its claims */
    int line_min; /* lowest priority put in its line since that was empty */
    bool retiring, leaving; /* to end once it is empty; told to */
    struct list claims, returning;
    struct job *batch[LINE_SLOTS]; /* for its line, at the end of the dispatch */
    size_t n_batch;
};

struct pool {
    unsigned index;
    char *name;
    int64_t slots;
    struct list members;
    size_t n_members;  /* not retiring */
    struct list on_dead; /* jobs whose on_dead is to run */
};

struct claim { /* a job in a worker's line or running there */
    struct list link, returning;
    struct job *job;
    struct member *member;
    struct queue *queue;
    bool parked;          /* it waits for jobs or room and has given up its slot and place */
    struct call *call;    /* what it waits for, or whose answer waits for its slot */
    uint64_t *children;   /* ring of ids kept readable while it runs */
    uint32_t n_children, first_child, cap_children;
    double progress;      /* as ctx:progress told */
    char *progress_text;
};

struct expiry {
    struct heap_node node; /* key: Unix ms; tie: the job's id */
};

struct task_row {
    const struct task_name *name; /* NULL: never submitted */
    struct neap_counters counters;
};

struct engine {
    struct engine_env env;
    struct mailbox mailbox;
    pthread_t thread;
    bool started, stopping, draining;
    const struct store_ops *ops;
    struct store *store;
    struct config *config;
    struct catalogue *catalogue;
    struct queue **queues; /* stable addresses: claims point at them */
    size_t n_queues;
    struct pool *pools;
    size_t n_pools;
    struct waiters *waiters;
    struct heap timers;   /* calls with a deadline */
    struct heap expiries;
    struct schedules schedules;
    uint64_t *held;       /* ids of jobs whose task is gone: on hold in the store */
    size_t n_held, cap_held;
    struct list idle_calls;
    struct call *drain_call;
    int64_t drain_until_ms;
    bool drain_stopped, drain_hurt;
    struct list deliveries;
    struct list answers;  /* calls to answer once the turn is committed */
    struct neap_counters total;
    struct task_row *tasks; /* by task_name index */
    size_t n_tasks;
    size_t live;          /* jobs that have not ended */
    size_t on_dead_runs;
    struct list gone;     /* notes of workers whose threads have ended */
    uint64_t publications, random;
    int64_t now_ms, started_ms;
    bool failed; /* the store failed: nothing is acknowledged any more */
};

/* engine_queues.c */
void queues_follow(struct engine *e);              /* after a change of gates, config or pools */
struct queue *queue_of(struct engine *e, const struct gate *gate);
void queue_refresh(struct engine *e, struct queue *q); /* open or shut it in the index */
int64_t queues_next_ms(const struct engine *e);    /* when a rate lets the next start through; INT64_MAX */
void queues_turn(struct engine *e);                /* reopens what the rates let, fills the room that was made */
void queues_close(struct engine *e);

/* engine_pools.c */
int pools_open(struct engine *e, struct neap_error *err);
void pools_resize(struct engine *e);               /* workers added, or told to end once they are empty */
void pools_publish(struct engine *e);              /* the new catalogue, to all workers */
void pools_note_all(struct engine *e, int kind);
void pools_gone(struct engine *e, struct worker *worker);
bool pools_busy(const struct engine *e);           /* is some worker running Lua now? */
size_t pools_claims(const struct engine *e);
void pools_close(struct engine *e);

/* engine_dispatch.c */
void dispatch(struct engine *e);
void dispatch_recall_all(struct engine *e);
void dispatch_recall(struct engine *e, struct member *m); /* its line goes back to the store */
void claim_free(struct engine *e, struct claim *claim); /* slot and place are given up */
void claim_park(struct engine *e, struct claim *claim, struct call *call);
/* The answer of a parked claim's call is known: hand it over as soon as its slot and place are free. */
void claim_return(struct engine *e, struct claim *claim);
void claim_add_child(struct engine *e, struct claim *claim, struct job *child);

/* engine_jobs.c */
void job_accept(struct engine *e, struct job *job); /* submitted: into the store */
void job_outcome(struct engine *e, struct outcome *outcome);
int job_cancel(struct engine *e, uint64_t id);
void job_cancel_waiting(struct engine *e, struct job *job); /* it is in line or on hold */
void jobs_expire(struct engine *e);
void job_hold(struct engine *e, struct job *job); /* in line: its task is gone */
void jobs_unhold(struct engine *e);               /* after a new catalogue */
struct neap_counters *task_counters(struct engine *e, const struct task_name *name);

/* engine_calls.c */
void call_take(struct engine *e, struct call *call);
void call_answer(struct engine *e, struct call *call, int rc); /* after the commit of this turn */
void calls_forget(struct engine *e, struct call *call); /* it waits no longer */
void calls_ended(struct engine *e, const struct job *job, int state); /* answers who waited for it */
void calls_expire(struct engine *e);
void calls_turn(struct engine *e); /* idle and drain */
void calls_close(struct engine *e);

/* engine_stats.c */
void stats_fill(struct engine *e, struct neap_stats *out);
void stats_pack(struct engine *e, struct buf *out);

/* engine.c */
__attribute__((format(printf, 4, 5))) void engine_log(struct engine *e, int level, const struct job *job,
                                                      const char *format, ...);
double engine_random(struct engine *e); /* 0..1 */

#endif
