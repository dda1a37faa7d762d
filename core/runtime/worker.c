#include "runtime/worker_run.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/entry.h"
#include "runtime/job_main.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#define TURN_STEPS 64       /* resumes between two looks at the loop and the mailbox */
#define NUDGE_OUTCOMES 32   /* outcomes left in the engine's mailbox before it is woken for them */
#define FREE_RUNS_MAX 4096  /* coroutines kept for reuse */

/* Owner: its own thread. The engine touches `line`, `mailbox`, `wake` and `hungry`, which are made for that. */
struct worker {
    const struct worker_env *env;
    struct catalogue *catalogue;
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    struct mailbox mailbox;
    struct line line;
    atomic_bool hungry; /* sleeps with nothing to run: set before it looks at the line for the last time */
    struct vm vm;
    struct entries entries;
    struct list runs, free_runs;
    size_t n_runs, n_free;
    struct heap sleepers; /* by monotonic ns */
    struct heap ready;    /* woken runs by priority, then in order of waking */
    uint64_t wakings, outcomes;
    bool stopping, exiting;
};

/* --- what others may ask ---------------------------------------------------------------------- */

struct line *worker_line(struct worker *worker)
{
    return &worker->line;
}

void worker_wake(struct worker *worker)
{
    /* Sequentially consistent, as is line_put before it: either this sees hungry or the worker sees the line. */
    if (atomic_load(&worker->hungry))
        uv_async_send(&worker->wake);
}

bool worker_hungry(const struct worker *worker)
{
    return atomic_load_explicit(&worker->hungry, memory_order_acquire);
}

void worker_post(struct worker *worker, struct message *message)
{
    mailbox_post(&worker->mailbox, message);
}

void worker_note(struct worker *worker, int kind, uint64_t id)
{
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = kind;
    note->id = id;
    worker_post(worker, &note->message);
}

const struct worker_env *worker_env(const struct worker *worker)
{
    return worker->env;
}

struct catalogue *worker_catalogue(const struct worker *worker)
{
    return worker->catalogue;
}

struct vm *worker_vm(struct worker *worker)
{
    return &worker->vm;
}

struct entries *worker_entries(struct worker *worker)
{
    return &worker->entries;
}

static void take_messages(struct worker *w);

/* --- runs ------------------------------------------------------------------------------------- */

