#include "engine/engine.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/lane.h"
#include "base/mem.h"
#include "base/thread.h"
#include "engine/engine_ask.h"
#include "engine/engine_schedules.h"
#include "model/json.h"
#include "parts/running.h"
#include "runtime/interrupt.h"
#include "runtime/monitor.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRUNE_LOOK_MS                                                                              \
    60000            /* how often records are looked at for their age, if nothing happens          \
                      */
#define PRUNED_MS 50 /* when what was forgotten is committed, if nothing else happens */

#define MESSAGES_AHEAD 8 /* of a lane: so far ahead they are fetched, */
#define JOBS_AHEAD 4     /* and their jobs */

#define KEEP_BYTES ((size_t)64 * 1024 * 1024) /* of ended jobs, in memory */

static struct store_limits limits_of(const struct config *config)
{
    return (struct store_limits){
        .completed = config->keep_completed.count,
        .dead = config->keep_dead.count,
        .bytes = KEEP_BYTES,
        .completed_ms = config->keep_completed.age_ms,
        .dead_ms = config->keep_dead.age_ms,
    };
}

void engine_set_limits(struct engine *e)
{
    const struct store_limits limits = limits_of(e->config);
    e->ops->limit(e->store, &limits);
}

static bool logs(const struct engine *e, int level)
{
    const struct worker_env *env = e->env.worker;
    return env->log && level >= atomic_load_explicit(&env->log_level, memory_order_relaxed);
}

static void log_text(struct engine *e, int level, const struct job *job, unsigned generation,
                     const char *fields, const char *text)
{
    struct neap_log_record record = {.level = level,
                                     .time_ms = e->now_ms,
                                     .text = text,
                                     .text_len = strlen(text),
                                     .fields = fields,
                                     .generation = generation};
    if (job) {
        record.job = job->id;
        record.parent = job->parent;
        record.task = job->task->text;
        record.attempt = job->attempt;
    }
    e->env.worker->log(e->env.worker->log_user, &record);
}

void engine_log(struct engine *e, int level, const struct job *job, const char *format, ...)
{
    char text[1024];
    if (!logs(e, level))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_text(e, level, job, 0, NULL, text);
}

void engine_log_failure(struct engine *e, int level, const struct job *job, unsigned generation,
                        const char *what)
{
    const char *traceback = job_left(job)->error ? job_left(job)->error->traceback : NULL;
    struct buf fields = {0};
    if (!logs(e, level))
        return;
    if (traceback) {
        buf_text(&fields, "{\"traceback\":");
        json_put_string(&fields, traceback, strlen(traceback));
        buf_byte(&fields, '}');
    }
    char *text =
        mem_format("%s: %s", what, job_left(job)->error ? job_left(job)->error->message : "failed");
    log_text(e, level, job, generation, traceback ? buf_string(&fields) : NULL, text);
    free(text);
    buf_close(&fields);
}

