/* What the files of the worker share: worker.c (its thread and messages), worker_runs.c (runs,
 * fibers and their coroutines), worker_end.c (how jobs end), worker_step.c (what runs next),
 * worker_wait.c (waiting), worker_sleep.c (its sleep), worker_interrupt.c (slices, deadlines),
 * worker_submit.c, worker_memory.c, op.c. Nobody else includes this. */
#ifndef RUNTIME_WORKER_STATE_H
#define RUNTIME_WORKER_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

#include "base/lane.h"
#include "base/list.h"
#include "base/pool.h"
#include "runtime/op.h"
#include "runtime/pulse.h"
#include "runtime/worker_run.h"

struct kept;

/* What the code that runs needs to submit jobs, taken ahead for several: each would cost a locked
 * instruction, which waits for all that was written before it. For one section only, so that ids
 * keep the order of what happens one after another, and no place stays taken; but for a section
 * that never ends, stuck in C. */
struct submits {
    uint64_t section; /* of the pulse: it is for that one */
    unsigned count;   /* of its jobs */
    uint64_t ticks;   /* clock_moved, of */
    int64_t now_ms;
    uint64_t id, end; /* the next one, and up to where they are ours, */
    int64_t ids_ms;   /* of that time */
    struct gate *gate;
    int64_t places; /* taken there */
    int64_t length; /* of a queue, when it was looked at last */
};

/* Owner: its own thread. The engine touches `line`, `lane`, `mailbox`, `wake` and
 * `pulse`, which are made for that. */
struct worker {
    const struct worker_env *env;
    size_t memory_bytes; /* soft limit of its state; 0: none */
    bool strict;         /* what its state is: a strict sandbox */
    struct catalogue *catalogue;
    pthread_t thread;
    bool running; /* its thread has been started; until then all of it is the engine's */
    bool looping; /* its loop is open, from the first use of it on */
    uv_loop_t loop;
    uv_poll_t wake; /* of wake_fd, while it sleeps in the loop */
    int wake_fd;
    uv_timer_t timer;
    struct mailbox mailbox;
    struct lane lane; /* to the engine: see worker_leave */
    struct line line;
    struct pulse pulse;      /* its `idle`: set before it looks at the line a last time */
    bool lost;               /* abandoned: it touches no job any more */
    struct pool_cache cache; /* of the thread */
    struct submits submits;
    unsigned exit; /* of the gates: its own */
    struct vm vm;
    struct entries entries;
    struct run_block *runs;       /* see run_walk */
    struct run *free_runs;        /* that have a coroutine: the one used last first, */
    struct run *bare_runs;        /* and that have none */
    struct list free_fibers;      /* of neap.async */
    size_t n_free;                /* free runs with a coroutine */
    struct ranks sleepers;        /* fibers by monotonic ns */
    struct ranks deadlines;       /* runs that wait, by monotonic ns */
    struct ranks woken;           /* fibers by priority, then in order of waking */
    struct ranks preempted;       /* fibers by priority, then since when */
    int64_t now_ns;               /* monotonic, after the last resume (to about a microsecond), or
                                     at the turn's beginning */
    uint64_t ticks;               /* clock_moved, of now_ns */
    int64_t unix_ahead_ns;        /* of the clock of the day, at the turn's beginning */
    int64_t cpu_ns, uncounted_ns; /* this thread's CPU time when it was last read; short resumes
                                     since */
    int64_t callbacks_ns;         /* taken by callbacks in this turn of the loop */
    uint64_t wakings, outcomes, births;
    int64_t started_ns;         /* of the run that began last */
    uint32_t running_near;      /* its last slot in the crash table */
    unsigned woken_in_a_row;    /* resumes since a job of the line was started */
    unsigned steps_left;        /* resumes until it looks at the loop and the mailbox again */
    uint64_t section_allocated; /* vm.allocated_bytes and */
    size_t section_bytes;       /* vm.bytes when this section began */
    int64_t brief_cpu_ns;       /* until then, by this thread's CPU time, and */
    int64_t brief_wall_ns;      /* until then, monotonic, what is brief may run */
    uint64_t stepped_bytes;     /* vm.allocated_bytes at the last idle step of the collector */
    struct run *hoarder;        /* is to be killed for its memory */
    bool brief;                 /* in a brief section */
    bool reported_full;         /* the engine knows that it is to be replaced */
    struct job *starting;       /* out of the line, but not among `runs` yet */
    bool starting_cancelled, stopping, exiting;
    bool gave_way; /* the last resume ended with its slice: look at the loop */
    bool alone; /* woke by itself: the engine may be asleep, not looking at what is left for it */
    uint64_t shown;        /* serial of the stacks shown last */
    size_t n_followed;     /* runs whose log is followed */
    int64_t follow_due_ns; /* when what one printed may be shown; INT64_MAX: nothing waits */
    struct kept *kept;
};