static int new_thread(lua_State *L) /* 1: a place for it (light) */
{
    struct run *run = lua_touserdata(L, 1);
    run->co = lua_newthread(L);
    run->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static struct run *run_new(struct worker *w)
{
    struct list *free_one = list_shift(&w->free_runs);
    if (free_one) {
        w->n_free--;
        return LIST_ENTRY(free_one, struct run, link);
    }
    struct run *run = mem_zero(1, sizeof *run);
    run->worker = w;
    lua_pushcfunction(w->vm.L, new_thread);
    lua_pushlightuserdata(w->vm.L, run);
    if (lua_pcall(w->vm.L, 1, 0, 0) != LUA_OK) {
        lua_pop(w->vm.L, 1);
        free(run);
        return NULL;
    }
    return run;
}

static void run_free(struct run *run)
{
    luaL_unref(run->worker->vm.L, LUA_REGISTRYINDEX, run->co_ref);
    buf_close(&run->result);
    buf_close(&run->log);
    buf_close(&run->line);
    free(run);
}

static void run_recycle(struct worker *w, struct run *run)
{
    if (w->n_free < FREE_RUNS_MAX || run->asked) {
        w->n_free++;
        list_push(&w->free_runs, &run->link);
    } else {
        run_free(run);
    }
}

/* --- the end of an attempt -------------------------------------------------------------------- */

static void post_outcome(struct worker *w, struct outcome *outcome)
{
    outcome->message.kind = ENGINE_OUTCOME;
    outcome->worker = w;
    mailbox_leave(w->env->engine, &outcome->message);
    if (++w->outcomes % NUDGE_OUTCOMES == 0)
        mailbox_nudge(w->env->engine);
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

static void finish(struct worker *w, struct run *run)
{
    struct outcome *outcome = outcome_new(run->job, run->kind);
    run_print(run, NULL, 0); /* a last line without newline */
    outcome->after_ms = run->after_ms;
    outcome->generation = run->entry ? run->entry->loaded->plugin->generation : 0;
    outcome->started_ms = run->started_ms;
    outcome->run_us = (clock_mono_ns() - run->started_ns) / 1000;
    outcome->wait_us = run->wait_us;
    outcome->error = run->error;
    if (run->kind == OUTCOME_COMPLETED && run->has_result) {
        outcome->result_len = (uint32_t)run->result.len;
        outcome->result = mem_copy(run->result.data, run->result.len);
    }
    if (run->log.len) {
        outcome->log_len = (uint32_t)run->log.len;
        outcome->log = buf_take(&run->log);
    }
    give_children(run, outcome);
    if (run->entry)
        entry_release(&w->entries, &w->vm, run->entry, w->catalogue);
    if (run->answer)
        call_free(run->answer);
    list_remove(&run->link);
    w->n_runs--;
    run->serial++;
    run->answer = NULL;
    run->entry = NULL;
    run->error = NULL;
    run->job = NULL;
    run_recycle(w, run);
    post_outcome(w, outcome);
}

/* --- running ---------------------------------------------------------------------------------- */

/* Ends a run from outside: its coroutines are unwound, innermost first. */
static void unwind(struct worker *w, struct run *run)
{
    run->ended = run->closing = true;
    if (run->timer.pos)
        heap_remove(&w->sleepers, &run->timer);
    if (run->ready.pos)
        heap_remove(&w->ready, &run->ready);
    w->vm.run = run;
    coro_reset(run->co);
    w->vm.run = NULL;
    finish(w, run);
}

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
    run->bytes += w->vm.allocated_bytes - before;
    w->vm.run = NULL;
    w->vm.parking = false;
    if (status == LUA_OK) {
        finish(w, run);
    } else if (status == LUA_YIELD && !run->ended) {
        run->state = RUN_WAITING;
    } else {
        if (!run->ended) /* job_main catches all: only the lack of memory for its own frame gets here */
            job_main_failed(run, "error", "out of memory", NULL);
        unwind(w, run);
    }
}

static void start(struct worker *w, struct job *job)
{
    const int64_t now_ms = clock_unix_ms();
    if (atomic_load_explicit(&w->env->serial, memory_order_relaxed) != w->catalogue->serial)
        take_messages(w); /* generations only go up: the newest may be on its way here */
    atomic_store_explicit(&job->started, true, memory_order_relaxed);
    if (!(job->flags & JOB_ON_DEAD) && gate_leave(job->gate))
        mailbox_nudge(w->env->engine);
    const struct task_info *info = catalogue_task(w->catalogue, job->task);
    struct run *run = info && !w->stopping ? run_new(w) : NULL;
    const bool expired = job->expires_ms && job->expires_ms <= now_ms;
    if (!run || expired) {
        struct outcome *outcome =
            outcome_new(job, expired ? OUTCOME_CANCELLED : OUTCOME_HANDED_BACK);
        outcome->no_task = !expired && !info;
        if (run)
            run_recycle(w, run);
        post_outcome(w, outcome);
        return;
    }
    run->job = job;
    run->fresh = true;
    run->ended = run->closing = run->in_args = run->has_result = false;
    run->kind = OUTCOME_FAILED;
    run->after_ms = 0;
    run->result.len = run->log.len = run->line.len = 0;
    run->started_ms = now_ms;
    run->started_ns = clock_mono_ns();
    run->wait_us = (now_ms - job->available_ms) * 1000;
    run->bytes = 0;
    list_init(&run->children);
    list_push(&w->runs, &run->link);
    w->n_runs++;
    run->entry = entries_find(&w->entries, info);
    if (run->entry) {
        entry_use(run->entry);
        entry_switch(&w->vm, run->entry);
    }
    resume(w, run);
}

static void make_ready(struct worker *w, struct run *run)
{
    run->ready.key = -run->job->priority;
    run->ready.tie = ++w->wakings;
    heap_push(&w->ready, &run->ready);
}

/* One resume: the most urgent of the woken and the line, the woken first among equals. False: nothing to run. */
static bool step(struct worker *w)
{
    const struct heap_node *woken = heap_min(&w->ready);
    struct job *job = line_take(&w->line, woken ? (int)-woken->key + 1 : INT8_MIN);
    if (job) {
        start(w, job);
        return true;
    }
    if (!woken)
        return false;
    resume(w, HEAP_ENTRY(heap_pop(&w->ready), struct run, ready));
    return true;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* uv_run looks at its timers before it polls: one that fired there must keep it from sleeping on. */
static void on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void wake_sleepers(struct worker *w)
{
    if (!w->sleepers.len)
        return;
    const int64_t now_ns = clock_mono_ns();
    for (struct heap_node *node; (node = heap_min(&w->sleepers)) && node->key <= now_ns;) {
        heap_pop(&w->sleepers);
        make_ready(w, HEAP_ENTRY(node, struct run, timer));
    }
}

static void arm_timer(struct worker *w)
{
    const struct heap_node *first = heap_min(&w->sleepers);
    if (!first) {
        uv_timer_stop(&w->timer);
        return;
    }
    const int64_t left_ns = first->key - clock_mono_ns();
    uv_update_time(&w->loop);
    uv_timer_start(&w->timer, on_timer, left_ns > 0 ? (uint64_t)(left_ns + 999999) / 1000000 : 0, 0);
}

static int resumed(lua_State *L)
{
    struct run *run = vm_of(L)->run;
    if (run->ended) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return 2;
    }
    return run->then(L);
}

static int park(lua_State *L, struct run *run, lua_CFunction then)
{
    run->then = then;
    return coro_park(L, resumed);
}

/* In its own __close, a job that has ended gets an answer at once; elsewhere waiting must be possible. */
static bool may_wait(lua_State *L, struct run *run)
{
    if (run->ended) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return false;
    }
    return coro_waitable(L);
}

