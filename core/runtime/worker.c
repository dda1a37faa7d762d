#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/thread.h"
#include "model/config.h"
#include "runtime/coro.h"
#include "runtime/interrupt.h"
#include "runtime/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_STEPS 64                 /* resumes between two looks at the loop and the mailbox */
#define STACK_BYTES (8 * 1024 * 1024) /* whatever the host's limit is */

/* --- what others may ask ---------------------------------------------------------------------- */

struct line *worker_line(struct worker *worker)
{
    return &worker->line;
}

bool worker_hungry(const struct worker *worker)
{
    return atomic_load(&worker->pulse.idle); /* in order with the engine's own sleep */
}

bool worker_is_new(const struct worker *worker)
{
    return !worker->running;
}

int64_t worker_inside_since_ns(const struct worker *worker, uint64_t *job)
{
    const struct pulse *p = &worker->pulse;
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    *job = pulse_is_in(state) ? atomic_load_explicit(&p->job, memory_order_relaxed) : 0;
    return atomic_load_explicit(&p->entered_ns, memory_order_relaxed);
}

void worker_urge(struct worker *worker, int rank)
{
    struct pulse *p = &worker->pulse;
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    if (!pulse_is_in(state) || atomic_load_explicit(&p->priority, memory_order_relaxed) >= rank)
        return;
    atomic_store_explicit(&p->urgent, true, memory_order_relaxed);
    interrupt_send(p, state);
}

uint64_t worker_preemptions(const struct worker *worker)
{
    return atomic_load_explicit(&worker->pulse.preemptions, memory_order_relaxed);
}

size_t worker_blocked(const struct worker *worker)
{
    return atomic_load_explicit(&worker->pulse.n_blocked, memory_order_relaxed);
}

void worker_share(struct worker *worker)
{
    atomic_store_explicit(&worker->pulse.share, true, memory_order_relaxed);
}

void worker_stop_job(struct worker *worker, uint64_t id)
{
    struct pulse *p = &worker->pulse;
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    if (id == 0)
        atomic_store_explicit(&p->stop, true, memory_order_relaxed);
    else if (atomic_load_explicit(&p->job, memory_order_relaxed) == id)
        atomic_store_explicit(&p->cancel, id, memory_order_relaxed);
    else
        return;
    if (pulse_is_in(state))
        interrupt_send(p, state);
}

bool worker_abandon(struct worker *worker, uint64_t section, uint64_t *job)
{
    *job = atomic_load_explicit(&worker->pulse.job, memory_order_relaxed);
    if (!pulse_abandon(&worker->pulse, section))
        return false;
    monitor_unwatch(worker->env->monitor, &worker->pulse);
    return true;
}

struct lane *worker_lane(struct worker *worker)
{
    return &worker->lane;
}

const struct worker_env *worker_env(const struct worker *worker)
{
    return worker->env;
}

struct catalogue *worker_catalogue(const struct worker *worker)
{
    return worker->catalogue;
}

struct pool_cache *worker_cache(struct worker *worker)
{
    return &worker->cache;
}

struct vm *worker_vm(struct worker *worker)
{
    return &worker->vm;
}

struct entries *worker_entries(struct worker *worker)
{
    return &worker->entries;
}

struct run *run_check(lua_State *L, const char *name)
{
    struct vm *vm = vm_of(L);
    if (vm->loading)
        vm_check_acting(L, name);
    if (!vm->run)
        luaL_error(L, "%s can be called in a job only", name);
    if (worker_is_lost(vm->worker)) { /* C code came back too late and calls on */
        vm->doomed = true;
        coro_quit(L);
    }
    return vm->run;
}

bool worker_is_lost(const struct worker *worker)
{
    return pulse_lost(&worker->pulse);
}

/* --- messages --------------------------------------------------------------------------------- */

/* Given up, it only takes what must not get lost: nothing of Lua runs in it any more. */
static bool is_refused(const struct worker *w, int kind)
{
    return w->lost && kind >= WORKER_CANCEL && kind != WORKER_ERRAND;
}