double engine_random(struct engine *e) /* xorshift64*: Vigna 2016 */
{
    e->random ^= e->random >> 12;
    e->random ^= e->random << 25;
    e->random ^= e->random >> 27;
    return (double)((e->random * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

/* --- messages -----------------------------------------------------------------------------------
 */

static void take_catalogue(struct engine *e, struct catalogue_note *note)
{
    claims_keep_retry(e, note->catalogue);
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
        struct claim_more *more = claim_more(job->claim);
        free(more->progress_text);
        more->progressed = progress->fraction >= 0;
        more->progress = progress->fraction;
        more->progress_text = progress->text;
        progress->text = NULL;
    }
    free(progress->text);
    free(progress);
}

static void take_worker_note(struct engine *e, struct worker_note *note)
{
    if (note->message.kind == ENGINE_WORKER_STUCK)
        worker_is_stuck(e, note->worker, note->id);
    else
        worker_is_full(e, note->worker);
    free(note);
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
    case ENGINE_SHOWN:
        looks_take(e, (struct shown *)message);
        break;
    case ENGINE_GIVEN_BACK:
        job_given_back(e, (struct job *)message);
        break;
    case ENGINE_CATALOGUE:
        take_catalogue(e, (struct catalogue_note *)message);
        break;
    case ENGINE_WORKER_GONE:
        list_push(&e->gone, &message->link); /* once the answers to it are sent */
        break;
    case ENGINE_WORKER_STUCK:
    case ENGINE_WORKER_FULL:
        take_worker_note(e, (struct worker_note *)message);
        break;
    case ENGINE_STOP:
        e->stopping = e->draining = true;
        free(message);
        break;
    default:
        call_take(e, (struct call *)message);
    }
}

/* --- the turn -----------------------------------------------------------------------------------
 */

/* Outcomes first: who is told that all jobs have ended finds them there. */
static void send_answers(struct engine *e)
{
    if (!list_empty(&e->deliveries) && !e->failed)
        e->env.deliver(e->env.user, &e->deliveries);
    if (e->failed)
        events_drop(e);
    else
        events_tell(e);
    for (struct list *at; (at = list_shift(&e->answers));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (e->failed && (call->rc == NEAP_OK || call->rc == NEAP_ENOENT))
            call->rc = NEAP_EIO; /* nobody knows what is on the disk, and what is not */
        call->done(call);
    }
}

static void join_gone(struct engine *e)
{
    for (struct list *at; (at = list_shift(&e->gone));) {
        struct worker_note *note = (struct worker_note *)LIST_ENTRY(at, struct message, link);
        pools_gone(e, note->worker);
        free(note);
    }
}

/* What a worker has written is in no cache of ours: the message, a job or an outcome, which begins
 * at a line and is two, */
FETCH_INLINE void fetch_message(struct message *const *span, unsigned count, unsigned at)
{
    if (at >= count)
        return;
    fetch_line(span[at]);
    fetch_line((const char *)span[at] + FETCH_LINE_BYTES);
}

/* and once that has come, the job that an outcome is of. */
FETCH_INLINE void fetch_job(struct message *const *span, unsigned count, unsigned at)
{
    if (at >= count || span[at]->kind != ENGINE_OUTCOME)
        return;
    const struct job *job = ((const struct outcome *)span[at])->job;
    job_fetch(job);
    fetch_line(&job->started_ms);
}

/* Returns how many: up to the first that is in the mailbox as well. */
static unsigned take_span(struct engine *e, struct message *const *span, unsigned count)
{
    for (unsigned i = 0; i < MESSAGES_AHEAD; i++)
        fetch_message(span, count, i);
    for (unsigned i = 0; i < count; i++) {
        struct message *m = span[i];
        fetch_message(span, count, i + MESSAGES_AHEAD);
        fetch_job(span, count, i + JOBS_AHEAD);
        if (m->kind == ENGINE_OUTCOME)
            job_outcome(e, (struct outcome *)m);
        else if (m->kind == ENGINE_SUBMIT)
            job_accept(e, (struct job *)m);
        else
            return i;
    }
    return count;
}

static void take_lane(struct engine *e, struct lane *lane)
{
    struct message **span = NULL;
    for (unsigned count, taken; (count = lane_span(lane, &span));) {
        taken = take_span(e, span, count);
        lane_skip(lane, taken);
        if (taken < count)
            return;
    }
}

struct lane *lane_after(const struct engine *e, struct member **m, bool *ghosts)
{
    struct list *at;
    if (!*ghosts && (*m = member_next(e, *m)))
        return worker_lane((*m)->worker);
    at = *ghosts ? (*m)->link.next : e->ghosts.next;
    *ghosts = true;
    *m = LIST_ENTRY(at, struct member, link);
    return at == &e->ghosts ? NULL : worker_lane((*m)->worker);
}

/* The lane where it comes next, or NULL: one of a host's. */
static struct lane *lane_of(const struct engine *e, const struct message *message)
{
    struct member *m = NULL;
    bool ghosts = false;
    struct lane *lane;
    while ((lane = lane_after(e, &m, &ghosts)) && lane_first(lane) != message)
        ;
    return lane;
}

static void look_at_clocks(struct engine *e)
{
    e->now_ms = clock_unix_ms();
    e->latest_ms = e->now_ms > e->latest_ms ? e->now_ms : e->latest_ms;
    e->mono_ms = clock_mono_ms();
}

/* In the order of the mailbox, and of each lane; and everything that had been put in a lane before
 * something was posted to the mailbox is handled before that, for the lanes are looked at later. */
static void take_messages(struct engine *e)
{
    struct list messages;
    struct member *m = NULL;
    bool ghosts = false;
    list_init(&messages);
    e->lanes_used = false;
    mailbox_drain(&e->mailbox, &messages);
    for (struct lane *lane; (lane = lane_after(e, &m, &ghosts));)
        e->lanes_used |= lane_look(lane);
    look_at_clocks(e); /* no message is from later */
    m = NULL;
    ghosts = false;
    for (struct lane *lane; (lane = lane_after(e, &m, &ghosts));)
        take_lane(e, lane);
    for (struct list *at; (at = list_shift(&messages));) {
        struct message *message = LIST_ENTRY(at, struct message, link);
        struct lane *lane = lane_of(e, message);
        if (lane)
            lane_shift(lane);
        take_message(e, message);
        if (lane)
            take_lane(e, lane);
    }
}

static void turn(struct engine *e)
{
    take_messages(e);
    if (e->stopping)
        drain_refuse_hosts(e, true);
    engine_run_schedules(e);
    index_promote(e->ops->index(e->store), e->now_ms);
    jobs_expire(e);
    queues_turn(e);
    drain_turn(e);
    asks_turn(e);
    looks_turn(e);
    calls_expire(e);  /* after what answers them: a wait of no time may succeed */
    engine_commit(e); /* before anything of it starts */
    if (!e->failed) {
        dispatch(e);
        engine_commit(e);
    }
    asks_settle(e);
    events_look(e);
    send_answers(e);
    join_gone(e);
    e->reaping = e->reaping && children_reap(e->env.worker->children);
    const bool more = e->ops->prune(e->store, e->now_ms);
    e->prune_ms = e->mono_ms + (more ? 0 : e->ops->dirty(e->store) ? PRUNED_MS : PRUNE_LOOK_MS);
}

/* --- life ---------------------------------------------------------------------------------------
 */

static void *engine_main(void *arg)
{
    struct engine *e = arg;
    thread_be_prompt();
    while (!e->stopping) {
        turn(e);
        if (!e->stopping)
            engine_sleep(e);
    }
    dispatch_recall_all(e);
    pools_stop_all(e, WORKER_EXIT);
    while (pools_left(e)) {
        turn(e);
        if (pools_left(e))
            engine_sleep(e);
    }
    drain_close(e);
    send_answers(e);
    ghosts_leave(e);
    monitor_leave(e->env.worker->monitor); /* it ends while the host hears that this thread does */
    return NULL;
}

static void log_store(void *user, int level, const char *text)
{
    engine_log(user, level, NULL, "store: %s", text);
}

/* The crash table comes after the store, which keeps other processes out. */
static int open_store(struct engine *e, struct neap_error *err)
{
    const char *path = strncmp(e->env.url, "sqlite:", 7) == 0 ? e->env.url + 7 : NULL;
    const struct store_env env = {.path = path,
                                  .limits = limits_of(e->config),
                                  .window = (size_t)e->config->window,
                                  .names = e->env.worker->names,
                                  .gates = e->env.worker->gates,
                                  .cache = &e->cache,
                                  .now_ms = e->now_ms,
                                  .user = e,
                                  .log = log_store};
    e->ops = path ? &store_sqlite : &store_memory;
    int rc = e->ops->open(&e->store, &env, err);
    if (rc || !path)
        return rc;
    char *running = mem_format("%s-running", path);
    rc = running_open(&e->running, running, err);
    free(running);
    if (rc)
        e->ops->close(e->store);
    else
        e->env.worker->running = e->running;
    return rc;
}

int engine_new(struct engine **out, const struct engine_env *env, struct config *config,
               struct catalogue *catalogue, struct neap_error *err)
{
    if (config->n_pools > POOLS_MAX)
        return error_set(err, NEAP_ECONFIG, "%zu pools, more than %d", config->n_pools, POOLS_MAX);
    struct engine *e = mem_zero(1, sizeof *e);
    e->env = *env;
    pool_cache_init(&e->cache, env->worker->pool);
    e->now_ms = clock_unix_ms();
    e->config = config;
    int rc = open_store(e, err);
    if (rc) {
        pool_cache_close(&e->cache);
        free(e);
        return rc;
    }
    mailbox_init(&e->mailbox, NULL, NULL);
    env->worker->engine = &e->mailbox;
    atomic_init(&env->worker->serial, catalogue->serial);
    e->config = config_ref(config);
    e->catalogue = catalogue_ref(catalogue);
    e->waiters = waiters_new();
    list_init(&e->asks.steps);
    list_init(&e->asks.settled);
    list_init(&e->asks.looks);
    list_init(&e->listeners);
    list_init(&e->idle_calls);
    list_init(&e->drain_calls);
    list_init(&e->deliveries);
    list_init(&e->answers);
    list_init(&e->gone);
    list_init(&e->ghosts);
    e->mono_ms = e->started_ms = clock_mono_ms();
    e->random = (uint64_t)clock_mono_ns() | 1;
    pools_init(e);
    queues_follow(e);
    engine_follow_schedules(e);
    engine_recover(e);
    if (e->failed) {
        rc = error_set(err, NEAP_EIO, "the store failed at its first commit");
        engine_free(e);
        return rc;
    }
    *out = e;
    return NEAP_OK;
}

/* On the monitor's thread. */
static void on_stuck(void *user, struct pulse *pulse, uint64_t section)
{
    struct engine *e = user;
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = ENGINE_WORKER_STUCK;
    note->id = section;
    note->worker = pulse->owner;
    mailbox_post(&e->mailbox, &note->message);
}

static int start_monitor(struct engine *e, struct neap_error *err)
{
    int rc = interrupt_open(e->env.signal, err);
    if (rc)
        return rc;
    rc = monitor_start(&e->env.worker->monitor, e->config->grace_ms * 1000000, e, on_stuck, err);
    if (rc)
        interrupt_close();
    return rc;
}

int engine_start(struct engine *engine, struct neap_error *err)
{
    const int rc = start_monitor(engine, err);
    if (rc)
        return rc;
    pools_start(engine);
    const int failed = thread_start(&engine->thread, 0, engine_main, engine);
    if (failed)
        return error_set(err, NEAP_EIO, "cannot start the engine's thread: %s", strerror(failed));
    engine->started = true;
    return NEAP_OK;
}

bool engine_is_durable(const struct engine *engine)
{
    return engine->ops->durable;
}

struct mailbox *engine_mailbox(struct engine *engine)
{
    return &engine->mailbox;
}

/* After its thread: hosts and the loader can have sent it, and a worker that was left behind. */
static void drop_message(struct engine *e, struct message *message)
{
    switch (message->kind) {
    case ENGINE_SUBMIT:
        job_free(&e->cache, (struct job *)message);
        break;
    case ENGINE_CATALOGUE:
        catalogue_unref(((struct catalogue_note *)message)->catalogue);
        free(message);
        break;
    case ENGINE_SHOWN:
        shown_free((struct shown *)message);
        break;
    case ENGINE_STOP:
    case ENGINE_WORKER_STUCK:
    case ENGINE_WORKER_GONE:
        free(message);
        break;
    default: {
        struct call *call = (struct call *)message;
        assert(message->kind > ENGINE_PROGRESS && message->kind < ENGINE_CATALOGUE);
        call->rc = NEAP_ECLOSED;
        call->done(call);
    }
    }
}

void engine_refuse(struct engine *engine)
{
    struct list messages;
    list_init(&messages);
    mailbox_drain(&engine->mailbox, &messages);
    for (struct list *at; (at = list_shift(&messages));)
        drop_message(engine, LIST_ENTRY(at, struct message, link));
}

void engine_stop(struct engine *engine)
{
    struct engine *e = engine;
    if (!e || e->stopped)
        return;
    e->stopped = true;
    if (e->started) {
        struct message *stop = mem_zero(1, sizeof *stop);
        stop->kind = ENGINE_STOP;
        mailbox_post(&e->mailbox, stop);
        pthread_join(e->thread, NULL);
    } else { /* the engine has not been started: from here it lets go of its workers */
        e->stopping = true;
        engine_main(e);
    }
}

void engine_rest(struct engine *engine)
{
    struct worker_env *env = engine->env.worker;
    if (!env->monitor)
        return;
    monitor_stop(env->monitor);
    env->monitor = NULL;
    interrupt_close();
}

void engine_free(struct engine *engine)
{
    if (!engine)
        return;
    struct engine *e = engine;
    engine_stop(e);
    engine_refuse(e);
    engine_rest(e);
    for (struct list *at; (at = list_shift(&e->deliveries));)
        delivery_free(LIST_ENTRY(at, struct delivery, link));
    pools_close(e);
    waiters_free(e->waiters);
    queues_close(e);
    schedules_close(&e->schedules);
    e->ops->close(e->store);
    running_close(e->running);
    heap_close(&e->timers);
    listeners_close(e);
    catalogue_unref(e->catalogue);
    config_unref(e->config);
    mailbox_close(&e->mailbox);
    free(e->placed);
    free(e->ended);
    task_rows_close(e);
    claims_close(e);
    pool_cache_close(&e->cache);
    free(e);
}