/* worker.c */
void worker_take_messages(struct worker *w);

/* worker_sleep.c */
int worker_open_loop(struct worker *w, struct neap_error *err); /* if it is not */
void worker_close_loop(struct worker *w);
void worker_sleep(struct worker *w); /* if there is nothing to do; and a turn of the loop */
void worker_poke(void *worker);      /* any thread: out of the loop */

/* worker_runs.c */
struct run *run_new(struct worker *w); /* among `runs`. NULL: no memory for a coroutine */
void run_again(struct run *run);       /* for its next job, in the same coroutine */
void run_drop_more(struct run *run);
bool run_is_spent(const struct worker *w, const struct run *run); /* not fit for another job */
void run_recycle(struct worker *w, struct run *run);
void fiber_recycle(struct worker *w, struct side_fiber *side);
void worker_free_runs(struct worker *w);

/* worker_end.c */
void run_settle(struct run *run, int kind); /* its outcome, unless it has one; then unwind it */
void run_timed_out(struct run *run, lua_State *L); /* settles; L: where it was, or NULL */
void run_drop_children(struct run *run);
void run_unwind(struct worker *w, struct run *run);
void run_finish(struct worker *w, struct run *run);
void run_conclude(struct worker *w, struct run *run); /* all of that but to recycle it, at once */
void fiber_unwind(struct worker *w, struct fiber *fiber);
void worker_turn_away(struct worker *w, struct job *job, int kind, bool no_task);
void worker_stop_runs(struct worker *w);
void worker_cancel(struct worker *w, uint64_t id);
void worker_kill_late(struct worker *w); /* waiting runs past their deadline */
/* Jobs out of the line that have not started: empties the list; all of them. */
void worker_give_back(struct worker *w, struct list *jobs);
void worker_give_back_all(struct worker *w);

/* worker_step.c */
bool worker_step(struct worker *w); /* one resume; false: nothing to run */
bool worker_has_work(const struct worker *w);
void fiber_release_plugin(struct worker *w, struct fiber *fiber); /* it is not preempted any more */

/* worker_wait.c */
void fiber_make_ready(struct worker *w, struct fiber *fiber);
void run_rests(struct run *run); /* after a fiber's end: do the others only wait? */
void fiber_detach(struct worker *w, struct fiber *fiber); /* from whatever it waits for */
void worker_wake_sleepers(struct worker *w);
void worker_take_answer(struct worker *w, struct call *call);

/* worker_interrupt.c */
int worker_interrupted(struct vm *vm, lua_State *L);
void section_enter(struct worker *w, struct run *run); /* a resume of it; NULL: of no job */
void worker_allow(struct worker *w, int64_t cpu_ns);   /* what is brief from now on may take that */
/* One that nothing preempts and that ends after so much CPU time: an unwinding of `run`; a teardown
 * or a callback of the loop (NULL, or the job it belongs to). */
void section_enter_brief(struct worker *w, struct run *run, int64_t cpu_ns);
void section_leave(struct worker *w); /* sets w->lost if it was abandoned: then return at once */

/* worker_submit.c */
void worker_give_back_places(struct worker *w); /* at the end of a section, if it has some */

/* worker_memory.c */
void worker_relieve(struct worker *w, lua_State *L); /* past the soft limit; from a hook of L */
void worker_watch_memory(struct worker *w);
void worker_kill_hoarder(struct worker *w); /* between two resumes */

/* worker_callback.c */
void worker_run_callbacks(struct worker *w); /* of luv, put off while their plugin was taken */

/* worker_show.c */
void worker_show_stacks(struct worker *w, lua_State *L, uint64_t id, uint64_t serial);
void worker_show_from_hook(struct worker *w, lua_State *L);
void worker_show_printed(struct worker *w); /* at the end of a turn */
void worker_follow_run(struct worker *w, const struct worker_note *note);
void worker_unfollow(struct worker *w, struct run *run); /* it ends */

/* op.c */
void ops_stop(struct run *run, const struct fiber *fiber); /* all of the job's, with NULL */
void kept_close(struct worker *w);

#endif
