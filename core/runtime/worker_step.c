/* What runs next, and for how long: jobs out of the line, fibers whose wait is over, fibers that
 * gave way at the end of their slice.
 *
 * Per priority the woken go first, then one queue of new and preempted ones, in order of their
 * time. A preempted fiber keeps its plugin: until it waits or ends, no other job of that plugin
 * runs in this state, so its variables do not change under it. What comes up meanwhile is set
 * aside. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "parts/running.h"
#include "runtime/coro.h"
#include "runtime/job_main.h"

#include <limits.h>

#define WOKEN_IN_A_ROW                                                                             \
    64 /* woken fibers resumed before one of the queue with the same priority has its turn */
#define NOBODY INT_MIN
#define ON_DEAD_MS 60000 /* deadline of an on_dead whose task has none */

/* --- whose plugin is taken -------------------------------------------------------------------- */

static bool is_set_aside(const struct fiber *fiber)
{
    const struct fiber *holder = fiber_run(fiber)->entry->loaded->holder;
    return holder && holder != fiber;
}

void fiber_release_plugin(struct worker *w, struct fiber *fiber)
{
    const struct entry *entry = fiber_run(fiber)->entry;
    struct loaded *loaded = entry ? entry->loaded : NULL;
    if (!loaded || loaded->holder != fiber)
        return;
    loaded->holder = NULL;
    for (struct rank *first; (first = ranks_pop(&loaded->blocked));) {
        struct fiber *other = RANK_ENTRY(first, struct fiber, turn);
        other->aside = false;
        ranks_push(other->state == FIBER_PREEMPTED ? &w->preempted : &w->woken, &other->turn);
    }
    worker_give_back(w, &loaded->blocked_jobs); /* others may be more urgent by now */
}

/* The first that may run; the others before it are set aside, with their turn. */
static struct fiber *first_free(struct ranks *ranks)
{
    for (struct rank *first; (first = ranks_min(ranks));) {
        struct fiber *fiber = RANK_ENTRY(first, struct fiber, turn);
        if (!is_set_aside(fiber))
            return fiber;
        ranks_pop(ranks);
        fiber->aside = true;
        ranks_push(&fiber_run(fiber)->entry->loaded->blocked, first);
    }
    return NULL;
}

/* NULL: not loaded, or no such task. */
static struct entry *entry_of(const struct worker *w, const struct task_info *info)
{
    return info ? entries_find(&w->entries, info) : NULL;
}

/* True: the job's plugin is taken, so it waits for that. */
static bool set_job_aside(struct worker *w, struct job *job, const struct entry *entry)
{
    if (!entry || !entry->loaded->holder)
        return false;
    atomic_fetch_add_explicit(&w->pulse.n_blocked, 1, memory_order_relaxed);
    list_push(&entry->loaded->blocked_jobs, &job->message.link);
    return true;
}

/* --- resuming --------------------------------------------------------------------------------- */

static void give_way(struct worker *w, struct fiber *fiber)
{
    const struct run *run = fiber_run(fiber);
    atomic_fetch_add_explicit(&w->pulse.preemptions, 1, memory_order_relaxed);
    fiber->state = FIBER_PREEMPTED;
    fiber->turn.key = turn_key(run->job->priority, ++w->wakings);
    fiber->turn.note = line_tail(&w->line);
    ranks_push(&w->preempted, &fiber->turn);
    if (!run->entry->info->reentrant)
        run->entry->loaded->holder = fiber;
    w->gave_way = true;
}

static void watch_deadline(struct worker *w, struct run *run)
{
    if (run->deadline.key == INT64_MAX || run->deadline.pos)
        return;
    ranks_push(&w->deadlines, &run->deadline);
}

/* It gave the thread back without being done. */
static void stopped(struct worker *w, struct fiber *fiber, int status, bool parked)
{
    struct run *run = fiber_run(fiber);
    if (parked && !run->ended && !fiber->ended) {
        watch_deadline(w, run);
        if (fiber->state == FIBER_PREEMPTED) {
            give_way(w, fiber);
            return;
        }
        fiber->state = FIBER_WAITING;
        fiber_release_plugin(w, fiber);
        return;
    }
    if (fiber->ended && !run->ended) {
        fiber_unwind(w, fiber);
        return;
    }
    if (run->ended) /* settled by ctx:fail and the like */
        ;
    else if (status == LUA_YIELD)
        job_main_failed(run, "error", "a C function yielded outside of any coroutine", NULL);
    else /* job_main catches all: only the lack of memory for its own frame gets here */
        job_main_failed(run, "memory", "not enough memory", NULL);
    run_unwind(w, run);
}

