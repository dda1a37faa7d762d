/* What the files of the engine share. All of it belongs to the engine's thread. */
#ifndef ENGINE_ENGINE_STATE_H
#define ENGINE_ENGINE_STATE_H

#include "base/pool.h"
#include "engine/asks.h"
#include "engine/engine.h"
#include "engine/engine_events.h"
#include "engine/schedule.h"
#include "engine/waiters.h"
#include "model/metrics.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/index.h"
#include "parts/rate.h"

#include <pthread.h>

#define DRAIN_GRACE_MS 500 /* for jobs told to stop at the end of a drain */
#define POOLS_MAX 64       /* a set of pools is a bit mask */

/* While a worker computes, the engine looks this often: at outcomes left without a nudge, and
 * whether the worker still is in the same resume, for then nothing may wait in its line. */
#define BUSY_TURN_MS 5

/* What few jobs need: apart, so that the way of the others is short. */
#define RARE __attribute__((cold, noinline))

struct queue { /* by gate->index */
    struct gate *gate;
    struct config_queue *limits; /* of the config in force, or `effective`; NULL: defaults */
    struct queue_override over;  /* set at run time */
    struct config_queue effective;
    int64_t running;     /* places taken: claims that are not parked */
    struct heap wanting; /* parked claims that want their place back */
    struct rate rate;
    bool limited;     /* something may shut it: a pause, its places or its rate */
    bool too_early;   /* shut for the rate, when that was looked at last */
    uint64_t pools;   /* bit n: pool n serves it */
    struct list room; /* calls that wait for room */
    struct counters counters;
};

struct member { /* a worker of a pool */
    struct list link;
    struct pool *pool;
    unsigned number; /* in its pool, never given twice */
    struct worker *worker;
    int64_t held;        /* slots taken: claims in its line or running there that are not parked */
    int64_t jobs;        /* all its claims */
    int line_min;        /* lowest rank put in its line since that was empty, */
    uint64_t line_pools; /* and the pools that could have taken some of that */
    size_t line_most;    /* so many may be in it */
    size_t line_left;    /* so many were in it at the end of the last turn, */
    int64_t line_ms;     /* which was then, monotonic */
    uint64_t inside;     /* the job that ran there when it was looked at last, */
    int64_t inside_since_ns; /* since then, monotonic */
    bool computes;           /* it has for a while: what waits in its line is better elsewhere */
    unsigned cancels;        /* claims that have been told to stop */
    bool retiring, leaving;  /* to end once it is empty; told to */
    struct list claims;
    struct heap returning;         /* claims that have their place back and want a slot */
    struct job *batch[LINE_SLOTS]; /* for its line, at the end of the dispatch */
    size_t n_batch;
};

struct pool {
    unsigned index; /* its bit; for good, wherever a later config has it */
    char *name;
    int64_t slots;
    size_t line_least; /* jobs in a line, at the least */
    struct list members;
    size_t n_members;    /* not retiring */
    unsigned births;     /* of members, ever */
    struct list on_dead; /* jobs whose on_dead is to run */
};

/* A job in a worker's line or running there. What it holds goes with its stage:
 *
 *   ON ─► PARKED ─► WANTS_PLACE ─► WANTS_SLOT ─► ON
 *   both  neither   neither        its place     both (slot in the worker, place in the queue)
 *
 * Nobody who holds a slot waits for a place, so this order cannot deadlock. */
enum claim_stage { CLAIM_ON, CLAIM_PARKED, CLAIM_WANTS_PLACE, CLAIM_WANTS_SLOT };

struct claim { /* a cache line; each sleeping job has one */
    struct list link;
    struct job *job;
    struct member *member;
    struct queue *queue;
    struct claim_more *more; /* claim_more() makes it; NULL: as if empty */
    uint8_t stage;           /* enum claim_stage */
    bool cancelled;          /* the worker has been told to stop it */
    bool told;               /* who listens to events knows that it has started */
    uint8_t block;           /* of its memory: what the pool wants back */
};

