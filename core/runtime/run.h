/* A job while a worker runs it, and its fibers: the coroutines that the worker schedules. Owned by
 * the worker; recycled, never freed before the worker is: a ctx, an answer on its way or a place
 * among those that wait for a setup may still point to one.
 *
 *                    ┌───────── preempted ◄──┐
 *                    ▼                       │
 *   ready ────────► on ─► waiting ─► (blocked) ─► ready          ended: only on its way out
 *
 * Blocked: what it waited for has come, but its job has no slot at the moment, or its plugin
 * belongs to a preempted fiber. */
#ifndef RUNTIME_RUN_H
#define RUNTIME_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "model/call.h"
#include "model/job.h"
#include "parts/catalogue.h"
#include "runtime/vm.h"

struct entry; /* a task as loaded in this state (entry.h) */
struct op;

enum fiber_state { FIBER_READY, FIBER_ON, FIBER_WAITING, FIBER_PREEMPTED };

/* As small as they can be: a million of them may sleep. */

struct fiber {
    struct worker *worker; /* fixed: the engine's thread reads it to answer */
    struct run *run;       /* NULL: free */
    struct list link;      /* its job's, in a ring; or the worker's free ones */
    struct list place;     /* while blocked */
    lua_State *co;
    int co_ref;            /* keeps the coroutine */
    uint32_t behind;       /* preempted: the line's tail at that time; what is before goes first */
    uint8_t state;         /* enum fiber_state */
    bool fresh;            /* not resumed yet: its function and arguments are on its stack */
    bool ended, closing;   /* as run->ended, for this fiber alone (neap.race, handle:cancel) */
    bool asking;           /* waits for a job or for room in a queue: its job may lend its slot */
    bool resting;          /* waits for a time or for another fiber */
    bool sleeping;         /* for a time */
    uint64_t born;         /* tells it from the one that had this place before */
    uint64_t serial;       /* goes up at each wait and each reuse: late answers are dropped */
    struct heap_node turn; /* ready: among the woken, or the preempted; key: -priority, tie: the
                              order. Else among the sleepers; key: monotonic ns */
    struct call *answer;   /* of the engine; owned */
    struct op *op;         /* what it waits for, or has waited for */
};

/* What few jobs have: made when one first needs it (run_more), gone with its end. */
struct run_more {
    struct list blocked; /* fibers that go on once the job has its slot and place again */
    int64_t after_ms;
    unsigned n_stray;      /* failed async functions that nobody has waited for, */
    char *stray;           /* and the message of the first; owned */
    struct list children;  /* of ctx:submit, */
    size_t children_bytes; /* and what they take */
    struct buf log, line;  /* what it printed; the line not ended yet */
    uint64_t printed;      /* bytes ever put into the log */
    uint64_t follow_from;  /* the engine is to be shown what it prints from there on, */
    int64_t follow_ns;     /* when it was shown something last, */
    bool followed;         /* if so */
    bool progress_full;    /* it was told that its progress is 1 */
    int64_t progress_ms;   /* when it was last told of any; monotonic */
};

struct run {
    struct list link;    /* in the worker's list of runs, or its free list */
    struct job *job;     /* NULL: free */
    struct entry *entry; /* counted; NULL until the task is loaded */
    struct fiber main;   /* its `link` is a ring with those of neap.async, the oldest first */
    struct list ops;     /* open: what ends with the job */
    struct run_more *more;
    unsigned n_fibers, n_asking, n_resting, n_sleeping;
    uint32_t attempt;
    uint8_t kind;   /* of its outcome, enum outcome_kind */
    bool ended;     /* that is settled: unwind it */
    bool closing;   /* being unwound: its to-be-closed variables run; waits return nil, "killed" */
    bool in_args;   /* checking arguments: an error there has the code "args" */
    bool slotless;  /* waits for jobs and does nothing else: it has lent its slot and place */
    bool returning; /* has asked for them back */
    bool late;      /* at once, whatever the limits */
    uint32_t result_len;
    void *result; /* MessagePack; owned; NULL: nil */
    struct job_error *error;
    struct heap_node deadline; /* key: monotonic ns, INT64_MAX: none; among the worker's, once it
                                  has waited */
    int64_t started_ms, started_ns;
    uint64_t bytes;    /* allocated while it ran */
    int64_t net_bytes; /* the same less what was freed meanwhile: about what it holds */
    int64_t cpu_ns;
};

struct run_more *run_more(struct run *run);

/* All fibers of a job, the main one first, once around. */
static inline struct fiber *fiber_after(const struct fiber *fiber)
{
    return LIST_ENTRY(fiber->link.next, struct fiber, link);
}

#endif
