/* What becomes of jobs: submitted, ended, failed, cancelled, held. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/life.h"
#include "model/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define JOB_LOG_MAX (64 * 1024)

struct neap_counters *task_counters(struct engine *e, const struct task_name *name)
{
    if (name->index >= e->n_tasks) {
        const size_t count = name->index + 64;
        e->tasks = mem_grow(e->tasks, count, sizeof *e->tasks);
        memset(e->tasks + e->n_tasks, 0, (count - e->n_tasks) * sizeof *e->tasks);
        e->n_tasks = count;
    }
    e->tasks[name->index].name = name;
    return &e->tasks[name->index].counters;
}

/* --- in --------------------------------------------------------------------------------------- */

static void watch_expiry(struct engine *e, const struct job *job)
{
    if (!job->expires_ms)
        return;
    struct expiry *expiry = mem_zero(1, sizeof *expiry);
    expiry->node.key = job->expires_ms;
    expiry->node.tie = job->id;
    heap_push(&e->expiries, &expiry->node);
}

void job_accept(struct engine *e, struct job *job)
{
    struct neap_error err;
    struct job *parent = job->parent ? e->ops->get(e->store, job->parent) : NULL;
    struct queue *q = queue_of(e, job->gate);
    e->total.submitted++;
    q->counters.submitted++;
    task_counters(e, job->task)->submitted++;
    job->state = job->due.key > e->now_ms ? NEAP_SCHEDULED : NEAP_AVAILABLE;
    e->live++;
    watch_expiry(e, job);
    if (e->ops->put(e->store, job, e->now_ms, &err)) {
        e->failed = true;
        engine_log(e, NEAP_ERROR, job, "store: %s", err.message);
        return;
    }
    if (parent && parent->claim)
        claim_add_child(e, parent->claim, job);
}

/* --- out -------------------------------------------------------------------------------------- */

static struct delivery *delivery_of(struct job *job, int state, const struct outcome *outcome)
{
    struct delivery *d = mem_zero(1, sizeof *d);
    d->result = job->result;
    d->error = job->error;
    d->outcome = (struct neap_outcome){
        .id = job->id,
        .tag = job->tag,
        .state = state,
        .attempt = job->attempt,
        .generation = outcome ? outcome->generation : 0,
        .task = job->task->text,
        .result = job->result,
        .result_len = job->result_len,
        .submitted_ms = job->submitted_ms,
        .started_ms = outcome ? outcome->started_ms : 0,
        .finished_ms = job->finished_ms,
        .run_ms = outcome ? (double)outcome->run_us / 1000 : 0,
        .owned = d,
    };
    if (job->error && state != NEAP_COMPLETED) {
        d->outcome.code = job->error->code;
        d->outcome.message = job->error->message;
        d->outcome.traceback = job->error->traceback;
    }
    job->result = NULL;
    job->result_len = 0;
    job->error = NULL;
    return d;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    free(delivery->result);
    free(delivery->error);
    free(delivery);
}

/* Everybody who waits for the job hears of it; true: the store keeps its record. */
static bool tell(struct engine *e, struct job *job, int state, const struct outcome *outcome)
{
    assert(e->live > 0);
    e->live--;
    job->finished_ms = e->now_ms;
    calls_ended(e, job, state);
    if (!(job->flags & JOB_DELIVER))
        return true;
    list_push(&e->deliveries, &delivery_of(job, state, outcome)->link);
    return false;
}

static void run_on_dead(struct engine *e, const struct job *job)
{
    const struct task_info *info = catalogue_task(e->catalogue, job->task);
    const struct queue *q = queue_of(e, job->gate);
    if (!info || !info->has_on_dead || !q->pools || e->draining)
        return;
    struct job *last = job_new(job->args, job->args_len);
    last->id = job->id;
    last->parent = job->parent;
    last->task = job->task;
    last->gate = job->gate;
    last->submitted_ms = job->submitted_ms;
    last->available_ms = e->now_ms;
    last->priority = job->priority;
    last->flags = JOB_ON_DEAD;
    last->attempt = job->attempt - 1; /* the claim counts it up: ctx.attempt is the last one's */
    last->error = job_error_new(job->error->code, job->error->attempt, job->error->message,
                                strlen(job->error->message), job->error->traceback,
                                job->error->traceback ? strlen(job->error->traceback) : 0);
    const unsigned pool = (unsigned)__builtin_ctzll(q->pools);
    list_push(&e->pools[pool].on_dead, &last->place);
    e->on_dead_runs++;
}