struct claim_more { /* what few claims need */
    struct claim *claim;
    struct call *call;     /* what it waits for, or whose answer waits for its slot */
    struct list calls;     /* all of its job's that the engine has not answered */
    struct retry retry;    /* of its task's last version, once that is gone */
    struct heap_node turn; /* in queue->wanting or member->returning: by priority, then time */
    int64_t rated_ns;      /* the interval of the rate that counted its start; 0: none */
    struct job **children; /* pinned, to be readable while it runs; */
    uint32_t n_children, cap_children, oldest_child; /* a ring once there are too many */
    bool progressed;                                 /* ctx:progress told */
    double progress;
    char *progress_text;
    struct buf live;   /* what the attempt has printed, as far as somebody asked (engine_look.c), */
    uint64_t live_end; /* up to this byte of it */
    bool followed;     /* its worker is to show more */
    uint64_t shows;    /* and has so often */
};

struct ended {
    uint64_t id;
    int state;
};

struct task_row {
    const struct task_name *name;
    struct counters counters;
};

struct engine {
    struct engine_env env;
    struct mailbox mailbox;
    struct pool_cache cache; /* its thread's */
    pthread_t thread;
    bool started, stopping, draining, recovering;
    bool stopped; /* its thread has ended: written by the thread that closes */
    const struct store_ops *ops;
    struct store *store;
    struct config *config;
    struct catalogue *catalogue;
    struct queue **queues;    /* stable addresses: claims point at them */
    size_t n_queues, n_rated; /* those with a rate */
    size_t n_rooms;           /* calls that wait for room */
    size_t n_wanting;         /* claims that want their place back */
    struct pool *pools;
    size_t n_pools;
    struct claim *spare_claims; /* freed ones, by link.next, */
    size_t n_spare_claims;      /* so many */
    uint64_t parent_id;         /* of the job with a parent that ended last, */
    struct claim *parent;       /* and the claim of that, or NULL: it does not run */
    struct waiters *waiters;
    struct asks asks;
    struct list listeners; /* to events */
    struct heap timers;    /* calls with a deadline; monotonic ms */
    struct schedules schedules;
    struct list idle_calls, drain_calls;
    int64_t drain_until_ms; /* monotonic */
    bool drain_stopped, drain_hurt, drained;
    struct list deliveries;
    struct list answers; /* calls to answer once the turn is committed */
    uint64_t *placed;    /* jobs that hosts put in this turn: a full disk refuses them */
    size_t n_placed, cap_placed;
    struct ended *ended; /* while jobs are told that one they wait for has ended: more that have */
    size_t n_ended, cap_ended;
    bool telling;            /* tell_children is under way */
    bool has_after;          /* there was a job with `after` */
    struct running *running; /* the crash table of a durable store, or NULL */
    struct task_row **tasks; /* by task_name index; stable addresses, NULL: never submitted */
    size_t n_tasks;
    size_t live; /* jobs that have not ended */
    size_t on_dead_runs;
    struct list gone;   /* notes of workers whose threads have ended */
    bool reaping;       /* processes of theirs may not have died yet */
    struct list ghosts; /* members whose workers are stuck in C: given up, their threads run on */

    bool lanes_used; /* something came by one in this turn */
    uint64_t publications, random;
    uint64_t stuck;              /* workers given up so far */
    uint64_t preemptions;        /* in workers that have ended */
    uint64_t ties;               /* makes keys of heaps unique */
    int64_t now_ms, latest_ms;   /* wall clock of this turn; the latest ever */
    int64_t mono_ms, started_ms; /* for all that is a duration */
    bool full;                   /* the disk is: nothing more from hosts */
    int64_t prune_ms;            /* monotonic: when records are looked at again */
    int64_t full_look_ms;        /* monotonic: when to see whether it still is */
    bool failed, told;           /* the store failed; and the host knows */
};

