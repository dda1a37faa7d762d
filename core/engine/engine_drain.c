/* The end, and who waits for it: neap_wait_idle, neap_drain, neap_close. */
#include "engine/engine_ask.h"

#include "base/clock.h"

static void answer_all(struct engine *e, struct list *calls, int rc)
{
    for (struct list *at; (at = list_shift(calls));)
        call_answer(e, LIST_ENTRY(at, struct call, waiting), rc);
}

static void refuse_room(struct engine *e, struct queue *q)
{
    for (struct list *at = q->room.next, *next; at != &q->room; at = next) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        next = at->next;
        if (call->asker) /* goes on to wait until it is handed back with the job */
            continue;
        calls_forget(e, call);
        call_answer(e, call, NEAP_ECLOSED);
    }
}

void drain_refuse_hosts(struct engine *e, bool all)
{
    for (size_t i = 0; i < e->n_queues; i++)
        refuse_room(e, e->queues[i]);
    if (!all)
        return;
    answer_all(e, &e->idle_calls, NEAP_ECLOSED);
    answer_all(e, &e->drain_calls, NEAP_ECLOSED);
}

/* A second drain, with less patience, hurries the first. */
void drain_begin(struct engine *e, struct call *call)
{
    const int64_t left_ms = call->deadline_ms - clock_unix_ms();
    const int64_t until_ms = e->mono_ms + (left_ms > 0 ? left_ms : 0);
    if (list_empty(&e->drain_calls) || (!e->drain_stopped && until_ms < e->drain_until_ms))
        e->drain_until_ms = until_ms;
    list_push(&e->drain_calls, &call->waiting);
    if (e->draining)
        return;
    e->draining = true;
    dispatch_recall_all(e);
    drain_refuse_hosts(e, false);
}

/* Does it go on by itself? Else it waits for what will not start any more. */
static bool goes_on(const struct engine *e, const struct claim *claim)
{
    if (claim->stage != CLAIM_PARKED)
        return true;
    const struct call *call = claim->more->call;
    return call->sleeps || (call->timer.pos && call->timer.key < e->drain_until_ms);
}

static bool all_wait(const struct engine *e)
{
    if (e->on_dead_runs)
        return false;
    for (struct member *m = NULL; (m = member_next(e, m));)
        for (const struct list *at = m->claims.next; at != &m->claims; at = at->next)
            if (goes_on(e, LIST_ENTRY(at, struct claim, link)))
                return false;
    return true;
}

static void stop_rest(struct engine *e)
{
    e->drain_stopped = e->drain_hurt = true;
    e->drain_until_ms = e->mono_ms + DRAIN_GRACE_MS;
    pools_stop_all(e, WORKER_STOP);
}

static void drain_look(struct engine *e)
{
    const bool late = e->mono_ms >= e->drain_until_ms;
    if (pools_claims(e) == 0 && (e->on_dead_runs == 0 || e->drain_stopped)) {
        e->drained = true;
        answer_all(e, &e->drain_calls, e->drain_hurt ? NEAP_ETIME : NEAP_OK);
    } else if (!e->drain_stopped && (late || all_wait(e))) {
        stop_rest(e);
    } else if (e->drain_stopped && late) { /* some compute without ever waiting */
        e->drained = true;
        answer_all(e, &e->drain_calls, NEAP_ETIME);
    }
}

void drain_turn(struct engine *e)
{
    if (!list_empty(&e->drain_calls))
        drain_look(e);
    if (e->live == 0 && e->on_dead_runs == 0)
        answer_all(e, &e->idle_calls, NEAP_OK);
    else if (e->drained) /* nothing starts any more */
        answer_all(e, &e->idle_calls, NEAP_ECLOSED);
}

void drain_close(struct engine *e)
{
    struct list waiting;
    list_init(&waiting);
    drain_refuse_hosts(e, true);
    asks_stop(e);
    waiters_take_all(e->waiters, &waiting);
    answer_all(e, &waiting, NEAP_ECLOSED);
}