static void end_job(struct engine *e, struct job *job, int state, struct outcome *outcome)
{
    struct neap_error err;
    if (state == NEAP_COMPLETED) {
        job->result = outcome->result;
        job->result_len = outcome->result_len;
        outcome->result = NULL;
        free(job->error);
        job->error = NULL;
    }
    if (state == NEAP_DEAD) {
        if (!job->error)
            job->error = job_error_new("error", (int)job->attempt, "failed", 6, NULL, 0);
        if (!(job->flags & JOB_DELIVER))
            engine_log(e, NEAP_ERROR, job, "dead: %s", job->error->message);
        run_on_dead(e, job);
    }
    const bool keep = tell(e, job, state, outcome);
    if (e->ops->finish(e->store, job, state, keep, e->now_ms, &err))
        e->failed = true;
}

static void again(struct engine *e, struct job *job, const struct life *life, int kind)
{
    struct neap_error err;
    gate_force(job->gate);
    job->attempt = life->attempt;
    if (kind == OUTCOME_HANDED_BACK) {
        e->ops->give_back(e->store, job, e->now_ms);
        return;
    }
    if (life->state == NEAP_RETRYABLE)
        engine_log(e, NEAP_WARN, job, "attempt failed, next in %lld ms: %s",
                   (long long)(life->due_ms - e->now_ms), job->error ? job->error->message : "");
    job->due.key = life->due_ms;
    if (e->ops->finish(e->store, job, life->state, true, e->now_ms, &err))
        e->failed = true;
}

static void keep_log(struct job *job, struct outcome *outcome)
{
    if (!outcome->log_len)
        return;
    struct buf log = {job->log, job->log_len, job->log_len};
    buf_put(&log, outcome->log, outcome->log_len);
    const size_t over = log.len > JOB_LOG_MAX ? log.len - JOB_LOG_MAX : 0;
    if (over)
        memmove(log.data, log.data + over, log.len - over);
    job->log_len = (uint32_t)(log.len - over);
    job->log = mem_grow(log.data, job->log_len, 1);
}

static void count(struct engine *e, const struct job *job, const struct outcome *o, int state)
{
    if (!o->started_ms)
        return;
    counters_ended(&e->total, o->kind, state, o->run_us, o->wait_us);
    counters_ended(&queue_of(e, job->gate)->counters, o->kind, state, o->run_us, o->wait_us);
    counters_ended(task_counters(e, job->task), o->kind, state, o->run_us, o->wait_us);
}

static void count_out(struct engine *e, const struct job *job, int state)
{
    counters_dropped_out(&e->total, state);
    counters_dropped_out(&queue_of(e, job->gate)->counters, state);
    counters_dropped_out(task_counters(e, job->task), state);
}

static struct retry policy_of(const struct engine *e, const struct job *job)
{
    const struct task_info *info = catalogue_task(e->catalogue, job->task);
    const struct retry none = {0, NEAP_EXPONENTIAL, 1000, 1000, 0};
    return job->retry ? retry_merge(job->retry, info ? &info->retry : &none) : info ? info->retry : none;
}

static void accept_children(struct engine *e, struct outcome *o)
{
    for (struct list *at; (at = list_shift(&o->children));)
        job_accept(e, LIST_ENTRY(at, struct job, message.link));
}

static void on_dead_ended(struct engine *e, struct job *job, struct outcome *o)
{
    struct member *m = job->claim->member;
    claim_free(e, job->claim);
    if (o->kind == OUTCOME_HANDED_BACK && !o->no_task && !e->draining) {
        job->attempt--;
        list_push(&m->pool->on_dead, &job->place);
        return;
    }
    if (o->error)
        engine_log(e, NEAP_ERROR, job, "on_dead: %s", o->error->message);
    if (o->kind == OUTCOME_COMPLETED)
        accept_children(e, o);
    e->on_dead_runs--;
    job_free(job);
}