/* engine_queues.c */
void queues_follow(struct engine *e); /* after a change of gates, config or pools */
static inline struct queue *queue_of(struct engine *e, const struct gate *gate)
{
    if (gate->index >= e->n_queues)
        queues_follow(e);
    return e->queues[gate->index];
}
void queue_look(struct engine *e, struct queue *q); /* open or shut it in the index */
static inline void queue_refresh(struct engine *e, struct queue *q) /* what it holds has changed */
{
    if (q->limited)
        queue_look(e, q);
}
bool queue_has_place(const struct queue *q); /* by its concurrency */
/* The priority of a job of it as aged by now. */
int queue_aged(const struct engine *e, const struct queue *q, const struct job *job);
static inline int queue_rank(const struct engine *e, const struct queue *q, const struct job *job)
{
    return q->limits && q->limits->ageing_ms > 0 ? queue_aged(e, q, job) : job->priority;
}
/* When a rate lets the next start through, monotonic; INT64_MAX: no rate is waited for. */
int64_t queues_next_ns(const struct engine *e);
void queues_turn(struct engine *e); /* reopens what the rates let, fills the room that was made */
void queues_close(struct engine *e);

/* engine_ask_queues.c */
void queue_recall(struct engine *e, struct queue *q);         /* a new one: what was set before */
void queue_override_apply(struct engine *e, struct queue *q); /* sets q->limits */

/* engine_pools.c */
void pools_init(struct engine *e);
void pools_start(struct engine *e);
void pool_add_worker(struct engine *e, struct pool *pool);
/* It could not be started, at its first job. */
void member_failed(struct engine *e, struct member *m, const struct neap_error *err);
struct member *member_of(const struct engine *e, const struct worker *worker); /* NULL: none */
void pools_resize(struct engine *e);  /* workers added, or told to end once they are empty */
void pools_publish(struct engine *e); /* the new catalogue, to all workers */
void pools_note_all(struct engine *e, int kind);
void pools_gone(struct engine *e, struct worker *worker);
void pools_stop_all(struct engine *e, int kind); /* tells all workers, and what computes there */
bool pools_busy(const struct engine *e);         /* may some worker be running Lua now? */
bool pools_fed(const struct engine *e);          /* has every worker jobs in its line? */
bool pools_left(const struct engine *e);         /* is there a worker? */
size_t pools_claims(const struct engine *e);
void pools_close(struct engine *e);
void member_name(const struct member *m, char *out, size_t size); /* "default/1" */
/* The next member over all pools, from NULL to NULL. */
struct member *member_next(const struct engine *e, const struct member *m);

/* engine_stuck.c */
/* The monitor says that the worker does not leave that section. */
void worker_is_stuck(struct engine *e, struct worker *worker, uint64_t section);
void worker_is_full(struct engine *e, struct worker *worker); /* to be replaced */
void ghosts_leave(struct engine *e);                          /* at the end: for good */
bool ghost_gone(struct engine *e, struct worker *worker);     /* it came back; false: no ghost */

/* engine_claims.c */
/* Slots that are free, if positive. What its worker has set aside takes none: it goes back before
 * it starts, and jobs of other plugins must get past it. */
int64_t member_room(const struct member *m);
void claim_new(struct engine *e, struct member *m, struct queue *q, struct job *job);
struct claim_more *claim_more(struct claim *claim);
void claims_close(struct engine *e);
void claims_keep_retry(struct engine *e, const struct catalogue *new); /* about to be published */
void claim_free(struct engine *e, struct claim *claim);  /* slot and place are given up */
void claim_give_back(struct engine *e, struct job *job); /* it has not started */
void claim_park(struct engine *e, struct claim *claim, struct call *call);
/* The answer of a parked claim's call is known: hand it over as soon as its slot and place are
 * free. */
void claim_return(struct engine *e, struct claim *claim);
void claim_return_late(struct engine *e, struct claim *claim); /* at once */
void claims_return(struct engine *e);                          /* all that can */
/* It is about to end. What ends while the job runs that submitted it stays readable so long. */
void claim_keep_child(struct engine *e, struct job *child);

/* engine_dispatch.c */
void dispatch(struct engine *e);
void dispatch_recall_all(struct engine *e);
void dispatch_recall(struct engine *e, struct member *m);    /* its line goes back to the store */
void dispatch_take_back(struct engine *e, struct member *m); /* and what it has set aside, soon */

/* engine_submit.c */
void job_count_in(struct engine *e, const struct job *job); /* one more that has not ended */
void job_accept(struct engine *e, struct job *job); /* submitted, nobody asks what became of it */
void submit_call(struct engine *e, struct call *call); /* its job, which has its place */
void parent_has_ended(struct engine *e, uint64_t id, int state);
static inline void parent_ended(struct engine *e, uint64_t id, int state)
{
    if (e->has_after) /* those that wait for it go on */
        parent_has_ended(e, id, state);
}