static void ended(struct worker *w, struct fiber *fiber)
{
    struct run *run = fiber_run(fiber);
    fiber_release_plugin(w, fiber);
    ops_stop(run, fiber);
    if (fiber->side) {
        fiber_recycle(w, fiber_side(fiber));
        run_rests(run);
    } else if (run_has_sides(run) || run_ops(run)) {
        run->ended = true; /* the outcome stands; what it left behind is unwound */
        run_unwind(w, run);
    } else {
        run_finish(w, run);
    }
}

static void enter(struct worker *w, struct fiber *fiber)
{
    struct run *run = fiber_run(fiber);
    if (run->entry)
        entry_switch(&w->vm, run->entry);
    fiber->fresh = false;
    fiber->state = FIBER_ON;
    w->vm.fiber = fiber;
    section_enter(w, run);
}

static void resume(struct worker *w, struct fiber *fiber)
{
    struct run *run = fiber_run(fiber);
    if (fiber->ended) { /* killed while it waited */
        fiber_unwind(w, fiber);
        return;
    }
    const int args = fiber->fresh ? lua_gettop(fiber->co) - 1 : 0;
    enter(w, fiber);
    const int status = coro_run(fiber->co, w->vm.L, args);
    if (!w->lost && run->job)
        section_leave(w);
    if (w->lost)
        return;
    const bool parked = status == LUA_YIELD && w->vm.parking;
    w->vm.fiber = NULL;
    w->vm.parking = false;
    if (!run->job) { /* worker_next has ended it */
        run_recycle(w, run);
        return;
    }
    if (status == LUA_OK && (!fiber->side || !run->ended))
        ended(w, fiber);
    else
        stopped(w, fiber, status, parked);
}

/* --- starting --------------------------------------------------------------------------------- */

/* No job starts before the engine saw that it is due: its clock may be ahead of what was read here
 * before the last job. */
static int64_t started_ms(const struct worker *w, const struct job *job)
{
    const int64_t now_ms = (w->now_ns + w->unix_ahead_ns) / 1000000;
    return now_ms > job->available_ms ? now_ms : job->available_ms;
}

/* A job that does not start: its task is gone, the worker stops, it expired or was cancelled. */
static bool turned_away(struct worker *w, struct job *job, const struct task_info *info)
{
    const int64_t expires_ms = job_terms(job)->expires_ms;
    const bool expired = expires_ms && expires_ms <= started_ms(w, job);
    const bool cancelled = expired || w->starting_cancelled;
    w->starting_cancelled = false;
    if (!cancelled && info && !w->stopping)
        return false;
    worker_turn_away(w, job, cancelled ? OUTCOME_CANCELLED : OUTCOME_HANDED_BACK,
                     !cancelled && !info);
    return true;
}

static void run_init(struct worker *w, struct run *run, struct job *job,
                     const struct task_info *info)
{
    int64_t limit_ms = catalogue_timeout(info, job);
    if (limit_ms == 0 && job->flags & JOB_ON_DEAD)
        limit_ms = ON_DEAD_MS;
    run->job = job;
    run->deadline.note = job->attempt;
    run->ended = run->closing = run->in_args = false;
    run->slotless = run->returning = run->late = false;
    run->kind = OUTCOME_FAILED;
    w->started_ns = w->now_ns > w->started_ns ? w->now_ns : w->started_ns + 1;
    run->started_ns = w->started_ns;
    run->deadline.key = limit_ms ? w->started_ns + limit_ms * 1000000 : INT64_MAX;
    run->bytes = 0;
    run->net_bytes = run->cpu_ns = 0;
}

/* The job runs from here, as `run`, which is ready for it. */
static void begin(struct worker *w, struct run *run, struct job *job, const struct task_info *info,
                  struct entry *entry)
{
    if (w->env->running)
        job->running_slot = w->running_near =
            running_begin(w->env->running, job->id, w->running_near);
    job->running_since_ms = started_ms(w, job);
    /* Release: who sees it sees both. */
    atomic_store_explicit(&job->started, true, memory_order_release);
    if (!(job->flags & JOB_ON_DEAD) && gate_leave_by(job->gate, w->exit))
        mailbox_nudge(w->env->engine);
    run_init(w, run, job, info);
    run->entry = entry;
    if (entry)
        entry_use(entry);
}

/* Generations only go up: the newest may be on its way here. */
static bool catalogue_is_old(const struct worker *w)
{
    return atomic_load_explicit(&w->env->serial, memory_order_relaxed) != w->catalogue->serial;
}

