/* Claims: what a job holds while a worker has it, how it gives that up to wait, and gets it back
 * before anything new may start. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/fetch.h"
#include "base/mem.h"
#include "base/pool.h"

#include <assert.h>
#include <stdlib.h>

/* Ended children of a running job that stay readable for its :wait. */
#define CHILDREN_BLOCK 200
#define CHILDREN_KEPT_MAX (100000 + CHILDREN_BLOCK) /* the oldest block may be gone */

#define SPARE_MAX 1024 /* freed claims kept for the next */

#define PINS_MAX (UINT16_MAX / 2) /* somebody else keeps it readable then */

#define ASIDE_MAX 10000 /* set aside in one worker beyond its slots */

/* on_dead takes a slot, but no place in its queue: the job has ended. */
static bool takes_place(const struct claim *claim)
{
    return !(claim->job->flags & JOB_ON_DEAD);
}

struct claim_more *claim_more(struct claim *claim)
{
    if (!claim->more) {
        claim->more = mem_zero(1, sizeof *claim->more);
        claim->more->claim = claim;
        list_init(&claim->more->calls);
    }
    return claim->more;
}

RARE static void more_free(struct claim_more *more)
{
    if (!more)
        return;
    free(more->progress_text);
    buf_close(&more->live);
    free(more->children);
    free(more);
}

RARE static void count_start(struct claim *claim)
{
    struct rate *rate = &claim->queue->rate;
    rate_take(rate, clock_mono_ns());
    claim_more(claim)->rated_ns = rate->interval_ns;
}

static struct claim *take_spare(struct engine *e)
{
    struct claim *claim = e->spare_claims;
    if (claim) {
        e->spare_claims = (struct claim *)claim->link.next;
        e->n_spare_claims--;
        return claim;
    }
    uint8_t block;
    claim = pool_take(&e->cache, sizeof *claim, &block);
    claim->block = block;
    return claim;
}

static void give_spare(struct engine *e, struct claim *claim)
{
    if (e->n_spare_claims == SPARE_MAX) {
        pool_give(&e->cache, claim, claim->block);
        return;
    }
    claim->link.next = (struct list *)e->spare_claims;
    e->spare_claims = claim;
    e->n_spare_claims++;
}

void claims_close(struct engine *e)
{
    for (struct claim *claim; (claim = e->spare_claims);) {
        e->spare_claims = (struct claim *)claim->link.next;
        pool_give(&e->cache, claim, claim->block);
    }
}

/* Of tasks that the new catalogue does not have: how their attempts under way are retried. */
void claims_keep_retry(struct engine *e, const struct catalogue *new)
{
    bool gone = false;
    for (size_t i = 0; !gone && i < e->catalogue->n_tasks; i++)
        gone = e->catalogue->tasks[i] && !catalogue_task(new, e->catalogue->tasks[i]->name);
    for (struct member *m = NULL; gone && (m = member_next(e, m));) {
        for (struct list *at = m->claims.next; at != &m->claims; at = at->next) {
            struct claim *claim = LIST_ENTRY(at, struct claim, link);
            const struct task_info *old = catalogue_task(e->catalogue, claim->job->task);
            if (old && !catalogue_task(new, claim->job->task))
                claim_more(claim)->retry = old->retry;
        }
    }
}

void claim_new(struct engine *e, struct member *m, struct queue *q, struct job *job)
{
    struct claim *claim = take_spare(e);
    claim->job = job; /* one by one: a few stores take less than zeroing all */
    claim->member = m;
    claim->queue = q;
    claim->more = NULL;
    claim->stage = CLAIM_ON;
    claim->cancelled = claim->told = false;
    job->claim = claim;
    if (job->id == e->parent_id)
        e->parent_id = 0;
    job->attempt++;
    list_push(&m->claims, &claim->link);
    m->jobs++;
    m->held++;
    if (!takes_place(claim))
        return;
    q->running++;
    if (q->rate.interval_ns)
        count_start(claim);
    queue_refresh(e, q);
}

int64_t member_room(const struct member *m)
{
    const int64_t aside = (int64_t)worker_blocked(m->worker);
    return m->pool->slots - m->held + (aside < ASIDE_MAX ? aside : ASIDE_MAX);
}

RARE static void wants_no_place(struct engine *e, struct claim *claim)
{
    heap_remove(&claim->queue->wanting, &claim->more->turn);
    e->n_wanting--;
}

static inline void leave_slot_and_place(struct engine *e, struct claim *claim)
{
    const bool slot = claim->stage == CLAIM_ON;
    const bool place = slot || claim->stage == CLAIM_WANTS_SLOT;
    if (claim->stage == CLAIM_WANTS_PLACE)
        wants_no_place(e, claim);
    else if (claim->stage == CLAIM_WANTS_SLOT)
        heap_remove(&claim->member->returning, &claim->more->turn);
    if (slot)
        claim->member->held--;
    if (!takes_place(claim))
        return;
    if (place)
        claim->queue->running--;
    queue_refresh(e, claim->queue);
}