/* engine_commit.c */
void engine_commit(struct engine *e);
void engine_recover(struct engine *e); /* at the open: what an earlier process left */

/* engine_jobs.c */
void job_outcome(struct engine *e, struct outcome *outcome);
void job_given_back(struct engine *e, struct job *job); /* by a worker; it has not started */
int job_cancel(struct engine *e, uint64_t id);
/* It is in line, pending or on hold; `state`: cancelled or dead. */
void job_end_waiting(struct engine *e, struct job *job, int state);
void run_on_dead(struct engine *e, struct job *job); /* it is dead, if its task has one */
bool job_has_ended(const struct job *job);
bool state_is_end(int state); /* completed, dead or cancelled */

/* engine_alert.c */
/* It is dead, its error set, and not finished in the store yet: tells the task that the config
 * names. */
void job_alert(struct engine *e, const struct job *job);

/* engine_waiting.c */
void jobs_expire(struct engine *e);
void job_hold(struct engine *e, struct job *job); /* in line: its task is gone */
void jobs_unhold(struct engine *e);               /* after a new catalogue */

/* engine_calls.c */
void call_take(struct engine *e, struct call *call);
void call_answer(struct engine *e, struct call *call, int rc); /* after the commit of this turn */
void send_answer(struct engine *e, struct call *call); /* likewise; slot and place are no matter */
void call_park(struct engine *e, struct call *call);
void calls_forget(struct engine *e, struct call *call); /* it waits no longer */
void calls_tell(struct engine *e, const struct job *job, int state);
static inline void calls_ended(struct engine *e, const struct job *job, int state)
{
    if (waiters_any(e->waiters)) /* answers who waited for it */
        calls_tell(e, job, state);
}
void calls_end_of_asker(struct engine *e, struct claim *claim);
void calls_expire(struct engine *e);

/* engine_drain.c */
void drain_begin(struct engine *e, struct call *call);
void drain_turn(struct engine *e);                   /* answers to neap_drain and neap_wait_idle */
void drain_refuse_hosts(struct engine *e, bool all); /* who waits for room; all: for anything */
void drain_close(struct engine *e);

/* engine_stats.c */
struct task_row *task_row_new(struct engine *e, const struct task_name *name);
void task_rows_close(struct engine *e);
static inline struct task_row *task_row(struct engine *e, const struct task_name *name)
{
    struct task_row *row = name->index < e->n_tasks ? e->tasks[name->index] : NULL;
    return row ? row : task_row_new(e, name);
}
void stats_fill(struct engine *e, struct neap_stats *out);
void stats_pack(struct engine *e, struct buf *out);

/* Answers what it was waiting for, which is among its calls. */
static inline void calls_asker_ended(struct engine *e, struct claim *claim)
{
    if (claim->more && !list_empty(&claim->more->calls))
        calls_end_of_asker(e, claim);
}

/* engine_events.c: cheap where nobody listens. */
static inline void event_note(struct engine *e, const struct job *job, int state)
{
    if (!list_empty(&e->listeners))
        events_note(e, job, state);
}

static inline void event_started(struct engine *e, struct claim *claim)
{
    if (!claim->told && !(claim->job->flags & JOB_ON_DEAD))
        event_note(e, claim->job, NEAP_RUNNING);
    claim->told = true;
}

/* engine_sleep.c */
void engine_sleep(struct engine *e); /* until there is something to do */

/* engine.c */
/* The next lane, of members and then of ghosts; NULL: no more. From m = NULL, ghosts = false. */
struct lane *lane_after(const struct engine *e, struct member **m, bool *ghosts);
__attribute__((format(printf, 4, 5))) void
engine_log(struct engine *e, int level, const struct job *job, const char *format, ...);
/* WHAT: the job's error, with its traceback among the fields. `generation` is that of the attempt.
 */
void engine_log_failure(struct engine *e, int level, const struct job *job, unsigned generation,
                        const char *what);
double engine_random(struct engine *e);   /* 0..1 */
void engine_set_limits(struct engine *e); /* those of the config in force, to the store */

#endif