static void start(struct worker *w, struct job *job)
{
    w->starting = job;
    if (catalogue_is_old(w))
        worker_take_messages(w);
    w->starting = NULL;
    if (w->lost)
        return;
    const struct task_info *info = catalogue_task(w->catalogue, job->task);
    if (turned_away(w, job, info))
        return;
    struct run *run = run_new(w);
    if (!run) {
        worker_turn_away(w, job, OUTCOME_HANDED_BACK, false);
        return;
    }
    begin(w, run, job, info, entry_of(w, info));
    lua_pushcfunction(run->main.co, job_main);
    resume(w, &run->main);
}

/* --- the order -------------------------------------------------------------------------------- */

static struct job *take_job(struct worker *w, int priority)
{
    struct job *job = line_take(&w->line, priority);
    if (job && line_is_low(&w->line))
        mailbox_nudge(w->env->engine);
    return job;
}

/* True: something was done with it. */
static bool run_job(struct worker *w, int priority)
{
    struct job *job = take_job(w, priority);
    if (!job) /* the engine has just taken it back */
        return false;
    const struct task_info *info = catalogue_task(w->catalogue, job->task);
    if (set_job_aside(w, job, entry_of(w, info)))
        return true;
    w->woken_in_a_row = 0;
    start(w, job);
    return true;
}

/* Within the coroutine of a job no other is unwound, nothing is torn down, no message is taken. */
static bool can_go_on(const struct worker *w, const struct run *run)
{
    const struct loaded *loaded = run->entry ? run->entry->loaded : NULL;
    return loaded && loaded->current_in == w->catalogue->serial && loaded->holder != &run->main &&
           !run->ended && !run_has_sides(run) && !run_ops(run) && !run_is_spent(w, run) &&
           w->steps_left > 0 && !ranks_min(&w->woken) && !ranks_min(&w->preempted) && !w->hoarder &&
           !catalogue_is_old(w);
}

struct run *worker_next(struct run *run)
{
    struct worker *w = run_worker(run);
    struct entry *const last = run->entry;
    if (!can_go_on(w, run))
        return NULL;
    section_leave(w);
    if (w->lost)
        return NULL;
    run_conclude(w, run);
    entry_release(&w->entries, &w->vm, last, w->catalogue);
    struct job *job = take_job(w, INT_MIN);
    if (!job)
        return NULL;
    if (catalogue_is_old(w)) {
        w->starting = job; /* worker_step goes on with it */
        return NULL;
    }
    const struct task_info *info = catalogue_task(w->catalogue, job->task);
    struct entry *entry = entry_of(w, info);
    if (set_job_aside(w, job, entry) || turned_away(w, job, info))
        return NULL;
    w->woken_in_a_row = 0;
    w->steps_left--;
    run_again(run);
    begin(w, run, job, info, entry);
    enter(w, &run->main);
    return run;
}

static int priority_of(const struct fiber *fiber)
{
    return fiber ? turn_priority(fiber->turn.key) : NOBODY;
}

static void run_fiber(struct worker *w, struct ranks *ranks, struct fiber *fiber)
{
    ranks_remove(ranks, &fiber->turn);
    resume(w, fiber);
}

/* Woken ones go first among equals, but not for ever: jobs that look every few ms whether something
 * has come would keep out the very one they wait for. */
bool worker_step(struct worker *w)
{
    uint32_t position = 0;
    int new_priority = NOBODY;
    w->steps_left--;
    if (w->starting) {
        start(w, w->starting);
        return true;
    }
    struct fiber *woken = first_free(&w->woken);
    struct fiber *preempted = first_free(&w->preempted);
    line_peek(&w->line, &new_priority, &position);
    const int again = priority_of(preempted);
    const bool new_first = new_priority > again || (new_priority == again && preempted &&
                                                    line_is_before(position, preempted->turn.note));
    const int queue = new_first ? new_priority : again;
    const int ahead = w->woken_in_a_row < WOKEN_IN_A_ROW;
    if (woken && priority_of(woken) + ahead > queue) {
        w->woken_in_a_row++;
        run_fiber(w, &w->woken, woken);
        return true;
    }
    if (queue == NOBODY)
        return false;
    if (new_first)
        return run_job(w, new_priority) || worker_has_work(w);
    w->woken_in_a_row = 0;
    run_fiber(w, &w->preempted, preempted);
    return true;
}

bool worker_has_work(const struct worker *w)
{
    return ranks_min(&w->woken) || ranks_min(&w->preempted) || line_length(&w->line);
}
