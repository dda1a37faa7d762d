/* What the files of the worker share: worker.c (its thread and messages), worker_jobs.c (running
 * jobs), worker_wait.c (waiting). Nobody else includes this. */
#ifndef RUNTIME_WORKER_STATE_H
#define RUNTIME_WORKER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "base/heap.h"
#include "base/list.h"
#include "runtime/worker_run.h"

/* Owner: its own thread. The engine touches `line`, `mailbox`, `wake` and `hungry`, which are made
 * for that. */
struct worker {
    const struct worker_env *env;
    struct catalogue *catalogue;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    struct mailbox mailbox;
    struct line line;
    atomic_bool
        hungry; /* sleeps with nothing to run: set before it looks at the line a last time */
    _Atomic uint64_t steps; /* resumes so far, for the engine to see whether they go on */
    struct vm vm;
    struct entries entries;
    struct list runs, free_runs; /* a free run without coroutine comes last */
    size_t n_free;               /* free runs with a coroutine */
    struct heap sleepers;        /* by monotonic ns */
    struct heap ready;           /* woken runs by priority, then in order of waking */
    int64_t now_ns;              /* monotonic, after the last resume, or at the turn's beginning */
    int64_t unix_ahead_ns;       /* of the clock of the day, at the turn's beginning */
    uint64_t wakings, outcomes;
    unsigned woken_in_a_row; /* resumes since a job of the line was started */
    uint64_t stepped_bytes;  /* vm.allocated_bytes at the last idle step of the collector */
    struct job *starting;    /* out of the line, but not among `runs` yet */
    bool starting_cancelled, stopping, exiting;
    bool alone; /* woke by itself: the engine may be asleep, not looking at what is left for it */
};

/* worker.c */
void worker_take_messages(struct worker *w);

/* worker_jobs.c */
bool worker_step(struct worker *w); /* one resume; false: nothing to run */
void worker_stop_runs(struct worker *w);
void worker_cancel(struct worker *w, uint64_t id);
void worker_free_runs(struct worker *w);

/* worker_wait.c */
void worker_make_ready(struct worker *w, struct run *run);
void worker_wake_sleepers(struct worker *w);
void worker_arm_timer(struct worker *w);
void worker_take_answer(struct call *call);

#endif
