/* Running jobs: out of the line, onto a coroutine, and their outcomes back to the engine. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/job_main.h"

#include <stdlib.h>

#define WOKEN_IN_A_ROW                                                                             \
    64 /* woken jobs resumed before one of the line with the same priority has its turn */
#define NUDGE_OUTCOMES 32       /* outcomes left with the engine before it is woken for them */
#define FREE_RUNS_MAX 4096      /* coroutines kept for reuse */
#define SPENT_BYTES (4 << 20)   /* a job that allocated more takes its coroutine along, see below */
#define KEPT_BUFFER_BYTES 16384 /* a larger buffer is not kept for the next job */

/* --- runs ------------------------------------------------------------------------------------- */

static int new_thread(lua_State *L) /* 1: the run it is for (light) */
{
    struct run *run = lua_touserdata(L, 1);
    run->co = lua_newthread(L);
    run->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static void keep_free(struct worker *w, struct run *run)
{
    if (run->co) { /* the one used last is next: it is still in the cache */
        w->n_free++;
        list_insert(w->free_runs.next, &run->link);
    } else {
        list_push(&w->free_runs, &run->link);
    }
}

/* Runs are not freed before the worker is: a ctx, an answer on its way or a job's place among those
 * that wait for a setup may still point to one. */
static struct run *run_new(struct worker *w)
{
    struct list *first = list_shift(&w->free_runs);
    struct run *run = first ? LIST_ENTRY(first, struct run, link) : mem_zero(1, sizeof *run);
    if (!first)
        run->worker = w; /* else an answer on its way to the last job reads it just now */
    if (run->co) {
        w->n_free--;
        return run;
    }
    lua_State *L = w->vm.L;
    lua_pushcfunction(L, new_thread);
    lua_pushlightuserdata(L, run);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return run;
    lua_pop(L, 1);
    run->co = NULL;
    keep_free(w, run);
    return NULL;
}

static void drop_coroutine(struct run *run)
{
    luaL_unref(run->worker->vm.L, LUA_REGISTRYINDEX, run->co_ref);
    run->co = NULL;
}

/* After a stack overflow a coroutine keeps many records of calls, and Lua frees every other one:
 * what is left lies scattered, and the next deep recursion on it takes three times as long. */
static void run_recycle(struct worker *w, struct run *run)
{
    if (run->result.cap > KEPT_BUFFER_BYTES)
        buf_close(&run->result);
    if (w->n_free >= FREE_RUNS_MAX || run->bytes > SPENT_BYTES) {
        drop_coroutine(run);
        buf_close(&run->result);
        buf_close(&run->line);
    }
    keep_free(w, run);
}

void worker_free_runs(struct worker *w)
{
    for (struct list *at; (at = list_shift(&w->free_runs));) {
        struct run *run = LIST_ENTRY(at, struct run, link);
        if (run->co)
            drop_coroutine(run);
        buf_close(&run->result);
        buf_close(&run->log);
        buf_close(&run->line);
        free(run);
    }
}

/* --- the end of an attempt -------------------------------------------------------------------- */

static void post_outcome(struct worker *w, struct outcome *outcome)
{
    outcome->message.kind = ENGINE_OUTCOME;
    outcome->worker = w;
    mailbox_leave(w->env->engine, &outcome->message);
    if (w->alone || ++w->outcomes % NUDGE_OUTCOMES == 0)
        mailbox_nudge(w->env->engine);
    w->alone = false; /* from now it looks by itself, until this worker is hungry again */
}

static struct outcome *outcome_new(struct job *job, int kind)
{
    struct outcome *outcome = mem_zero(1, sizeof *outcome);
    outcome->job = job;
    outcome->kind = kind;
    list_init(&outcome->children);
    return outcome;
}

static void give_children(struct run *run, struct outcome *outcome)
{
    if (run->kind == OUTCOME_COMPLETED) {
        list_splice(&outcome->children, &run->children);
        return;
    }
    for (struct list *at; (at = list_shift(&run->children));) {
        struct job *child = LIST_ENTRY(at, struct job, message.link);
        gate_leave(child->gate);
        job_free(child);
    }
}

static struct outcome *outcome_of(struct run *run)
{
    struct outcome *outcome = outcome_new(run->job, run->kind);
    outcome->after_ms = run->after_ms;
    outcome->generation = run->entry ? run->entry->loaded->plugin->generation : 0;
    outcome->started_ms = run->started_ms;
    outcome->run_us = (run->worker->now_ns - run->started_ns) / 1000;
    outcome->wait_us = run->wait_us;
    outcome->bytes = run->bytes;
    outcome->error = run->error;
    if (run->kind == OUTCOME_COMPLETED && run->has_result) {
        outcome->result_len = (uint32_t)run->result.len;
        outcome->result = mem_copy(run->result.data, run->result.len);
    }
    run_print(run, NULL, 0); /* a last line without newline */
    if (run->log.len) {
        outcome->log_len = (uint32_t)run->log.len;
        outcome->log = buf_take(&run->log);
    }
    give_children(run, outcome);
    return outcome;
}

static void finish(struct worker *w, struct run *run)
{
    struct outcome *outcome = outcome_of(run);
    struct entry *entry = run->entry;
    if (run->answer)
        call_free(run->answer);
    list_remove(&run->link);
    run->serial++;
    run->answer = NULL;
    run->entry = NULL;
    run->error = NULL;
    run->job = NULL;
    run_recycle(w, run);
    if (entry)
        entry_release(&w->entries, &w->vm, entry, w->catalogue);
    post_outcome(w, outcome);
}

/* Ends a run from outside: its coroutines are unwound, innermost first. */
static void unwind(struct worker *w, struct run *run)
{
    run->ended = run->closing = true;
    if (run->timer.pos)
        heap_remove(&w->sleepers, &run->timer);
    if (run->ready.pos)
        heap_remove(&w->ready, &run->ready);
    if (run->entry)
        entry_switch(&w->vm, run->entry);
    w->vm.run = run;
    coro_reset(run->co);
    w->vm.run = NULL;
    finish(w, run);
}

void worker_stop_runs(struct worker *w)
{
    w->stopping = true;
    while (!list_empty(&w->runs)) {
        struct run *run = LIST_ENTRY(w->runs.next, struct run, link);
        run->kind = OUTCOME_HANDED_BACK;
        unwind(w, run);
    }
    mailbox_nudge(w->env->engine);
}

void worker_cancel(struct worker *w, uint64_t id)
{
    if (w->starting && w->starting->id == id)
        w->starting_cancelled = true;
    for (struct list *at = w->runs.next; at != &w->runs; at = at->next) {
        struct run *run = LIST_ENTRY(at, struct run, link);
        if (run->job->id != id ||
            run->job->flags & JOB_ON_DEAD) /* that is over: on_dead is not meant */
            continue;
        run->kind = OUTCOME_CANCELLED;
        unwind(w, run);
        mailbox_nudge(w->env->engine);
        return;
    }
}

/* --- running ---------------------------------------------------------------------------------- */

static void resume(struct worker *w, struct run *run)
{
    int count;
    if (run->fresh) {
        run->fresh = false;
        lua_settop(run->co, 0);
        lua_pushcfunction(run->co, job_main);
    } else {
        entry_switch(&w->vm, run->entry);
    }
    run->state = RUN_ON;
    w->vm.run = run;
    const uint64_t before = w->vm.allocated_bytes;
    const int status = lua_resume(run->co, w->vm.L, 0, &count);
    atomic_store_explicit(&w->steps, atomic_load_explicit(&w->steps, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    run->bytes += w->vm.allocated_bytes - before;
    w->now_ns = clock_mono_ns();
    const bool parked = status == LUA_YIELD && w->vm.parking;
    w->vm.run = NULL;
    w->vm.parking = false;
    if (status == LUA_OK) {
        finish(w, run);
    } else if (parked && !run->ended) {
        run->state = RUN_WAITING;
    } else {
        if (run->ended) /* settled by ctx:fail and the like */
            ;
        else if (status == LUA_YIELD)
            job_main_failed(run, "error", "a C function yielded outside of any coroutine", NULL);
        else /* job_main catches all: only the lack of memory for its own frame gets here */
            job_main_failed(run, "memory", "not enough memory", NULL);
        unwind(w, run);
    }
}

/* A job that does not start: its task is gone, the worker stops, it expired or was cancelled. */
static bool turned_away(struct worker *w, struct job *job, const struct task_info *info,
                        int64_t now_ms)
{
    const bool expired = job->expires_ms && job->expires_ms <= now_ms;
    const bool cancelled = expired || w->starting_cancelled;
    if (!cancelled && info && !w->stopping)
        return false;
    struct outcome *outcome = outcome_new(job, cancelled ? OUTCOME_CANCELLED : OUTCOME_HANDED_BACK);
    outcome->no_task = !cancelled && !info;
    post_outcome(w, outcome);
    return true;
}

static void run_init(struct worker *w, struct run *run, struct job *job, int64_t now_ms)
{
    run->job = job;
    run->fresh = true;
    run->ended = run->closing = run->in_args = run->has_result = false;
    run->kind = OUTCOME_FAILED;
    run->after_ms = 0;
    run->result.len = run->log.len = run->line.len = 0;
    run->started_ms = now_ms;
    run->started_ns = w->now_ns;
    run->wait_us = (now_ms - job->available_ms) * 1000;
    run->progress_ms = 0;
    run->bytes = 0;
    list_init(&run->children);
    list_push(&w->runs, &run->link);
}

/* No job starts before the engine saw that it is due: its clock may be ahead of what was read here
 * before the last job. */
static int64_t started_ms(const struct worker *w, const struct job *job)
{
    const int64_t now_ms = (w->now_ns + w->unix_ahead_ns) / 1000000;
    return now_ms > job->available_ms ? now_ms : job->available_ms;
}

static void start(struct worker *w, struct job *job)
{
    const int64_t now_ms = started_ms(w, job);
    w->starting = job;
    w->starting_cancelled = false;
    if (atomic_load_explicit(&w->env->serial, memory_order_relaxed) != w->catalogue->serial)
        worker_take_messages(w); /* generations only go up: the newest may be on its way here */
    w->starting = NULL;
    atomic_store_explicit(&job->started, true, memory_order_relaxed);
    if (!(job->flags & JOB_ON_DEAD) && gate_leave(job->gate))
        mailbox_nudge(w->env->engine);
    const struct task_info *info = catalogue_task(w->catalogue, job->task);
    if (turned_away(w, job, info, now_ms))
        return;
    struct run *run = run_new(w);
    if (!run) {
        post_outcome(w, outcome_new(job, OUTCOME_HANDED_BACK));
        return;
    }
    run_init(w, run, job, now_ms);
    run->entry = entries_find(&w->entries, info);
    if (run->entry) {
        entry_use(run->entry);
        entry_switch(&w->vm, run->entry);
    }
    resume(w, run);
}

/* The most urgent of the woken and the line. Among equals the woken go first, but not for ever:
 * jobs that look every few ms whether something has come would keep out the very one they wait for.
 */
bool worker_step(struct worker *w)
{
    const struct heap_node *woken = heap_min(&w->ready);
    const int ahead = w->woken_in_a_row < WOKEN_IN_A_ROW;
    struct job *job = line_take(&w->line, woken ? (int)-woken->key + ahead : INT8_MIN);
    if (job) {
        w->woken_in_a_row = 0;
        start(w, job);
        return true;
    }
    if (!woken)
        return false;
    w->woken_in_a_row++;
    resume(w, HEAP_ENTRY(heap_pop(&w->ready), struct run, ready));
    return true;
}
