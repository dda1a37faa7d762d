/* Claims: what a job holds while a worker has it, how it gives that up to wait, and gets it back
 * before anything new may start. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define CHILDREN_KEPT_MAX                                                                          \
    100000 /* ended children of a running job that stay readable for its :wait */

#define ASIDE_MAX 10000 /* set aside in one worker beyond its slots */

/* on_dead takes a slot, but no place in its queue: the job has ended. */
static bool takes_place(const struct claim *claim)
{
    return !(claim->job->flags & JOB_ON_DEAD);
}

static void count_start(struct claim *claim)
{
    struct rate *rate = &claim->queue->rate;
    if (!rate->interval_ns)
        return;
    rate_take(rate, clock_mono_ns());
    claim->rated_ns = rate->interval_ns;
}

struct claim *claim_new(struct engine *e, struct member *m, struct job *job)
{
    struct claim *claim = mem_zero(1, sizeof *claim);
    const struct task_info *info = catalogue_task(e->catalogue, job->task);
    claim->job = job;
    claim->member = m;
    claim->queue = queue_of(e, job->gate);
    claim->progress = -1;
    if (info)
        claim->retry = info->retry;
    job->claim = claim;
    atomic_store_explicit(&job->started, false, memory_order_relaxed);
    job->attempt++;
    list_init(&claim->calls);
    list_push(&m->claims, &claim->link);
    m->jobs++;
    m->held++;
    if (takes_place(claim)) {
        claim->queue->running++;
        count_start(claim);
        queue_refresh(e, claim->queue);
    }
    return claim;
}

int64_t member_room(const struct member *m)
{
    const int64_t aside = (int64_t)worker_blocked(m->worker);
    return m->pool->slots - m->held + (aside < ASIDE_MAX ? aside : ASIDE_MAX);
}

static void leave_slot_and_place(struct engine *e, struct claim *claim)
{
    const bool slot = claim->stage == CLAIM_ON;
    const bool place = slot || claim->stage == CLAIM_WANTS_SLOT;
    if (claim->stage == CLAIM_WANTS_PLACE)
        heap_remove(&claim->queue->wanting, &claim->turn);
    else if (claim->stage == CLAIM_WANTS_SLOT)
        heap_remove(&claim->member->returning, &claim->turn);
    if (slot)
        claim->member->held--;
    if (!takes_place(claim))
        return;
    if (place)
        claim->queue->running--;
    queue_refresh(e, claim->queue);
}

void claim_free(struct engine *e, struct claim *claim)
{
    leave_slot_and_place(e, claim);
    for (uint32_t i = 0; i < claim->n_children; i++) {
        const uint64_t id = claim->children[(claim->first_child + i) % claim->cap_children];
        e->ops->unpin(e->store, e->ops->get(e->store, id)); /* pinned, so it is there */
    }
    list_remove(&claim->link);
    claim->member->cancels -= claim->cancelled;
    claim->member->jobs--;
    claim->job->claim = NULL;
    free(claim->progress_text);
    buf_close(&claim->live);
    free(claim->children);
    free(claim);
}

void claim_give_back(struct engine *e, struct job *job)
{
    struct pool *pool = job->claim->member->pool;
    struct queue *q = job->claim->queue;
    if (job->claim->rated_ns && job->claim->rated_ns == q->rate.interval_ns)
        rate_refund(&q->rate);
    claim_free(e, job->claim);
    job->attempt--;
    if (job->flags & JOB_ON_DEAD)
        list_push(&pool->on_dead, &job->place);
    else
        e->ops->give_back(e->store, job, e->now_ms);
}

static void grow_children(struct claim *claim)
{
    uint32_t cap = claim->cap_children ? claim->cap_children * 2 : 8;
    claim->cap_children = cap < CHILDREN_KEPT_MAX ? cap : CHILDREN_KEPT_MAX;
    claim->children = mem_grow(claim->children, claim->cap_children, sizeof *claim->children);
}

