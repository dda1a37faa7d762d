/* What a worker runs at the moment, for the monitor and the engine to see and to interrupt. A
 * section is a stretch of time in which the worker is inside Lua (or in C called from there): one
 * resume of a job, the unwinding of one, a teardown, a callback.
 *
 *   section:    out ──enter──► in ──leave──► out
 *                              └──abandon──► lost     (for good: the thread is stuck in C)
 *
 * Exactly one of `leave` and `abandon` happens: either the worker goes on, or the engine takes its
 * jobs and nothing it finds later counts. That makes the section the fencing token of everything
 * the worker has in hand. To leave is a plain store, for that happens after each job. Who abandons
 * asks first (`asked`), has every thread pass a fence, and looks whether the section still is: if
 * so, the worker sees the question when it leaves. Then a compare-and-swap on `asked` decides. */
#ifndef RUNTIME_PULSE_H
#define RUNTIME_PULSE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fence.h"
#include "base/list.h"

#define PULSE_IN 1u
#define PULSE_LOST 2u /* in `asked` */
#define PULSE_STEP 4u

/* Written by the worker unless it says otherwise; read by the monitor and the engine. */
struct pulse {
    _Atomic uint64_t state;     /* number of the section * PULSE_STEP + flags */
    _Atomic int64_t entered_ns; /* monotonic, as are all times here */
    _Atomic int64_t deadline_ns;
    _Atomic uint64_t job;        /* whose section it is; 0: no job's */
    _Atomic int priority;        /* of it */
    _Atomic int64_t patience_ns; /* so long it is left alone: the slice, or more (set_slice) */
    atomic_bool brief;    /* it ends at its deadline whatever is asked: an unwinding, a callback */
    _Atomic size_t bytes; /* of its Lua state, after the last section */
    _Atomic uint64_t serial; /* of its catalogue */
    char apart[64];   /* what is written at each resume is not in a cache line with what the engine
                         reads for each job */
    atomic_bool idle; /* sleeps with nothing to run */
    _Atomic size_t n_blocked;     /* jobs out of the line that have not started */
    _Atomic uint64_t preemptions; /* slices that ended before their job did or waited */
    /* Asked by the engine. */
    _Atomic uint64_t asked;          /* a state: that section is to be abandoned; or it is
                                        (PULSE_LOST) */
    _Atomic uint64_t cancel;         /* that job is to stop */
    atomic_bool stop;                /* whatever runs is to stop: a drain is over */
    atomic_bool share;               /* those that have not started are to come back */
    atomic_bool urgent;              /* something of a higher priority has come */
    _Atomic uint64_t show_job, show; /* where its jobs are is to be shown (0: no); of that job */
    /* By who signals, read by the handler: the state it is meant for. */
    _Atomic uint64_t meant;
    pthread_t thread; /* written before it is watched */
    int64_t slice_ns; /* fixed */
    bool fenced;      /* fixed: fence_known */
    void *owner;      /* fixed: the worker */
    /* The monitor's. */
    struct list link;
    uint64_t seen;      /* the section it looked at last, */
    int64_t overdue_ns; /* since when that is to end; 0: it is not */
    bool told;          /* that it is stuck has been said */
};

static inline bool pulse_is_in(uint64_t state)
{
    return state & PULSE_IN;
}

static inline void pulse_enter(struct pulse *p, int64_t now_ns, int64_t deadline_ns, uint64_t job,
                               int priority, bool brief)
{
    atomic_store_explicit(&p->brief, brief, memory_order_relaxed);
    atomic_store_explicit(&p->entered_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&p->deadline_ns, deadline_ns, memory_order_relaxed);
    atomic_store_explicit(&p->job, job, memory_order_relaxed);
    atomic_store_explicit(&p->priority, priority, memory_order_relaxed);
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_relaxed);
    /* who sees the new section sees what is above */
    atomic_store_explicit(&p->state, state + PULSE_STEP + PULSE_IN, memory_order_release);
}

/* Is it left, or was it abandoned? */
static inline bool pulse_settle(struct pulse *p, uint64_t state, uint64_t asked)
{
    if (asked != state)
        return asked != (state | PULSE_LOST);
    return atomic_compare_exchange_strong(&p->asked, &asked, 0);
}

/* False: it was abandoned meanwhile. */
static inline bool pulse_leave(struct pulse *p)
{
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_relaxed);
    if (p->fenced) {
        atomic_store_explicit(&p->state, state - PULSE_IN, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst); /* the other half is in pulse_abandon */
    } else {
        atomic_exchange(&p->state, state - PULSE_IN);
    }
    const uint64_t asked = atomic_load(&p->asked);
    return !asked || pulse_settle(p, state, asked);
}

/* Engine: the section `state` is given up. False: it ended by itself just now. */
static inline bool pulse_abandon(struct pulse *p, uint64_t state)
{
    uint64_t asked = state;
    atomic_store(&p->asked, state);
    if (p->fenced)
        fence_all();
    return atomic_load(&p->state) == state &&
           atomic_compare_exchange_strong(&p->asked, &asked, state | PULSE_LOST);
}

static inline bool pulse_lost(const struct pulse *p)
{
    return atomic_load_explicit(&p->asked, memory_order_relaxed) & PULSE_LOST;
}

#endif
