/* How jobs end: by themselves, cancelled, past their deadline, handed back; and their outcomes on
 * the way to the engine. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "parts/running.h"
#include "runtime/coro.h"
#include "runtime/interrupt.h"
#include "runtime/job_main.h"

#include <stdlib.h>
#include <string.h>

#define CLOSE_NS                                                                                   \
    INT64_C(40000000)     /* CPU time for what a kill closes where it raises, and once more */
#define NUDGE_OUTCOMES 32 /* outcomes left with the engine before it is woken for them */

/* --- outcomes --------------------------------------------------------------------------------- */

static void post_outcome(struct worker *w, struct outcome *outcome)
{
    outcome->worker = w;
    worker_leave(w, &outcome->message);
    if (w->alone || ++w->outcomes % NUDGE_OUTCOMES == 0)
        mailbox_hint(w->env->engine);
    w->alone = false; /* from now it looks by itself, until this worker is idle again */
}

/* Those of ctx:submit, which need the attempt to complete. */
void run_drop_children(struct run *run)
{
    for (struct list *at; (at = list_shift(&run->more->children));) {
        struct job *child = LIST_ENTRY(at, struct job, message.link);
        gate_leave(child->gate);
        job_free(&run_worker(run)->cache, child);
    }
}

static void add_more(struct worker *w, struct run *run, struct outcome *outcome)
{
    struct run_more *more = run->more;
    if (more->line.len)
        run_print(run, NULL, 0); /* a last line without newline */
    worker_unfollow(w, run);
    struct outcome_more *out = outcome_more(outcome);
    outcome->error = more->error;
    more->error = NULL;
    out->after_ms = more->after_ms;
    out->printed = more->printed;
    if (more->log.len) {
        out->log_len = (uint32_t)more->log.len;
        out->log = buf_take(&more->log);
    }
    if (run->kind == OUTCOME_COMPLETED)
        list_splice(&out->children, &more->children);
}

static struct outcome *outcome_of(struct worker *w, struct run *run)
{
    struct outcome *outcome = outcome_new(&w->cache, run->job, run->kind);
    outcome->generation = run->entry ? run->entry->loaded->plugin->generation : 0;
    outcome->started_ms = run->job->running_since_ms;
    outcome->run_us = (w->now_ns - run->started_ns) / 1000;
    outcome->wait_us = (run->job->running_since_ms - run->job->available_ms) * 1000;
    outcome->bytes = run->bytes;
    outcome->cpu_us = run->cpu_ns / 1000;
    if (run->kind == OUTCOME_COMPLETED && run->main.holds == HOLDS_RESULT) {
        outcome->result_len = run->result_len;
        outcome->result = run->main.result;
        run->main.holds = HOLDS_NOTHING;
    }
    if (run->more)
        add_more(w, run, outcome);
    return outcome;
}

/* An error that nobody looked at does not pass for success. */
static void look_at_stray(struct run *run)
{
    if (!run->more->n_stray || run->kind != OUTCOME_COMPLETED)
        return;
    char *text = mem_format("an async function failed and nobody waited for it: %s",
                            run->more->stray ? run->more->stray : "");
    job_main_failed(run, "error", text, NULL);
    free(text);
}

void run_conclude(struct worker *w, struct run *run)
{
    if (run->more)
        look_at_stray(run);
    struct outcome *outcome = outcome_of(w, run);
    if (w->env->running)
        running_end(w->env->running, run->job->running_slot);
    fiber_let_go(w, &run->main);
    if (run->deadline.pos)
        ranks_remove(&w->deadlines, &run->deadline);
    if (w->hoarder == run)
        w->hoarder = NULL;
    if (run->more)
        run_drop_more(run);
    run->main.serial++;
    run->entry = NULL;
    run->job = NULL;
    worker_watch_memory(w);
    post_outcome(w, outcome);
}

/* All its fibers but the main one are gone, and that has ended. */
void run_finish(struct worker *w, struct run *run)
{
    struct entry *entry = run->entry;
    run_conclude(w, run);
    run_recycle(w, run);
    if (entry)
        entry_release(&w->entries, &w->vm, entry, w->catalogue);
}

/* --- unwinding -------------------------------------------------------------------------------- */

/* Its coroutines, innermost first. */
static void reset(struct worker *w, struct fiber *fiber)
{
    w->vm.fiber = fiber;
    coro_reset(fiber->co);
    w->vm.fiber = NULL;
}

static void detach_all(struct worker *w, struct run *run)
{
    for (struct fiber *fiber = &run->main; fiber; fiber = fiber_after(fiber))
        fiber_detach(w, fiber);
    ops_stop(run, NULL);
}

/* Ends a run from outside. Fibers of neap.async first, the youngest first; what they open in their
 * last moments is stopped as well. */