void claim_add_child(struct engine *e, struct claim *claim, struct job *child)
{
    if (claim->n_children == CHILDREN_KEPT_MAX) {
        e->ops->unpin(e->store, e->ops->get(e->store, claim->children[claim->first_child]));
        claim->first_child = (claim->first_child + 1) % claim->cap_children;
        claim->n_children--;
    } else if (claim->n_children == claim->cap_children) {
        grow_children(claim); /* first_child is 0 until it is as large as it gets */
    }
    claim->children[(claim->first_child + claim->n_children++) % claim->cap_children] = child->id;
    e->ops->pin(e->store, child);
}

/* --- giving up slot and place while waiting, and getting them back
 * -------------------------------- */

void claim_park(struct engine *e, struct claim *claim, struct call *call)
{
    assert(claim->stage == CLAIM_ON);
    leave_slot_and_place(e, claim);
    claim->stage = CLAIM_PARKED;
    claim->call = call;
}

static struct claim *first_of(const struct heap *heap)
{
    struct heap_node *node = heap_min(heap);
    return node ? LIST_ENTRY(node, struct claim, turn) : NULL;
}

static void go_on(struct engine *e, struct claim *claim)
{
    struct call *call = claim->call;
    claim->member->held++;
    claim->stage = CLAIM_ON;
    claim->call = NULL;
    call->gave_slot = true;
    send_answer(e, call);
}

static void give_slots(struct engine *e, struct member *m)
{
    for (struct claim *claim; member_room(m) > 0 && (claim = first_of(&m->returning));) {
        heap_pop(&m->returning);
        go_on(e, claim);
    }
}

static void want_slot(struct claim *claim)
{
    claim->stage = CLAIM_WANTS_SLOT;
    heap_push(&claim->member->returning, &claim->turn);
}

static void give_places(struct engine *e, struct queue *q)
{
    for (struct claim *claim; queue_has_place(q) && (claim = first_of(&q->wanting));) {
        heap_pop(&q->wanting);
        q->running++;
        want_slot(claim);
        give_slots(e, claim->member);
    }
    queue_refresh(e, q);
}

/* Places that jobs took which have not started: those that want theirs back go first. */
static void recall_queue(struct engine *e, const struct queue *q)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (q->pools >> m->pool->index & 1)
            dispatch_take_back(e, m);
}

void claim_return(struct engine *e, struct claim *claim)
{
    struct queue *q = claim->queue;
    assert(claim->stage == CLAIM_PARKED);
    claim->turn.key = -claim->job->priority;
    claim->turn.tie = ++e->ties;
    if (takes_place(claim)) {
        claim->stage = CLAIM_WANTS_PLACE;
        heap_push(&q->wanting, &claim->turn);
        give_places(e, q);
        if (claim->stage != CLAIM_WANTS_PLACE)
            return;
        recall_queue(e, q); /* once: the queue is shut while anybody wants a place */
        give_places(e, q);
    } else {
        want_slot(claim);
        give_slots(e, claim->member);
    }
}

/* A wait that ran out of time, or a sleep beside one, does not wait on, perhaps for the very job
 * that has its place: it goes on beyond the limits, and nothing starts until they are met again. */
void claim_return_late(struct engine *e, struct claim *claim)
{
    assert(claim->stage != CLAIM_ON);
    if (claim->stage == CLAIM_WANTS_PLACE)
        heap_remove(&claim->queue->wanting, &claim->turn);
    if (claim->stage == CLAIM_WANTS_SLOT)
        heap_remove(&claim->member->returning, &claim->turn);
    if (takes_place(claim) && claim->stage != CLAIM_WANTS_SLOT)
        claim->queue->running++;
    go_on(e, claim);
    queue_refresh(e, claim->queue);
}

void claims_return(struct engine *e)
{
    for (size_t i = 0; i < e->n_queues; i++)
        if (e->queues[i]->wanting.len)
            give_places(e, e->queues[i]);
    for (struct member *m = NULL; (m = member_next(e, m));) {
        if (!m->returning.len)
            continue;
        if (member_room(m) <= 0)
            dispatch_recall(e, m);
        give_slots(e, m);
    }
}
