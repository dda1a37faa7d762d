/* Questions to the engine: who waits for what, and the answers. */
#include "engine/engine_schedules.h"
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine_ask.h"
#include "engine/engine_events.h"
#include "engine/engine_info.h"

#include <stdlib.h>
#include <string.h>

void send_answer(struct engine *e, struct call *call)
{
    if (list_linked(&call->by_asker))
        list_remove(&call->by_asker);
    list_push(&e->answers, &call->waiting);
}

void call_answer(struct engine *e, struct call *call, int rc)
{
    call->rc = rc;
    if (call->timer.pos)
        heap_remove(&e->timers, &call->timer);
    const struct job *asker = call->asker;
    struct claim *claim = asker ? asker->claim : NULL;
    const bool parked = claim && claim->more && claim->more->call == call;
    call->gave_slot = call->lends && !parked; /* it was not taken to begin with */
    if (parked && rc == NEAP_ETIME)
        claim_return_late(e, claim);
    else if (parked && rc != NEAP_ECLOSED)
        claim_return(e, claim); /* its slot first; until it goes on the call is the claim's */
    else
        send_answer(e, call);
}

/* Deadlines come by the wall clock and are kept by the other one, which nobody sets. */
void call_park(struct engine *e, struct call *call)
{
    struct claim *claim = call->asker ? call->asker->claim : NULL;
    if (claim)
        list_push(&claim_more(claim)->calls, &call->by_asker);
    if (claim && call->lends)
        claim_park(e, claim, call);
    if (call->deadline_ms == INT64_MAX)
        return;
    const int64_t left_ms = call->deadline_ms - clock_unix_ms();
    call->timer.key = e->mono_ms + (left_ms > 0 ? left_ms : 0);
    call->timer.tie = ++e->ties;
    heap_push(&e->timers, &call->timer);
}

/* --- waiting for a job -------------------------------------------------------------------------
 */

static void fill_result(struct call *call, const struct job *job, int state)
{
    call->state = state;
    call->has_result = job_left(job)->result != NULL;
    if (job_left(job)->result)
        buf_put(&call->reply, job_left(job)->result, job_left(job)->result_len);
    if (job_left(job)->error && state != NEAP_COMPLETED)
        call->error = job_error_copy(job_left(job)->error);
}

static void call_wait(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (!job) {
        call_answer(e, call, NEAP_ENOENT);
    } else if (job_has_ended(job)) {
        fill_result(call, job, job->state);
        call_answer(e, call, NEAP_OK);
    } else {
        waiters_add(e->waiters, call);
        call_park(e, call);
    }
}

void calls_tell(struct engine *e, const struct job *job, int state)
{
    struct list calls;
    list_init(&calls);
    waiters_take(e->waiters, job->id, &calls);
    for (struct list *at; (at = list_shift(&calls));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (call->message.kind == ENGINE_CALL_ASK) {
            ask_ended(e, ask_of(call), job, state);
            continue;
        }
        fill_result(call, job, state);
        call_answer(e, call, NEAP_OK);
    }
}

void calls_forget(struct engine *e, struct call *call)
{
    if (!list_linked(&call->waiting))
        return;
    if (call->message.kind == ENGINE_CALL_ASK) {
        ask_forget(e, ask_of(call));
        return;
    }
    if (call->message.kind == ENGINE_CALL_WAIT) {
        waiters_remove(e->waiters, call);
        return;
    }
    list_remove(&call->waiting);
    if (call->message.kind == ENGINE_CALL_ROOM) {
        e->n_rooms--;
        atomic_fetch_sub(&call->job->gate->blocked, 1);
    }
}

/* Killed while it waited, or while its answer waited for a slot. */
void calls_end_of_asker(struct engine *e, struct claim *claim)
{
    claim->more->call = NULL;
    for (struct list *at; (at = list_first(&claim->more->calls));) {
        struct call *call = LIST_ENTRY(at, struct call, by_asker);
        calls_forget(e, call);
        call_answer(e, call, NEAP_ECLOSED);
    }
}

