/* Questions to the engine: who waits for what, and the answers. */
#include "engine/engine_state.h"

#include "base/mem.h"
#include "engine/engine_info.h"

#include <stdlib.h>
#include <string.h>

void call_answer(struct engine *e, struct call *call, int rc)
{
    call->rc = rc;
    if (call->timer.pos)
        heap_remove(&e->timers, &call->timer);
    struct job *asker = call->asker;
    if (rc != NEAP_ECLOSED && asker && asker->claim && asker->claim->call == call && asker->claim->parked)
        claim_return(e, asker->claim); /* its slot first */
    else
        list_push(&e->answers, &call->waiting);
}

static void park(struct engine *e, struct call *call)
{
    struct job *asker = call->asker;
    if (asker && asker->claim && !asker->claim->parked)
        claim_park(e, asker->claim, call);
    if (call->deadline_ms != INT64_MAX) {
        call->timer.key = call->deadline_ms;
        call->timer.tie = ++e->publications;
        heap_push(&e->timers, &call->timer);
    }
}

/* --- waiting for a job ------------------------------------------------------------------------- */

static void fill_result(struct call *call, const struct job *job, int state)
{
    call->state = state;
    call->has_result = job->result != NULL;
    if (job->result)
        buf_put(&call->reply, job->result, job->result_len);
    if (job->error && state != NEAP_COMPLETED)
        call->error = job_error_new(job->error->code, job->error->attempt, job->error->message,
                                    strlen(job->error->message), job->error->traceback,
                                    job->error->traceback ? strlen(job->error->traceback) : 0);
}

static bool ended(int state)
{
    return state == NEAP_COMPLETED || state == NEAP_DEAD || state == NEAP_CANCELLED;
}

static void call_wait(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (!job) {
        call_answer(e, call, NEAP_ENOENT);
    } else if (call->asker && call->asker->id == call->id) {
        call_answer(e, call, NEAP_EINVAL);
    } else if (ended(job->state)) {
        fill_result(call, job, job->state);
        call_answer(e, call, NEAP_OK);
    } else {
        waiters_add(e->waiters, call);
        park(e, call);
    }
}

void calls_ended(struct engine *e, const struct job *job, int state)
{
    struct list calls;
    list_init(&calls);
    waiters_take(e->waiters, job->id, &calls);
    for (struct list *at; (at = list_shift(&calls));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        fill_result(call, job, state);
        call_answer(e, call, NEAP_OK);
    }
}

void calls_forget(struct engine *e, struct call *call)
{
    if (!list_linked(&call->waiting))
        return;
    if (call->message.kind == ENGINE_CALL_WAIT) {
        waiters_remove(e->waiters, call);
    } else {
        list_remove(&call->waiting);
        if (call->message.kind == ENGINE_CALL_ROOM)
            atomic_fetch_sub(&call->job->gate->blocked, 1);
    }
}

void calls_expire(struct engine *e)
{
    for (struct heap_node *node; (node = heap_min(&e->timers)) && node->key <= e->now_ms;) {
        struct call *call = HEAP_ENTRY(node, struct call, timer);
        heap_pop(&e->timers);
        calls_forget(e, call);
        call_answer(e, call, NEAP_ETIME);
    }
}

/* --- the others -------------------------------------------------------------------------------- */

static void call_room(struct engine *e, struct call *call)
{
    struct queue *q = queue_of(e, call->job->gate);
    atomic_fetch_add(&q->gate->blocked, 1); /* before the last look: who leaves now nudges */
    list_push(&q->room, &call->waiting);
    park(e, call); /* queues_turn looks at once */
}

static void call_state(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (job)
        call->state = info_state(job);
    call_answer(e, call, job ? NEAP_OK : NEAP_ENOENT);
}

static void call_get(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (job)
        info_fill(job, call->user);
    call_answer(e, call, job ? NEAP_OK : NEAP_ENOENT);
}

