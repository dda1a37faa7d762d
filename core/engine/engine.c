#include "engine/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "engine/engine_state.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_TURN_MS 5 /* while a worker computes, outcomes it left without a nudge are looked for this often */

static const struct store_limits KEEP = {
    .completed = 100000,
    .dead = 100000,
    .bytes = 64 * 1024 * 1024,
    .completed_ms = INT64_C(24) * 60 * 60 * 1000,
    .dead_ms = INT64_C(30) * 24 * 60 * 60 * 1000,
};

void engine_log(struct engine *e, int level, const struct job *job, const char *format, ...)
{
    const struct worker_env *env = e->env.worker;
    char text[1024];
    if (!env->log || level < atomic_load_explicit(&env->log_level, memory_order_relaxed))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct neap_log_record record = {
        .level = level, .time_ms = e->now_ms, .text = text, .text_len = strlen(text)};
    if (job) {
        record.job = job->id;
        record.parent = job->parent;
        record.task = job->task->text;
        record.attempt = job->attempt;
    }
    env->log(env->log_user, &record);
}

double engine_random(struct engine *e) /* xorshift64*: Vigna 2016 */
{
    e->random ^= e->random >> 12;
    e->random ^= e->random << 25;
    e->random ^= e->random >> 27;
    return (double)((e->random * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

/* --- messages ----------------------------------------------------------------------------------- */

static void take_catalogue(struct engine *e, struct catalogue_note *note)
{
    catalogue_unref(e->catalogue);
    e->catalogue = note->catalogue;
    e->publications++;
    free(note);
    queues_follow(e);
    jobs_unhold(e);
    pools_publish(e);
}

static void take_progress(struct engine *e, struct progress *progress)
{
    struct job *job = e->ops->get(e->store, progress->id);
    if (job && job->claim) {
        free(job->claim->progress_text);
        job->claim->progress = progress->fraction;
        job->claim->progress_text = progress->text;
        progress->text = NULL;
    }
    free(progress->text);
    free(progress);
}

static void take_message(struct engine *e, struct message *message)
{
    switch (message->kind) {
    case ENGINE_SUBMIT:
        job_accept(e, (struct job *)message);
        break;
    case ENGINE_OUTCOME:
        job_outcome(e, (struct outcome *)message);
        break;
    case ENGINE_PROGRESS:
        take_progress(e, (struct progress *)message);
        break;
    case ENGINE_CATALOGUE:
        take_catalogue(e, (struct catalogue_note *)message);
        break;
    case ENGINE_WORKER_GONE:
        list_push(&e->gone, &message->link); /* once the answers to it are sent */
        break;
    case ENGINE_STOP:
        e->stopping = e->draining = true;
        free(message);
        break;
    default:
        call_take(e, (struct call *)message);
    }
}

/* --- schedules ---------------------------------------------------------------------------------- */

static void run_schedule(struct engine *e, struct schedule *schedule)
{
    const struct config_schedule *plan = schedule->plan;
    const struct task_name *name = names_find(e->env.worker->names, plan->task);
    const struct task_info *info = name ? catalogue_task(e->catalogue, name) : NULL;
    if (!info) {
        engine_log(e, NEAP_ERROR, NULL, "schedule %s: no such task: %s", plan->name, plan->task);
        return;
    }
    const struct job *last = schedule->last_job ? e->ops->get(e->store, schedule->last_job) : NULL;
    if (!plan->overlap && last && last->state != NEAP_COMPLETED && last->state != NEAP_DEAD &&
        last->state != NEAP_CANCELLED) {
        engine_log(e, NEAP_WARN, NULL, "schedule %s: skipped, its last job has not ended", plan->name);
        return;
    }
    if (!gate_enter(info->gate)) {
        engine_log(e, NEAP_ERROR, NULL, "schedule %s: skipped, queue %s is full", plan->name, info->gate->name);
        atomic_fetch_add(&info->gate->rejected, 1);
        return;
    }
    struct job *job = job_new(plan->args, plan->args_len);
    job->id = id_next(e->env.worker->ids, e->now_ms);
    job->task = info->name;
    job->gate = info->gate;
    job->priority = info->priority;
    job->submitted_ms = e->now_ms;
    schedule->last_job = job->id;
    job_accept(e, job);
}

static void run_schedules(struct engine *e)
{
    for (struct schedule *due; !e->draining && (due = schedules_due(&e->schedules, e->now_ms));)
        run_schedule(e, due);
}

/* --- the turn ----------------------------------------------------------------------------------- */

static void send_answers(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->answers));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        call->done(call);
    }
    if (!list_empty(&e->deliveries))
        e->env.deliver(e->env.user, &e->deliveries);
}

static void join_gone(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->gone));) {
        struct worker_note *note = (struct worker_note *)LIST_ENTRY(at, struct message, link);
        pools_gone(e, note->worker);
        free(note);
    }
}

static void commit(struct engine *e)
{
    struct neap_error err;
    if (e->ops->commit(e->store, &err) == NEAP_OK && !e->failed)
        return;
    e->failed = true;
    if (e->env.fatal)
        e->env.fatal(e->env.user, err.message);
}