static void take_message(struct worker *w, struct message *message)
{
    struct worker_note *note = (struct worker_note *)message;
    if (is_refused(w, message->kind)) {
        free(message);
        return;
    }
    switch (message->kind) {
    case WORKER_CATALOGUE: {
        struct catalogue_note *news = (struct catalogue_note *)message;
        catalogue_unref(w->catalogue);
        w->catalogue = news->catalogue;
        atomic_store_explicit(&w->pulse.serial, w->catalogue->serial, memory_order_relaxed);
        if (!w->lost)
            entries_sweep(&w->entries, &w->vm, w->catalogue);
        break;
    }
    case WORKER_CANCEL:
        worker_cancel(w, note->id);
        break;
    case WORKER_STACKS:
        worker_show_stacks(w, NULL, note->id, note->serial);
        break;
    case WORKER_FOLLOW:
        worker_follow_run(w, note);
        break;
    case WORKER_EXIT:
        w->exiting = true;
        worker_stop_runs(w);
        break;
    case WORKER_STOP:
        worker_stop_runs(w);
        break;
    case WORKER_ERRAND: {
        struct worker_errand *errand = (struct worker_errand *)message;
        errand->run(errand, w);
        return;
    }
    default:
        worker_take_answer(w, (struct call *)message);
        return;
    }
    free(message);
}

void worker_take_messages(struct worker *w)
{
    struct list messages;
    list_init(&messages);
    mailbox_drain(&w->mailbox, &messages);
    for (struct list *at; (at = list_shift(&messages));)
        take_message(w, LIST_ENTRY(at, struct message, link));
}

void worker_leave(struct worker *w, struct message *message)
{
    lane_put(&w->lane, message);
}

void worker_tell(struct worker *w, struct message *message)
{
    lane_put(&w->lane, message);
    mailbox_post(w->env->engine, message);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void look_at_clocks(struct worker *w)
{
    w->now_ns = clock_mono_ns();
    w->unix_ahead_ns = clock_read_ns(CLOCK_REALTIME) - w->now_ns;
}

static void turn(struct worker *w)
{
    worker_wake_sleepers(w);
    worker_kill_late(w);
    if (atomic_load_explicit(&w->pulse.share, memory_order_relaxed))
        worker_give_back_all(w);
    w->gave_way = false;
    w->steps_left = TURN_STEPS;
    while (w->steps_left > 0 && !w->gave_way && !w->lost && worker_step(w))
        if (w->hoarder && !w->lost)
            worker_kill_hoarder(w);
    if (!w->lost)
        worker_run_callbacks(w);
    if (!w->lost)
        worker_show_printed(w);
}

static bool is_done(const struct worker *w)
{
    return w->lost || (w->exiting && !worker_has_work(w));
}

/* Abandoned: the C code came back after all. Its jobs are the engine's by now; what they had open
 * is closed, nothing of theirs runs any more. */
static void give_up(struct worker *w)
{
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));)
        ops_stop(run, NULL);
}

static void say_gone(struct worker *w)
{
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = ENGINE_WORKER_GONE;
    note->worker = w;
    mailbox_post(w->env->engine, &note->message);
}

static void take_over(struct worker *w, struct tried *tried)
{
    vm_move(&w->vm, &tried->vm);
    w->vm.loading = false;
    entries_take(&w->entries, &w->vm, tried->plugin, tried->table_ref);
    plugin_unref(tried->plugin);
    free(tried);
}

/* As wherever memory of ours ends (base/mem.c). Scripts that do not start are found by staging. */
static void open_state(struct worker *w)
{
    struct neap_error err;
    struct tried *tried = tried_take(w->env->tried, w->catalogue, w->strict, w->env->preloads);
    if (tried) {
        take_over(w, tried);
    } else if (vm_init(&w->vm, false, &err)) {
        fprintf(stderr, "neap: %s\n", err.message);
        abort();
    }
    w->vm.strict = w->strict;
    w->vm.worker = w;
    w->vm.preloads = w->env->preloads;
    w->vm.interrupted = worker_interrupted;
    w->vm.soft_bytes = w->memory_bytes;
    w->stepped_bytes = w->vm.allocated_bytes;
    w->vm.limit_bytes = w->memory_bytes * 2; /* for one giant block, or C that goes on and on */
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    thread_be_prompt();
    open_state(w);
    w->vm.stack = __builtin_frame_address(0);
    w->pulse.thread = pthread_self();
    interrupt_thread(&w->vm, &w->pulse);
    atomic_store(&w->pulse.idle, false); /* not before: what is in its line stays there */
    monitor_watch(w->env->monitor, &w->pulse);
    for (;;) {
        look_at_clocks(w);
        worker_take_messages(w);
        if (is_done(w))
            break;
        turn(w);
        if (!w->lost)
            worker_sleep(w);
    }
    if (w->lost)
        give_up(w);
    else
        entries_close(&w->entries, &w->vm); /* runs teardowns: here, they hold up nobody else */
    if (!w->lost)                           /* in one of those, either */
        monitor_unwatch(w->env->monitor, &w->pulse);
    interrupt_thread(NULL, NULL);
    kept_close(w);
    if (w->looping)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    say_gone(w);
    return NULL;
}