void run_unwind(struct worker *w, struct run *run)
{
    run->ended = run->closing = true;
    detach_all(w, run);
    if (run->entry)
        entry_switch(&w->vm, run->entry);
    section_enter_brief(w, run, CLOSE_NS);
    while (run_has_sides(run)) {
        struct side_fiber *side = LIST_ENTRY(run->more->sides.prev, struct side_fiber, link);
        reset(w, &side->fiber);
        fiber_recycle(w, side);
    }
    reset(w, &run->main);
    section_leave(w);
    if (w->lost)
        return;
    ops_stop(run, NULL);
    run_finish(w, run);
}

/* A fiber of neap.async, alone. */
void fiber_unwind(struct worker *w, struct fiber *fiber)
{
    struct run *run = fiber_run(fiber);
    fiber->ended = fiber->closing = true;
    fiber_detach(w, fiber);
    ops_stop(run, fiber);
    entry_switch(&w->vm, run->entry);
    section_enter_brief(w, run, CLOSE_NS);
    reset(w, fiber);
    section_leave(w);
    if (w->lost)
        return;
    ops_stop(run, fiber);
    fiber_recycle(w, fiber_side(fiber));
    run_rests(run);
}

void run_settle(struct run *run, int kind)
{
    if (run->ended)
        return;
    run->kind = kind;
    run->ended = true;
    worker_allow(run_worker(run), CLOSE_NS);
}

void run_timed_out(struct run *run, lua_State *L)
{
    if (run->ended)
        return;
    const double limit_s = (double)(run->deadline.key - run->started_ns) / 1e9;
    char *text = mem_format("timeout: the attempt did not end within %gs", limit_s);
    job_main_failed(run, "timeout", text, L ? vm_traceback_text(L) : NULL);
    free(text);
    run_settle(run, OUTCOME_FAILED);
}

void worker_kill_late(struct worker *w)
{
    for (struct rank *first;
         !w->lost && (first = ranks_min(&w->deadlines)) && first->key <= w->now_ns;) {
        struct run *run = RANK_ENTRY(first, struct run, deadline);
        run_timed_out(run, coro_innermost(run->main.co));
        run_unwind(w, run);
    }
}

/* --- told from outside ------------------------------------------------------------------------ */

/* A job out of the line that does not start here. */
void worker_turn_away(struct worker *w, struct job *job, int kind, bool no_task)
{
    atomic_store_explicit(&job->started, true, memory_order_relaxed);
    if (!(job->flags & JOB_ON_DEAD) && gate_leave_by(job->gate, w->exit))
        mailbox_nudge(w->env->engine);
    struct outcome *outcome = outcome_new(&w->cache, job, kind);
    outcome->no_task = no_task;
    post_outcome(w, outcome);
}

static void give_back(struct worker *w, struct job *job)
{
    atomic_fetch_sub_explicit(&w->pulse.n_blocked, 1, memory_order_relaxed);
    job->message.kind = ENGINE_GIVEN_BACK;
    mailbox_leave(w->env->engine, &job->message);
}

void worker_give_back(struct worker *w, struct list *jobs)
{
    if (list_empty(jobs))
        return;
    for (struct list *at; (at = list_shift(jobs));)
        give_back(w, LIST_ENTRY(at, struct job, message.link));
    mailbox_nudge(w->env->engine);
}

void worker_give_back_all(struct worker *w)
{
    atomic_store_explicit(&w->pulse.share, false, memory_order_relaxed);
    for (struct list *at = w->entries.loaded.next; at != &w->entries.loaded; at = at->next)
        worker_give_back(w, &LIST_ENTRY(at, struct loaded, link)->blocked_jobs);
}

void worker_stop_runs(struct worker *w)
{
    w->stopping = true;
    worker_give_back_all(w);
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; !w->lost && (run = run_walk(&walk));) {
        run_settle(run, OUTCOME_HANDED_BACK);
        run_unwind(w, run);
    }
    mailbox_nudge(w->env->engine);
}

/* The engine knows that it is cancelled: to give it back is enough. */
static bool cancel_blocked(struct worker *w, uint64_t id)
{
    for (struct list *at = w->entries.loaded.next; at != &w->entries.loaded; at = at->next) {
        struct list *jobs = &LIST_ENTRY(at, struct loaded, link)->blocked_jobs;
        for (struct list *it = jobs->next; it != jobs; it = it->next) {
            if (LIST_ENTRY(it, struct job, message.link)->id != id)
                continue;
            list_remove(it);
            give_back(w, LIST_ENTRY(it, struct job, message.link));
            return true;
        }
    }
    return false;
}

void worker_cancel(struct worker *w, uint64_t id)
{
    if (w->starting && w->starting->id == id)
        w->starting_cancelled = true;
    if (cancel_blocked(w, id)) {
        mailbox_nudge(w->env->engine);
        return;
    }
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));) {
        if (run->job->id != id ||
            run->job->flags & JOB_ON_DEAD) /* that is over: on_dead is not meant */
            continue;
        run_settle(run, OUTCOME_CANCELLED);
        run_unwind(w, run);
        if (!w->lost)
            mailbox_nudge(w->env->engine);
        return;
    }
}