static void call_stats(struct engine *e, struct call *call)
{
    if (call->user)
        stats_fill(e, call->user);
    else
        stats_pack(e, &call->reply);
    call_answer(e, call, NEAP_OK);
}

static void call_config(struct engine *e, struct call *call)
{
    struct config *config = call->user;
    struct config *old = e->config;
    e->config = config_ref(config);
    atomic_store_explicit(&e->env.worker->log_level, config->log_level, memory_order_relaxed);
    queues_follow(e);
    pools_resize(e);
    schedules_follow(&e->schedules, config, e->now_ms);
    config_unref(old);
    call_answer(e, call, NEAP_OK);
}

static void call_drain(struct engine *e, struct call *call)
{
    if (e->drain_call) {
        call_answer(e, call, NEAP_EINVAL);
        return;
    }
    e->draining = true;
    e->drain_call = call;
    e->drain_until_ms = call->deadline_ms;
    dispatch_recall_all(e);
}

void call_take(struct engine *e, struct call *call)
{
    switch (call->message.kind) {
    case ENGINE_CALL_WAIT:
        call_wait(e, call);
        break;
    case ENGINE_CALL_ROOM:
        call_room(e, call);
        break;
    case ENGINE_CALL_STATE:
        call_state(e, call);
        break;
    case ENGINE_CALL_GET:
        call_get(e, call);
        break;
    case ENGINE_CALL_CANCEL:
        call_answer(e, call, job_cancel(e, call->id));
        break;
    case ENGINE_CALL_STORED:
        call_answer(e, call, NEAP_OK); /* answers go out after the commit */
        break;
    case ENGINE_CALL_STATS:
        call_stats(e, call);
        break;
    case ENGINE_CALL_IDLE:
        list_push(&e->idle_calls, &call->waiting);
        park(e, call);
        break;
    case ENGINE_CALL_DRAIN:
        call_drain(e, call);
        break;
    default:
        call_config(e, call);
        break;
    }
}

/* --- idle and drain ----------------------------------------------------------------------------- */

static bool all_wait(const struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++)
        for (const struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next)
            if (LIST_ENTRY(at, struct member, link)->held)
                return false;
    return true;
}

static void drain_turn(struct engine *e)
{
    const size_t claims = pools_claims(e);
    if (!claims) {
        call_answer(e, e->drain_call, e->drain_hurt ? NEAP_ETIME : NEAP_OK);
        e->drain_call = NULL;
        return;
    }
    if (!e->drain_stopped && (e->now_ms >= e->drain_until_ms || all_wait(e))) {
        e->drain_stopped = true; /* what still runs waits for jobs that will not start, or is out of time */
        e->drain_hurt = true;
        e->drain_until_ms = e->now_ms + DRAIN_GRACE_MS;
        pools_note_all(e, WORKER_STOP);
    } else if (e->drain_stopped && e->now_ms >= e->drain_until_ms) {
        call_answer(e, e->drain_call, NEAP_ETIME); /* some compute without ever waiting */
        e->drain_call = NULL;
    }
}

void calls_turn(struct engine *e)
{
    if (e->drain_call)
        drain_turn(e);
    if (e->live || e->on_dead_runs)
        return;
    for (struct list *at; (at = list_shift(&e->idle_calls));)
        call_answer(e, LIST_ENTRY(at, struct call, waiting), NEAP_OK);
}

void calls_close(struct engine *e)
{
    struct list all;
    list_init(&all);
    waiters_take_all(e->waiters, &all);
    list_splice(&all, &e->idle_calls);
    for (size_t i = 0; i < e->n_queues; i++)
        list_splice(&all, &e->queues[i]->room);
    for (struct list *at; (at = list_shift(&all));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        call->asker = NULL;
        call_answer(e, call, NEAP_ECLOSED);
    }
    if (e->drain_call)
        call_answer(e, e->drain_call, NEAP_ECLOSED);
    e->drain_call = NULL;
}