struct worker *worker_new(const struct worker_env *env, const struct config_pool *pool,
                          struct catalogue *catalogue)
{
    struct worker *w = mem_zero(1, sizeof *w);
    w->strict = pool->strict;
    w->env = env;
    pool_cache_init(&w->cache, env->pool);
    w->exit = gates_take_exit(env->gates);
    w->catalogue = catalogue_ref(catalogue);
    atomic_init(&w->pulse.serial, catalogue->serial);
    atomic_init(&w->pulse.bytes, w->vm.bytes);
    w->follow_due_ns = INT64_MAX;
    entries_init(&w->entries);
    list_init(&w->free_fibers);
    w->memory_bytes = (size_t)pool->memory_bytes;
    w->pulse.slice_ns = pool->slice_us * 1000;
    atomic_init(&w->pulse.patience_ns, w->pulse.slice_ns);
    w->pulse.owner = w;
    w->pulse.fenced = fence_known();
    atomic_init(&w->pulse.idle, true);
    line_init(&w->line);
    mailbox_init(&w->mailbox, worker_poke, w);
    lane_init(&w->lane);
    return w;
}

static int start(struct worker *w, struct neap_error *err)
{
    w->running = true;
    const int failed = thread_start(&w->thread, STACK_BYTES, worker_main, w);
    if (!failed)
        return NEAP_OK;
    w->running = false;
    return error_set(err, NEAP_EIO, "cannot start a worker thread: %s", strerror(failed));
}

int worker_wake(struct worker *w, struct neap_error *err)
{
    if (!w->running)
        return start(w, err);
    /* Sequentially consistent, as is line_put before it: either this sees hungry or the worker sees
     * the line. */
    if (atomic_load(&w->pulse.idle)) {
        mailbox_nudge(&w->mailbox);
        monitor_rouse(w->env->monitor); /* after that, so the worker need not before the job */
    }
    return NEAP_OK;
}

/* One without a thread has nothing that a message could change but its catalogue. */
void worker_post(struct worker *w, struct message *message)
{
    if (w->running) {
        mailbox_post(&w->mailbox, message);
        return;
    }
    take_message(w, message);
    if (w->exiting)
        say_gone(w);
}

void worker_note(struct worker *worker, int kind, uint64_t id)
{
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = kind;
    note->id = id;
    worker_post(worker, &note->message);
}

/* On the engine's thread, the worker's own having ended. */
static void release(struct worker *w)
{
    if (w->lost)
        entries_abandon(&w->entries, &w->vm);
    else
        entries_close(&w->entries, &w->vm);
    worker_free_runs(w); /* a ctx that a task kept may point to one until here */
    vm_close(&w->vm);
    ranks_close(&w->sleepers);
    ranks_close(&w->deadlines);
    ranks_close(&w->woken);
    ranks_close(&w->preempted);
    worker_close_loop(w);
}

void worker_detach(struct worker *worker)
{
    pthread_detach(worker->thread);
}

void worker_join(struct worker *worker)
{
    if (worker->running) {
        pthread_join(worker->thread, NULL);
        worker_take_messages(worker);
        release(worker);
    }
    catalogue_unref(worker->catalogue);
    mailbox_close(&worker->mailbox);
    lane_close(&worker->lane);
    pool_cache_close(&worker->cache);
    gates_give_exit(worker->env->gates, worker->exit);
    free(worker);
}