static void call_lend(struct engine *e, struct call *call)
{
    struct claim *claim = call->asker->claim;
    call->lends = true;
    if (!claim || claim->stage != CLAIM_ON) {
        call_answer(e, call, NEAP_OK);
        return;
    }
    list_push(&claim_more(claim)->calls, &call->by_asker);
    claim_park(e, claim, call);
}

/* What the asker lent it wants back, while the call it lent it for waits on as others do. */
static void call_return(struct engine *e, struct call *call)
{
    struct claim *claim = call->asker->claim;
    if (!claim || claim->stage != CLAIM_PARKED) { /* the other call brings it */
        if (call->late && claim && claim->stage != CLAIM_ON)
            claim_return_late(e, claim);
        call_answer(e, call, NEAP_OK);
        return;
    }
    struct call *before = claim->more->call;
    list_push(&claim_more(claim)->calls, &call->by_asker);
    before->lends = false;
    claim->more->call = call;
    if (before->message.kind == ENGINE_CALL_LEND)
        call_answer(e, before, NEAP_OK);
    if (call->late)
        claim_return_late(e, claim);
    else
        claim_return(e, claim);
}

void calls_expire(struct engine *e)
{
    for (struct heap_node *node; (node = heap_min(&e->timers)) && node->key <= e->mono_ms;) {
        struct call *call = HEAP_ENTRY(node, struct call, timer);
        heap_pop(&e->timers);
        calls_forget(e, call);
        if (call->message.kind == ENGINE_CALL_ASK)
            ask_late(e, ask_of(call));
        else
            call_answer(e, call, NEAP_ETIME);
    }
}

/* --- the others --------------------------------------------------------------------------------
 */

static void call_room(struct engine *e, struct call *call)
{
    struct queue *q = queue_of(e, call->job->gate);
    if (!call->asker && (e->draining || e->full)) {
        call_answer(e, call, e->draining ? NEAP_ECLOSED : NEAP_ENOSPC);
        return;
    }
    atomic_fetch_add(&q->gate->blocked, 1); /* before the last look: who leaves now nudges */
    list_push(&q->room, &call->waiting);
    e->n_rooms++;
    call_park(e, call); /* queues_turn looks at once */
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
        info_fill(e, job, call->user);
    call_answer(e, call, job ? NEAP_OK : NEAP_ENOENT);
}

static void call_log(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (job && job_left(job)->log)
        buf_put(&call->reply, job_left(job)->log, job_left(job)->log_len);
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
    dispatch_recall_all(e); /* what has not started starts under the new limits */
    queues_follow(e);
    pools_resize(e);
    engine_follow_schedules(e);
    engine_set_limits(e);
    config_unref(old);
    call_answer(e, call, NEAP_OK);
}

static void call_idle(struct engine *e, struct call *call)
{
    list_push(&e->idle_calls, &call->waiting); /* drain_turn looks at once */
    call_park(e, call);
}

static void call_events(struct engine *e, struct call *call)
{
    struct neap_events *events = call->user;
    if (call->state)
        list_push(&e->listeners, &events->link);
    else
        list_remove(&events->link);
    call_answer(e, call, NEAP_OK);
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
    case ENGINE_CALL_SUBMIT:
        submit_call(e, call);
        break;
    case ENGINE_CALL_STATE:
        call_state(e, call);
        break;
    case ENGINE_CALL_GET:
        call_get(e, call);
        break;
    case ENGINE_CALL_LOG:
        call_log(e, call);
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
    case ENGINE_CALL_LEND:
        call_lend(e, call);
        break;
    case ENGINE_CALL_RETURN:
        call_return(e, call);
        break;
    case ENGINE_CALL_IDLE:
        call_idle(e, call);
        break;
    case ENGINE_CALL_DRAIN:
        drain_begin(e, call);
        break;
    case ENGINE_CALL_EVENTS:
        call_events(e, call);
        break;
    case ENGINE_CALL_ASK:
        ask_take(e, ask_of(call));
        break;
    default:
        call_config(e, call);
        break;
    }
}