static void attempt_ended(struct engine *e, struct job *job, struct outcome *o)
{
    struct call *pending = job->claim->call;
    if (pending && job->claim->parked) { /* killed while it waited */
        if (pending->timer.pos)
            heap_remove(&e->timers, &pending->timer);
        calls_forget(e, pending);
        call_answer(e, pending, NEAP_ECLOSED);
    }
    claim_free(e, job->claim);
    if (o->error) {
        free(job->error);
        job->error = o->error;
        o->error = NULL;
    }
    keep_log(job, o);
    const struct retry policy = policy_of(e, job);
    const struct life life = job_next(job, o->kind, o->after_ms, &policy, e->now_ms, engine_random(e));
    if (o->kind == OUTCOME_COMPLETED)
        accept_children(e, o);
    if (o->started_ms)
        count(e, job, o, life.state);
    else if (life.state == NEAP_CANCELLED)
        count_out(e, job, life.state);
    job->attempt = life.attempt;
    if (life.state == NEAP_COMPLETED || life.state == NEAP_DEAD || life.state == NEAP_CANCELLED)
        end_job(e, job, life.state, o);
    else
        again(e, job, &life, o->kind);
}

void job_outcome(struct engine *e, struct outcome *outcome)
{
    struct job *job = outcome->job;
    if (job->flags & JOB_ON_DEAD) {
        on_dead_ended(e, job, outcome);
    } else {
        const bool no_task = outcome->no_task;
        attempt_ended(e, job, outcome); /* handed back ones are still there after it */
        if (no_task && !catalogue_task(e->catalogue, job->task))
            job_hold(e, job);
    }
    free(outcome->result);
    free(outcome->error);
    free(outcome->log);
    free(outcome);
}

/* --- cancelled, expired, held ------------------------------------------------------------------- */

void job_cancel_waiting(struct engine *e, struct job *job)
{
    struct neap_error err;
    gate_leave(job->gate);
    count_out(e, job, NEAP_CANCELLED);
    const bool keep = tell(e, job, NEAP_CANCELLED, NULL);
    if (e->ops->cancel(e->store, job, keep, e->now_ms, &err))
        e->failed = true;
}

static bool has_ended(const struct job *job)
{
    return job->state == NEAP_COMPLETED || job->state == NEAP_DEAD || job->state == NEAP_CANCELLED;
}

int job_cancel(struct engine *e, uint64_t id)
{
    struct job *job = e->ops->get(e->store, id);
    if (!job)
        return NEAP_ENOENT;
    if (has_ended(job))
        return NEAP_EINVAL;
    if (job->claim && !atomic_load_explicit(&job->started, memory_order_acquire))
        dispatch_recall(e, job->claim->member);
    if (job->claim) { /* it has started */
        worker_note(job->claim->member->worker, WORKER_CANCEL, id);
    } else {
        job_cancel_waiting(e, job);
    }
    return NEAP_OK;
}

void jobs_expire(struct engine *e)
{
    for (struct heap_node *node; (node = heap_min(&e->expiries)) && node->key <= e->now_ms;) {
        heap_pop(&e->expiries);
        struct job *job = e->ops->get(e->store, node->tie);
        free(HEAP_ENTRY(node, struct expiry, node));
        if (!job || has_ended(job))
            continue;
        if (job->claim && !atomic_load_explicit(&job->started, memory_order_acquire))
            dispatch_recall(e, job->claim->member);
        if (!job->claim)
            job_cancel_waiting(e, job);
    }
}

void job_hold(struct engine *e, struct job *job)
{
    if (e->n_held == e->cap_held) {
        e->cap_held = e->cap_held ? e->cap_held * 2 : 16;
        e->held = mem_grow(e->held, e->cap_held, sizeof *e->held);
    }
    e->held[e->n_held++] = job->id;
    e->ops->hold(e->store, job);
    engine_log(e, NEAP_WARN, job, "held: no such task");
}

void jobs_unhold(struct engine *e)
{
    size_t left = 0;
    for (size_t i = 0; i < e->n_held; i++) {
        struct job *job = e->ops->get(e->store, e->held[i]);
        if (!job || job->where != JOB_HELD)
            continue;
        if (catalogue_task(e->catalogue, job->task))
            e->ops->unhold(e->store, job, e->now_ms);
        else
            e->held[left++] = e->held[i];
    }
    e->n_held = left;
}
