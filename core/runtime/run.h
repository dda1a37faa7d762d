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
#include "base/list.h"
#include "base/ranks.h"
#include "model/call.h"
#include "model/job.h"
#include "parts/catalogue.h"
#include "runtime/vm.h"

struct entry; /* a task as loaded in this state (entry.h) */
struct op;

enum fiber_holds { HOLDS_NOTHING, HOLDS_ANSWER, HOLDS_OP, HOLDS_RESULT };
enum fiber_state { FIBER_READY, FIBER_ON, FIBER_WAITING, FIBER_PREEMPTED };

/* As small as they can be: a million of them may sleep. */

struct fiber {
    lua_State *co;
    struct rank turn; /* ready: among the woken, or the preempted; key: turn_key. Else among the
                         sleepers; key: monotonic ns. note: if preempted, the line's tail at
                         that time; what is before goes first */
    uint64_t serial;  /* goes up at each wait and each reuse: late answers are dropped */
    union {           /* enum fiber_holds */
        struct call *answer; /* of the engine; owned */
        struct op *op;       /* what it waits for, or has waited for */
        void *result;        /* MessagePack; owned; of a main fiber that has returned */
    };
    int co_ref;    /* keeps the coroutine */
    uint8_t state; /* enum fiber_state */
    uint8_t holds;
    bool fresh : 1;              /* not resumed yet: its function and arguments are on its stack */
    bool side : 1;               /* fixed: one of neap.async, a struct side_fiber */
    bool ended : 1, closing : 1; /* as run->ended, for this fiber alone (neap.race, handle:cancel)
                                  */
    bool asking : 1;   /* waits for a job or for room in a queue: its job may lend its slot */
    bool resting : 1;  /* waits for a time or for another fiber */
    bool sleeping : 1; /* for a time */
    bool lent : 1;     /* ready, but its job has no slot: in run->more->blocked */
    bool aside : 1;    /* its plugin is another's: in loaded->blocked */
};

struct side_fiber { /* of neap.async */
    struct fiber fiber;
    struct run *run;  /* NULL: free */
    struct list link; /* its job's, or the worker's free ones */
    uint64_t born;    /* tells it from the one that had this place before */
};

/* What few jobs have: made when one first needs it (run_more), gone with its end. */
struct run_more {
    struct list sides;                                 /* fibers of neap.async, the oldest first */
    unsigned n_sides, n_asking, n_resting, n_sleeping; /* of them */
    struct ranks blocked; /* fibers that go on once the job has its slot and place again */
    struct op *ops; /* open, in a ring, the oldest first: what ends with the job; NULL: none */
    struct job_error *error;
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

struct run {         /* two cache lines */
    struct job *job; /* NULL: free */
    union {
        struct entry *entry; /* counted; NULL until the task is loaded */
        struct run *next_free;
    };
    struct fiber main;
    uint32_t result_len;
    uint8_t kind;   /* of its outcome, enum outcome_kind */
    bool ended : 1; /* that is settled: unwind it */
    bool
        closing : 1; /* being unwound: its to-be-closed variables run; waits return nil, "killed" */
    bool in_args : 1;   /* checking arguments: an error there has the code "args" */
    bool slotless : 1;  /* waits for jobs and does nothing else: it has lent its slot and place */
    bool returning : 1; /* has asked for them back */
    bool late : 1;      /* at once, whatever the limits */
    struct run_more *more;
    struct rank deadline; /* key: monotonic ns, INT64_MAX: none; among the worker's, once it has
                             waited. note: which attempt it is (run_attempt) */
    int64_t started_ns;   /* differs from that of any other run of this worker */
    uint64_t bytes;       /* allocated while it ran */
    int64_t net_bytes;    /* the same less what was freed meanwhile: about what it holds */
    int64_t cpu_ns;
};
_Static_assert(sizeof(struct run) <= 128, "a million of them may sleep");

#define RUN_ALIGN 64
#define RUN_BLOCK 127 /* with the list 16 KiB, less what malloc adds */
struct run_block {    /* what a worker has of them */
    struct run_block *next;
    _Alignas(RUN_ALIGN) struct run runs[RUN_BLOCK];
};

struct run_walk {
    struct run_block *block;
    unsigned at;
};

struct run_more *run_more(struct run *run);

static inline struct side_fiber *fiber_side(const struct fiber *fiber)
{
    return LIST_ENTRY(fiber, struct side_fiber, fiber);
}

/* NULL: it is free. */
static inline struct run *fiber_run(const struct fiber *fiber)
{
    if (fiber->side)
        return fiber_side(fiber)->run;
    struct run *run = LIST_ENTRY(fiber, struct run, main);
    return run->job ? run : NULL;
}

/* All fibers of a job, the main one first; NULL after the last. */
static inline struct fiber *fiber_after(const struct fiber *fiber)
{
    const struct run_more *more = fiber_run(fiber)->more;
    if (!more)
        return NULL;
    const struct list *next = fiber->side ? fiber_side(fiber)->link.next : more->sides.next;
    return next == &more->sides ? NULL : &LIST_ENTRY(next, struct side_fiber, link)->fiber;
}

static inline uint32_t run_attempt(const struct run *run)
{
    return run->deadline.note;
}

/* The next one that has a job; NULL: there is none. */
static inline struct run *run_walk(struct run_walk *walk)
{
    for (; walk->block; walk->block = walk->block->next, walk->at = 0)
        while (walk->at < RUN_BLOCK) {
            struct run *run = &walk->block->runs[walk->at++];
            if (run->job)
                return run;
        }
    return NULL;
}

static inline struct worker *fiber_worker(const struct fiber *fiber) /* on its own thread */
{
    return vm_of(fiber->co)->worker;
}

static inline struct worker *run_worker(const struct run *run)
{
    return fiber_worker(&run->main);
}

static inline struct op *fiber_op(const struct fiber *fiber)
{
    return fiber->holds == HOLDS_OP ? fiber->op : NULL;
}

static inline struct op *run_ops(const struct run *run)
{
    return run->more ? run->more->ops : NULL;
}

static inline bool run_has_sides(const struct run *run)
{
    return run->more && run->more->n_sides;
}

/* The more urgent first, then in the order of their time. */
#define TURN_ORDER_BITS 55
static inline int64_t turn_key(int priority, uint64_t order)
{
    return (int64_t)-priority * (INT64_C(1) << TURN_ORDER_BITS) + (int64_t)order;
}

static inline int turn_priority(int64_t key)
{
    return (int)-(key >> TURN_ORDER_BITS);
}

#endif