static int cannot_wait(lua_State *L, struct run *run)
{
    return run->ended ? 2 : luaL_error(L, "cannot wait here: inside a function that C called (a sort comparator, a gsub "
                                          "callback, a metamethod of such) or a closing coroutine");
}

int run_sleep(lua_State *L, struct run *run, int64_t ms, lua_CFunction then)
{
    struct worker *w = run->worker;
    if (!may_wait(L, run))
        return cannot_wait(L, run);
    run->serial++;
    run->timer.key = clock_mono_ns() + (ms > INT64_MAX / 2000000 ? INT64_MAX / 2 : ms * 1000000);
    run->timer.tie = ++w->wakings;
    heap_push(&w->sleepers, &run->timer);
    return park(L, run, then);
}

int run_park(lua_State *L, struct run *run, lua_CFunction then)
{
    if (!may_wait(L, run))
        return cannot_wait(L, run);
    return park(L, run, then);
}

void run_wake(struct run *run, uint64_t serial)
{
    if (run->job && run->serial == serial && run->state == RUN_WAITING && !run->ready.pos)
        make_ready(run->worker, run);
}

static void answered(struct call *call) /* on the engine's thread */
{
    struct run *run = call->owner;
    worker_post(run->worker, &call->message);
}

struct call *run_call_new(struct run *run, int kind, uint64_t id)
{
    struct call *call = mem_zero(1, sizeof *call);
    call->message.kind = kind;
    call->id = id;
    call->deadline_ms = INT64_MAX;
    call->owner = run;
    call->done = answered;
    return call;
}

void call_free(struct call *call)
{
    buf_close(&call->reply);
    free(call->error);
    if (call->job && call->rc != NEAP_OK)
        job_free(call->job);
    free(call);
}

int run_ask(lua_State *L, struct run *run, struct call *call, lua_CFunction then)
{
    if (!may_wait(L, run)) {
        call->rc = NEAP_ECLOSED;
        call_free(call);
        return cannot_wait(L, run);
    }
    if (run->answer)
        call_free(run->answer);
    run->answer = NULL;
    call->serial = ++run->serial;
    run->asked++;
    mailbox_post(run->worker->env->engine, &call->message);
    return park(L, run, then);
}

int run_end(lua_State *L, struct run *run, int kind)
{
    if (!run->ended) {
        run->kind = kind;
        run->ended = true;
    }
    return coro_quit(L);
}

struct run *run_check(lua_State *L, const char *name)
{
    struct vm *vm = vm_of(L);
    vm_check_acting(L, name);
    if (!vm->run)
        luaL_error(L, "%s can be called in a job only", name);
    return vm->run;
}

/* --- messages --------------------------------------------------------------------------------- */

static void take_answer(struct call *call)
{
    struct run *run = call->owner;
    run->asked--;
    if (run->job && run->serial == call->serial && run->state == RUN_WAITING) {
        run->answer = call;
        make_ready(run->worker, run);
    } else {
        call_free(call);
    }
}

static struct run *find_run(struct worker *w, uint64_t id)
{
    for (struct list *at = w->runs.next; at != &w->runs; at = at->next)
        if (LIST_ENTRY(at, struct run, link)->job->id == id)
            return LIST_ENTRY(at, struct run, link);
    return NULL;
}

