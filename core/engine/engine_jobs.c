/* What becomes of jobs: submitted, ended, failed, cancelled. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "model/job_past.h"
#include "model/life.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_LOG_MAX (64 * 1024)

/* --- out -------------------------------------------------------------------------------------- */

/* `keep`: the job keeps its result and error. */
RARE static struct delivery *delivery_of(struct job *job, int state, const struct outcome *outcome,
                                         bool keep)
{
    struct delivery *d = mem_zero(1, sizeof *d);
    const struct job_left *left = job_left(job);
    d->result = keep && left->result ? mem_copy(left->result, left->result_len) : left->result;
    d->error = keep && left->error ? job_error_copy(left->error) : left->error;
    d->outcome = (struct neap_outcome){
        .id = job->id,
        .tag = job_terms(job)->tag,
        .state = state,
        .attempt = job->attempt,
        .generation = outcome ? outcome->generation : 0,
        .task = job->task->text,
        .result = d->result,
        .result_len = left->result_len,
        .submitted_ms = job->submitted_ms,
        .started_ms = outcome ? outcome->started_ms : 0,
        .finished_ms = job->finished_ms,
        .run_ms = outcome ? (double)outcome->run_us / 1000 : 0,
        .cpu_ms = outcome ? (double)outcome->cpu_us / 1000 : 0,
        .bytes = outcome ? outcome->bytes : 0,
        .owned = d,
    };
    if (d->error && state != NEAP_COMPLETED) {
        d->outcome.code = d->error->code;
        d->outcome.message = d->error->message;
        d->outcome.traceback = d->error->traceback;
    }
    if (!keep && job->left) {
        job->left->result = NULL;
        job->left->result_len = 0;
        job->left->error = NULL;
    }
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

/* Where a job is counted. */
struct rows {
    struct queue *queue;
    struct task_row *task;
};

static struct rows rows_of(struct engine *e, const struct job *job)
{
    return (struct rows){queue_of(e, job->gate), task_row(e, job->task)};
}

/* Everybody who waits for the job hears of it; true: the store keeps its record. */
static inline bool tell(struct engine *e, struct job *job, const struct rows *rows, int state,
                        const struct outcome *outcome)
{
    assert(e->live > 0);
    e->live--;
    rows->queue->counters.live--;
    rows->task->counters.live--;
    job->finished_ms = e->now_ms;
    if (job->parent)
        claim_keep_child(e, job);
    event_note(e, job, state);
    calls_ended(e, job, state);
    if (!(job->flags & JOB_DELIVER))
        return true;
    const bool keep = e->ops->durable; /* else a crash may lose what nobody has taken yet */
    list_push(&e->deliveries, &delivery_of(job, state, outcome, keep)->link);
    return keep;
}

void run_on_dead(struct engine *e, struct job *job)
{
    const struct task_info *info = catalogue_task(e->catalogue, job->task);
    const struct queue *q = queue_of(e, job->gate);
    job->owes_on_dead = info && info->has_on_dead && q->pools; /* if this process does not run it */
    if (!job->owes_on_dead || e->drain_stopped || e->stopping || e->recovering)
        return;
    struct job *last = job_new(&e->cache, job->args, job->args_len);
    last->id = job->id;
    last->parent = job->parent;
    last->task = job->task;
    last->gate = job->gate;
    last->submitted_ms = job->submitted_ms;
    last->available_ms = e->now_ms;
    last->priority = job->priority;
    if (job->terms) {
        job_terms_own(last)->timeout_ms = job->terms->timeout_ms;
        last->terms->tag = job->terms->tag;
    }
    last->flags = JOB_ON_DEAD | (job->flags & JOB_TICK);
    last->attempt = job->attempt - 1; /* the claim counts it up: ctx.attempt is the last one's */
    job_left_own(last)->error = job_error_copy(job_left(job)->error);
    const unsigned pool = (unsigned)__builtin_ctzll(q->pools);
    list_push(&e->pools[pool].on_dead, &last->place);
    e->on_dead_runs++;
}

/* It will be, once the store is told. */
RARE static void died(struct engine *e, struct job *job, const struct outcome *outcome)
{
    if (!job_left(job)->error)
        job_left_own(job)->error = job_error_new("error", (int)job->attempt, "failed", 6, NULL, 0);
    if (!(job->flags & JOB_DELIVER))
        engine_log_failure(e, NEAP_ERROR, job, outcome->generation, "dead");
    job_alert(e, job);
    run_on_dead(e, job);
}

/* The store has it as ended: may be told, and the pointer may be gone. */
static void end_job(struct engine *e, struct job *job, const struct rows *rows, int state,
                    struct outcome *outcome)
{
    const uint64_t id = job->id;
    if (state == NEAP_COMPLETED) {
        if (job->left)
            job_left_drop(job);
        if (outcome->result) {
            job_left_own(job)->result = outcome->result;
            job_left_own(job)->result_len = outcome->result_len;
            outcome->result = NULL;
        }
    }
    if (state == NEAP_DEAD)
        died(e, job, outcome);
    const bool keep = tell(e, job, rows, state, outcome);
    e->ops->finish(e->store, job, outcome->token, state, keep, e->now_ms);
    parent_ended(e, id, state);
}

RARE static void again(struct engine *e, struct job *job, const struct life *life,
                       const struct outcome *outcome)
{
    gate_force(job->gate);
    if (outcome->kind == OUTCOME_HANDED_BACK) {
        e->ops->give_back(e->store, job, e->now_ms);
        event_note(e, job, job->state);
        return;
    }
    if (life->state == NEAP_RETRYABLE) {
        char what[64];
        snprintf(what, sizeof what, "attempt failed, next in %lld ms",
                 (long long)(life->due_ms - e->now_ms));
        engine_log_failure(e, NEAP_WARN, job, outcome->generation, what);
    }
    job->due.key = life->due_ms;
    e->ops->finish(e->store, job, outcome->token, life->state, true, e->now_ms);
    event_note(e, job, job->state);
}

RARE static void keep_log(struct job *job, const struct outcome_more *outcome)
{
    if (!outcome->log_len)
        return;
    struct job_left *left = job_left_own(job);
    left->log_end =
        (left->log_end > left->log_len ? left->log_end : left->log_len) + outcome->printed;
    struct buf log = {left->log, left->log_len, left->log_len};
    if (outcome->printed > outcome->log_len)
        log.len = 0; /* what is between is gone */
    buf_put(&log, outcome->log, outcome->log_len);
    const size_t over = log.len > JOB_LOG_MAX ? log.len - JOB_LOG_MAX : 0;
    if (over)
        memmove(log.data, log.data + over, log.len - over);
    left->log_len = (uint32_t)(log.len - over);
    left->log = mem_grow(log.data, left->log_len, 1);
}

static void keep_figures(struct job *job, const struct outcome *o)
{
    job->started_ms = o->started_ms;
    job->run_ms = (uint32_t)(o->run_us / 1000);
    job->cpu_ms = (uint32_t)(o->cpu_us / 1000);
    job->bytes = o->bytes;
    job->generation = o->generation;
}

static inline void count(const struct rows *rows, const struct outcome *o, int state)
{
    const struct attempt_cost cost = {o->run_us, o->wait_us, o->cpu_us, o->bytes};
    counters_ended(&rows->queue->counters, &rows->task->counters, o->kind, state, &cost);
}

static void count_out(const struct rows *rows, int state)
{
    rows->queue->counters.became[state]++;
    rows->task->counters.became[state]++;
}

/* That of the newest version of the task, also where it is gone by now; none where it always was.
 */
static struct retry policy_of(const struct engine *e, const struct job *job)
{
    const struct task_info *info = catalogue_task(e->catalogue, job->task);
    static const struct retry none = {0};
    const struct claim_more *more = job->claim->more;
    const struct retry *own = info ? &info->retry : more ? &more->retry : &none;
    return job_terms(job)->retry ? retry_merge(job_terms(job)->retry, own) : *own;
}

RARE static void accept_children(struct engine *e, struct outcome *o)
{
    if (!o->more)
        return;
    for (struct list *at; (at = list_shift(&o->more->children));)
        job_accept(e, LIST_ENTRY(at, struct job, message.link));
}

RARE static void on_dead_ended(struct engine *e, struct claim *claim, struct outcome *o)
{
    struct job *job = claim->job;
    struct pool *pool = claim->member->pool;
    calls_asker_ended(e, claim);
    claim_free(e, claim);
    if (o->kind == OUTCOME_HANDED_BACK && !o->no_task && !e->drain_stopped && !e->stopping) {
        job->attempt--;
        list_push(&pool->on_dead, &job->place);
        return;
    }
    if (o->error)
        engine_log(e, NEAP_ERROR, job, "on_dead: %s\n%s", o->error->message,
                   o->error->traceback ? o->error->traceback : "");
    if (o->kind == OUTCOME_COMPLETED)
        accept_children(e, o);
    e->on_dead_runs--;
    struct job *dead = e->ops->get(e->store, job->id);
    if (dead && (o->kind != OUTCOME_HANDED_BACK || o->no_task))
        e->ops->paid(e->store, dead);
    job_free(&e->cache, job);
}

bool state_is_end(int state)
{
    return state == NEAP_COMPLETED || state == NEAP_DEAD || state == NEAP_CANCELLED;
}

/* A job told to stop does not run again, even if the attempt was over by then in another way. */
RARE static struct life next_of_failed(struct engine *e, const struct job *job,
                                       const struct outcome *o)
{
    const struct retry policy = policy_of(e, job);
    const int64_t after_ms = o->more ? o->more->after_ms : 0;
    struct life life = job_next(job, o->kind, after_ms, &policy, e->now_ms, engine_random(e));
    if (job->claim->cancelled && !state_is_end(life.state))
        life = (struct life){.state = NEAP_CANCELLED, .attempt = job->attempt};
    return life;
}

static struct life next_of(struct engine *e, const struct job *job, const struct outcome *o)
{
    if (o->kind == OUTCOME_COMPLETED)
        return (struct life){.state = NEAP_COMPLETED, .attempt = job->attempt};
    return next_of_failed(e, job, o);
}

RARE static void keep_error(struct job *job, struct outcome *o)
{
    job_past_add(job, o->error, o->started_ms, o->run_us / 1000);
    free(job_left(job)->error);
    job_left_own(job)->error = o->error;
    o->error = NULL;
}

static void attempt_ended(struct engine *e, struct claim *claim, struct outcome *o)
{
    struct job *job = claim->job;
    const struct life life = next_of(e, job, o);
    const struct rows rows = {claim->queue, task_row(e, job->task)};
    if (o->started_ms)
        event_started(e, claim);
    calls_asker_ended(e, claim);
    claim_free(e, claim);
    if (o->error)
        keep_error(job, o);
    if (o->more)
        keep_log(job, o->more);
    if (o->started_ms) {
        keep_figures(job, o);
        count(&rows, o, life.state);
    } else if (life.state == NEAP_CANCELLED) {
        count_out(&rows, life.state);
    }
    if (o->more && o->kind == OUTCOME_COMPLETED)
        accept_children(e, o);
    job->attempt = life.attempt;
    if (state_is_end(life.state))
        end_job(e, job, &rows, life.state, o);
    else
        again(e, job, &life, o);
}

RARE static void hold_if_waiting(struct engine *e, struct job *job)
{
    if (job && !state_is_end(job->state) && !catalogue_task(e->catalogue, job->task))
        job_hold(e, job);
}

RARE static void refuse_children(struct engine *e, struct outcome *outcome)
{
    for (struct list *at; (at = list_shift(&outcome->more->children));) {
        struct job *child = LIST_ENTRY(at, struct job, message.link);
        gate_leave(child->gate);
        job_free(&e->cache, child);
    }
}

void job_outcome(struct engine *e, struct outcome *outcome)
{
    struct job *job = outcome->job;
    struct claim *claim = job->claim;
    if (!claim || job->token != outcome->token) {
        engine_log(e, NEAP_WARN, job, "an outcome came late and is refused");
    } else if (job->flags & JOB_ON_DEAD) {
        on_dead_ended(e, claim, outcome);
    } else {
        const uint64_t id = job->id;
        attempt_ended(e, claim, outcome); /* the job may be gone */
        if (outcome->no_task)
            hold_if_waiting(e, e->ops->get(e->store, id));
    }
    if (outcome->more)
        refuse_children(e, outcome);
    outcome_free(&e->cache, outcome);
}

/* --- cancelled ----------------------------------------------------------------------------------
 */

void job_end_waiting(struct engine *e, struct job *job, int state)
{
    const uint64_t id = job->id;
    const struct rows rows = rows_of(e, job);
    if (gate_leave(job->gate))
        mailbox_nudge(&e->mailbox); /* this turn may be past the queues */
    count_out(&rows, state);
    if (state == NEAP_DEAD) {
        job_alert(e, job);
        run_on_dead(e, job);
    }
    const bool keep = tell(e, job, &rows, state, NULL);
    e->ops->end(e->store, job, state, keep, e->now_ms);
    parent_ended(e, id, state);
}

void job_given_back(struct engine *e, struct job *job)
{
    const bool cancelled = job->claim->cancelled;
    claim_give_back(e, job);
    if (cancelled)
        job_end_waiting(e, job, NEAP_CANCELLED);
}

bool job_has_ended(const struct job *job)
{
    return state_is_end(job->state);
}

int job_cancel(struct engine *e, uint64_t id)
{
    struct job *job = e->ops->get(e->store, id);
    if (!job)
        return NEAP_ENOENT;
    if (job_has_ended(job))
        return NEAP_EINVAL;
    if (job->claim && !atomic_load_explicit(&job->started, memory_order_acquire))
        dispatch_recall(e, job->claim->member);
    if (job->claim) { /* it has started */
        struct member *m = job->claim->member;
        m->cancels += !job->claim->cancelled;
        job->claim->cancelled = true;
        worker_note(m->worker, WORKER_CANCEL, id);
        worker_stop_job(m->worker, id);
    } else {
        job_end_waiting(e, job, NEAP_CANCELLED);
    }
    return NEAP_OK;
}