/* From `oldest_child` to the end of its block none is left. */
RARE static void let_children_go(struct engine *e, struct claim_more *more)
{
    const uint32_t at = more->oldest_child, here = at % CHILDREN_BLOCK;
    const uint32_t next = here ? at - here + CHILDREN_BLOCK : at;
    e->ops->unpin(e->store, more->children, at);
    e->ops->unpin(e->store, more->children + next, more->n_children - next);
}

void claim_free(struct engine *e, struct claim *claim)
{
    leave_slot_and_place(e, claim);
    if (e->parent == claim)
        e->parent_id = 0;
    if (claim->more) {
        let_children_go(e, claim->more);
        more_free(claim->more);
    }
    list_remove(&claim->link);
    claim->member->cancels -= claim->cancelled;
    claim->member->jobs--;
    atomic_store_explicit(&claim->job->started, false, memory_order_relaxed);
    claim->job->claim = NULL;
    give_spare(e, claim);
}

void claim_give_back(struct engine *e, struct job *job)
{
    struct pool *pool = job->claim->member->pool;
    struct queue *q = job->claim->queue;
    const struct claim_more *more = job->claim->more;
    if (more && more->rated_ns && more->rated_ns == q->rate.interval_ns)
        rate_refund(&q->rate);
    claim_free(e, job->claim);
    job->attempt--;
    if (job->flags & JOB_ON_DEAD)
        list_insert(pool->on_dead.next, &job->place); /* as the first, which it was */
    else
        e->ops->give_back(e->store, job, e->now_ms);
}

static void grow_children(struct claim_more *more)
{
    more->cap_children = more->cap_children ? more->cap_children * 2 : 8;
    if (more->cap_children > CHILDREN_KEPT_MAX)
        more->cap_children = CHILDREN_KEPT_MAX;
    more->children = mem_grow(more->children, more->cap_children, sizeof(struct job *));
}

/* The oldest of so many are let go for the newest, a block at a time. They have long left the
 * caches, so those of the next block are fetched by and by. */
static void replace_child(struct engine *e, struct claim_more *more, struct job *child)
{
    const uint32_t at = more->oldest_child;
    if (at % CHILDREN_BLOCK == 0)
        e->ops->unpin(e->store, more->children + at, CHILDREN_BLOCK);
    job_fetch(more->children[(at + CHILDREN_BLOCK) % CHILDREN_KEPT_MAX]);
    more->children[at] = child;
    more->oldest_child = at + 1 < CHILDREN_KEPT_MAX ? at + 1 : 0;
}

static void add_child(struct engine *e, struct claim *claim, struct job *child)
{
    struct claim_more *more = claim_more(claim);
    child->pins++; /* as the store would: it is not kept yet */
    if (more->n_children == more->cap_children) {
        if (more->n_children == CHILDREN_KEPT_MAX) {
            replace_child(e, more, child);
            return;
        }
        grow_children(more);
    }
    more->children[more->n_children++] = child;
}

/* What the job of that id holds, or NULL. Children come in runs: it is looked for once for many. */
static struct claim *claim_of(struct engine *e, uint64_t id)
{
    if (e->parent_id != id) {
        const struct job *job = e->ops->get_claimed(e->store, id);
        e->parent = job ? job->claim : NULL;
        e->parent_id = id;
    }
    return e->parent;
}

void claim_keep_child(struct engine *e, struct job *child)
{
    struct claim *claim = claim_of(e, child->parent);
    if (claim && child->pins < PINS_MAX)
        add_child(e, claim, child);
}

/* --- giving up slot and place while waiting, and getting them back
 * -------------------------------- */

void claim_park(struct engine *e, struct claim *claim, struct call *call)
{
    assert(claim->stage == CLAIM_ON);
    leave_slot_and_place(e, claim);
    claim->stage = CLAIM_PARKED;
    claim_more(claim)->call = call;
}

static struct claim *first_of(const struct heap *heap)
{
    struct heap_node *node = heap_min(heap);
    return node ? HEAP_ENTRY(node, struct claim_more, turn)->claim : NULL;
}

static void go_on(struct engine *e, struct claim *claim)
{
    struct call *call = claim->more->call;
    claim->member->held++;
    claim->stage = CLAIM_ON;
    claim->more->call = NULL;
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
    heap_push(&claim->member->returning, &claim->more->turn);
}

static void give_places(struct engine *e, struct queue *q)
{
    for (struct claim *claim; queue_has_place(q) && (claim = first_of(&q->wanting));) {
        wants_no_place(e, claim);
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
    struct heap_node *turn = &claim_more(claim)->turn;
    turn->key = -claim->job->priority;
    turn->tie = ++e->ties;
    if (takes_place(claim)) {
        claim->stage = CLAIM_WANTS_PLACE;
        heap_push(&q->wanting, turn);
        e->n_wanting++;
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
        wants_no_place(e, claim);
    if (claim->stage == CLAIM_WANTS_SLOT)
        heap_remove(&claim->member->returning, &claim->more->turn);
    if (takes_place(claim) && claim->stage != CLAIM_WANTS_SLOT)
        claim->queue->running++;
    go_on(e, claim);
    queue_refresh(e, claim->queue);
}

void claims_return(struct engine *e)
{
    for (size_t i = 0; e->n_wanting && i < e->n_queues; i++)
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