static void turn(struct engine *e)
{
    struct list messages;
    list_init(&messages);
    mailbox_drain(&e->mailbox, &messages);
    e->now_ms = clock_unix_ms();
    for (struct list *at; (at = list_shift(&messages));)
        take_message(e, LIST_ENTRY(at, struct message, link));
    run_schedules(e);
    index_promote(e->ops->index(e->store), e->now_ms);
    jobs_expire(e);
    calls_expire(e);
    queues_turn(e);
    calls_turn(e);
    dispatch(e);
    commit(e);
    send_answers(e);
    join_gone(e);
    e->ops->prune(e->store, e->now_ms);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_ms(const struct engine *e)
{
    int64_t next = index_next_due_ms(e->ops->index(e->store));
    next = least(next, schedules_next_ms(&e->schedules));
    next = least(next, queues_next_ms(e));
    if (heap_min(&e->timers))
        next = least(next, heap_min(&e->timers)->key);
    if (heap_min(&e->expiries))
        next = least(next, heap_min(&e->expiries)->key);
    if (e->drain_call)
        next = least(next, e->drain_until_ms);
    if (pools_busy(e))
        next = least(next, clock_unix_ms() + BUSY_TURN_MS);
    return next;
}

static void sleep_until(struct engine *e, int64_t at_ms)
{
    if (at_ms == INT64_MAX) {
        mailbox_wait(&e->mailbox, INT64_MAX);
        return;
    }
    const int64_t now_ns = clock_read_ns(CLOCK_REALTIME);
    int64_t left_ns = at_ms > INT64_MAX / 1000000 ? INT64_MAX / 4 : at_ms * 1000000 - now_ns;
    const int64_t longest_ns = INT64_C(60) * 1000000000; /* look again: the clock may be set */
    left_ns = left_ns < 0 ? 0 : least(left_ns, longest_ns);
    mailbox_wait(&e->mailbox, clock_mono_ns() + left_ns);
}

/* --- life --------------------------------------------------------------------------------------- */

static bool workers_left(const struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++)
        if (!list_empty(&e->pools[i].members))
            return true;
    return false;
}

static void *engine_main(void *arg)
{
    struct engine *e = arg;
    while (!e->stopping) {
        turn(e);
        if (!e->stopping)
            sleep_until(e, next_ms(e));
    }
    dispatch_recall_all(e);
    pools_note_all(e, WORKER_EXIT);
    while (workers_left(e)) {
        turn(e);
        if (workers_left(e))
            mailbox_wait(&e->mailbox, INT64_MAX);
    }
    calls_close(e);
    send_answers(e);
    return NULL;
}

int engine_new(struct engine **out, const struct engine_env *env, struct config *config,
               struct catalogue *catalogue, struct neap_error *err)
{
    struct engine *e = mem_zero(1, sizeof *e);
    e->env = *env;
    e->ops = env->store;
    const int rc = e->ops->open(&e->store, "", &KEEP, err);
    if (rc) {
        free(e);
        return rc;
    }
    mailbox_init(&e->mailbox, NULL, NULL);
    env->worker->engine = &e->mailbox;
    atomic_init(&env->worker->serial, catalogue->serial);
    e->config = config_ref(config);
    e->catalogue = catalogue_ref(catalogue);
    e->waiters = waiters_new();
    list_init(&e->idle_calls);
    list_init(&e->deliveries);
    list_init(&e->answers);
    list_init(&e->gone);
    e->now_ms = e->started_ms = clock_unix_ms();
    e->random = (uint64_t)clock_mono_ns() | 1;
    queues_follow(e);
    schedules_follow(&e->schedules, e->config, e->now_ms);
    *out = e;
    return NEAP_OK;
}

int engine_start(struct engine *engine, struct neap_error *err)
{
    int rc = pools_open(engine, err);
    if (rc)
        return rc; /* engine_free stops the workers that did start */
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    const int failed = pthread_create(&engine->thread, NULL, engine_main, engine);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed)
        return error_set(err, NEAP_EIO, "cannot start the engine's thread: %s", strerror(failed));
    engine->started = true;
    return NEAP_OK;
}

struct mailbox *engine_mailbox(struct engine *engine)
{
    return &engine->mailbox;
}

static void drop_message(struct message *message)
{
    if (message->kind == ENGINE_SUBMIT)
        job_free((struct job *)message);
    else if (message->kind == ENGINE_CATALOGUE)
        catalogue_unref(((struct catalogue_note *)message)->catalogue);
    if (message->kind != ENGINE_SUBMIT)
        free(message);
}

static void drop_messages(struct engine *e)
{
    struct list messages;
    list_init(&messages);
    mailbox_drain(&e->mailbox, &messages);
    for (struct list *at; (at = list_shift(&messages));)
        drop_message(LIST_ENTRY(at, struct message, link));
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    struct engine *e = engine;
    if (e->started) {
        struct message *stop = mem_zero(1, sizeof *stop);
        stop->kind = ENGINE_STOP;
        mailbox_post(&e->mailbox, stop);
        pthread_join(e->thread, NULL);
    } else if (e->pools) { /* some workers started, the engine did not: it stops them from here */
        e->stopping = true;
        engine_main(e);
    }
    drop_messages(e);
    for (struct list *at; (at = list_shift(&e->deliveries));)
        delivery_free(LIST_ENTRY(at, struct delivery, link));
    for (struct heap_node *node; (node = heap_pop(&e->expiries));)
        free(HEAP_ENTRY(node, struct expiry, node));
    pools_close(e);
    waiters_free(e->waiters);
    queues_close(e);
    schedules_close(&e->schedules);
    e->ops->close(e->store);
    heap_close(&e->timers);
    heap_close(&e->expiries);
    catalogue_unref(e->catalogue);
    config_unref(e->config);
    mailbox_close(&e->mailbox);
    free(e->held);
    free(e->tasks);
    free(e);
}