static void stop_runs(struct worker *w)
{
    w->stopping = true;
    while (!list_empty(&w->runs)) {
        struct run *run = LIST_ENTRY(w->runs.next, struct run, link);
        run->kind = OUTCOME_HANDED_BACK;
        unwind(w, run);
    }
    mailbox_nudge(w->env->engine);
}

static void cancel_run(struct worker *w, uint64_t id)
{
    struct run *run = find_run(w, id);
    if (!run)
        return;
    run->kind = OUTCOME_CANCELLED;
    unwind(w, run);
    mailbox_nudge(w->env->engine);
}

static void take_message(struct worker *w, struct message *message)
{
    struct worker_note *note = (struct worker_note *)message;
    switch (message->kind) {
    case WORKER_CATALOGUE: {
        struct catalogue_note *news = (struct catalogue_note *)message;
        catalogue_unref(w->catalogue);
        w->catalogue = news->catalogue;
        entries_sweep(&w->entries, &w->vm, w->catalogue);
        break;
    }
    case WORKER_CANCEL:
        cancel_run(w, note->id);
        break;
    case WORKER_EXIT:
        w->exiting = true;
        stop_runs(w);
        break;
    case WORKER_STOP:
        stop_runs(w);
        break;
    default:
        take_answer((struct call *)message);
        return;
    }
    free(message);
}

static void take_messages(struct worker *w)
{
    struct list messages;
    list_init(&messages);
    mailbox_drain(&w->mailbox, &messages);
    for (struct list *at; (at = list_shift(&messages));)
        take_message(w, LIST_ENTRY(at, struct message, link));
}

/* --- the thread ------------------------------------------------------------------------------- */

static bool something_to_run(const struct worker *w)
{
    return heap_min(&w->ready) || line_length(&w->line);
}

/* Sleeps unless something came between the last look and now (see worker_wake). */
static void sleep_or_poll(struct worker *w)
{
    bool idle = !something_to_run(w);
    if (idle) {
        atomic_store(&w->hungry, true);
        idle = !line_length(&w->line);
        if (idle) {
            mailbox_nudge(w->env->engine);
            lua_gc(w->vm.L, LUA_GCSTEP, 0);
        }
    }
    arm_timer(w);
    uv_run(&w->loop, idle ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    atomic_store_explicit(&w->hungry, false, memory_order_relaxed);
}

static void on_wake(uv_async_t *handle)
{
    (void)handle; /* the loop turns, that is all */
}

static void poke(void *worker)
{
    uv_async_send(&((struct worker *)worker)->wake);
}

static void release(struct worker *w)
{
    for (struct list *at; (at = list_shift(&w->free_runs));)
        run_free(LIST_ENTRY(at, struct run, link));
    entries_close(&w->entries, &w->vm);
    vm_close(&w->vm);
    catalogue_unref(w->catalogue);
    heap_close(&w->sleepers);
    heap_close(&w->ready);
    uv_close((uv_handle_t *)&w->wake, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    for (;;) {
        take_messages(w);
        if (w->exiting && !line_length(&w->line))
            break;
        wake_sleepers(w);
        for (int i = 0; i < TURN_STEPS && step(w); i++)
            ;
        sleep_or_poll(w);
    }
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = ENGINE_WORKER_GONE;
    note->worker = w;
    mailbox_post(w->env->engine, &note->message);
    return NULL;
}

int worker_start(struct worker **out, const struct worker_env *env, struct catalogue *catalogue,
                 struct neap_error *err)
{
    struct worker *w = mem_zero(1, sizeof *w);
    int rc = vm_init(&w->vm, false, err);
    if (rc) {
        free(w);
        return rc;
    }
    w->vm.worker = w;
    w->env = env;
    w->catalogue = catalogue_ref(catalogue);
    entries_init(&w->entries);
    list_init(&w->runs);
    list_init(&w->free_runs);
    line_init(&w->line);
    uv_loop_init(&w->loop);
    uv_async_init(&w->loop, &w->wake, on_wake);
    uv_timer_init(&w->loop, &w->timer);
    mailbox_init(&w->mailbox, poke, w);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* the thread inherits it: signals are the host's */
    const int failed = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed) {
        release(w);
        mailbox_close(&w->mailbox);
        free(w);
        return error_set(err, NEAP_EIO, "cannot start a worker thread: %s", strerror(failed));
    }
    *out = w;
    return NEAP_OK;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
    take_messages(worker);
    release(worker);
    mailbox_close(&worker->mailbox);
    free(worker);
}
