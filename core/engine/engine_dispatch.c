/* Which worker runs which job: claims from the store into the workers' lines, and back where another
 * worker idles or something more urgent has come. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define CHILDREN_KEPT_MAX 100000 /* ended children of a running job that stay readable for its :wait */

/* --- claims ----------------------------------------------------------------------------------- */

static struct claim *claim_new(struct engine *e, struct member *m, struct job *job)
{
    struct claim *claim = mem_zero(1, sizeof *claim);
    claim->job = job;
    claim->member = m;
    claim->queue = queue_of(e, job->gate);
    job->claim = claim;
    atomic_store_explicit(&job->started, false, memory_order_relaxed);
    job->attempt++;
    list_push(&m->claims, &claim->link);
    m->jobs++;
    m->held++;
    if (job->flags & JOB_ON_DEAD)
        return claim; /* takes a slot, but no place in its queue */
    claim->queue->running++;
    if (claim->queue->limits) {
        if (claim->queue->rate.interval_ns)
            rate_take(&claim->queue->rate, clock_mono_ns());
        queue_refresh(e, claim->queue);
    }
    return claim;
}

static void leave_place(struct engine *e, struct claim *claim)
{
    if (claim->job->flags & JOB_ON_DEAD)
        return;
    claim->queue->running--;
    if (claim->queue->limits)
        queue_refresh(e, claim->queue);
}

void claim_free(struct engine *e, struct claim *claim)
{
    struct member *m = claim->member;
    if (list_linked(&claim->returning)) {
        list_remove(&claim->returning);
        claim->queue->returning--;
    }
    if (!claim->parked) {
        m->held--;
        leave_place(e, claim);
    }
    for (uint32_t i = 0; i < claim->n_children; i++) {
        struct job *child = e->ops->get(e->store, claim->children[(claim->first_child + i) % claim->cap_children]);
        if (child)
            e->ops->unpin(e->store, child);
    }
    list_remove(&claim->link);
    m->jobs--;
    claim->job->claim = NULL;
    free(claim->progress_text);
    free(claim->children);
    free(claim);
}

void claim_add_child(struct engine *e, struct claim *claim, struct job *child)
{
    if (claim->n_children == CHILDREN_KEPT_MAX) {
        struct job *oldest = e->ops->get(e->store, claim->children[claim->first_child]);
        if (oldest)
            e->ops->unpin(e->store, oldest);
        claim->first_child = (claim->first_child + 1) % claim->cap_children;
        claim->n_children--;
    } else if (claim->n_children == claim->cap_children) {
        claim->cap_children = claim->cap_children ? claim->cap_children * 2 : 8;
        if (claim->cap_children > CHILDREN_KEPT_MAX)
            claim->cap_children = CHILDREN_KEPT_MAX;
        claim->children = mem_grow(claim->children, claim->cap_children, sizeof *claim->children);
    }
    claim->children[(claim->first_child + claim->n_children++) % claim->cap_children] = child->id;
    e->ops->pin(e->store, child);
}

/* --- giving up a slot while waiting, and getting it back ---------------------------------------- */

void claim_park(struct engine *e, struct claim *claim, struct call *call)
{
    assert(!claim->parked);
    claim->parked = true;
    claim->call = call;
    claim->member->held--;
    leave_place(e, claim);
}

static bool try_return(struct engine *e, struct claim *claim)
{
    struct queue *q = claim->queue;
    struct member *m = claim->member;
    const int64_t concurrency = q->limits ? q->limits->concurrency : 0;
    if (m->held >= m->pool->slots || (concurrency && q->running >= concurrency))
        return false;
    struct call *call = claim->call;
    claim->parked = false;
    claim->call = NULL;
    m->held++;
    if (!(claim->job->flags & JOB_ON_DEAD))
        q->running++;
    queue_refresh(e, q);
    list_push(&e->answers, &call->waiting);
    return true;
}

void claim_return(struct engine *e, struct claim *claim)
{
    if (list_empty(&claim->member->returning) && try_return(e, claim))
        return;
    list_push(&claim->member->returning, &claim->returning);
    claim->queue->returning++;
    queue_refresh(e, claim->queue);
}

/* --- lines ------------------------------------------------------------------------------------ */

static void give_back(struct engine *e, struct job *job)
{
    struct claim *claim = job->claim;
    struct pool *pool = claim->member->pool;
    if (claim->queue->rate.interval_ns && !(job->flags & JOB_ON_DEAD))
        rate_refund(&claim->queue->rate);
    claim_free(e, claim);
    job->attempt--;
    if (job->flags & JOB_ON_DEAD)
        list_push(&pool->on_dead, &job->place);
    else
        e->ops->give_back(e->store, job, e->now_ms);
}

void dispatch_recall(struct engine *e, struct member *m)
{
    struct job *jobs[LINE_SLOTS];
    const size_t count = line_recall(worker_line(m->worker), jobs);
    for (size_t i = 0; i < count; i++)
        give_back(e, jobs[i]);
    m->line_min = NEAP_PRIORITY_MAX;
}

void dispatch_recall_all(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++)
        for (struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next)
            dispatch_recall(e, LIST_ENTRY(at, struct member, link));
}

static size_t line_of(const struct member *m)
{
    return line_length(worker_line(m->worker)) + m->n_batch;
}

static void flush(struct member *m)
{
    if (!m->n_batch)
        return;
    line_put(worker_line(m->worker), m->batch, m->n_batch);
    m->n_batch = 0;
    worker_wake(m->worker);
}

/* The member that takes the next job: one that idles, else the one with the shortest line. NULL: all are full. */
static struct member *pick(const struct engine *e, struct pool *pool)
{
    struct member *best = NULL;
    size_t best_line = 0;
    (void)e;
    for (struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        const size_t line = line_of(m);
        if (m->retiring || m->held >= pool->slots || line >= LINE_SLOTS || !list_empty(&m->returning))
            continue;
        if (line == 0 && worker_hungry(m->worker))
            return m;
        const size_t rank = line + 1;
        if (!best || rank < best_line) {
            best = m;
            best_line = rank;
        }
    }
    return best;
}

/* Every worker is full: take a line back that holds something less urgent. */
static bool make_way(struct engine *e, struct pool *pool, int priority)
{
    for (struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        flush(m);
        if (!m->retiring && m->line_min < priority && line_length(worker_line(m->worker))) {
            dispatch_recall(e, m);
            return m->held < pool->slots && list_empty(&m->returning);
        }
    }
    return false;
}

static void put_in_line(struct engine *e, struct member *m, struct job *job)
{
    if (m->n_batch == 0 && line_length(worker_line(m->worker)) == 0)
        m->line_min = NEAP_PRIORITY_MAX;
    claim_new(e, m, job);
    m->batch[m->n_batch++] = job;
    if (job->priority < m->line_min)
        m->line_min = job->priority;
}

/* False: the job cannot run now and has been dealt with. */
static bool may_run(struct engine *e, struct job *job)
{
    if (job->expires_ms && job->expires_ms <= e->now_ms) {
        e->ops->give_back(e->store, job, e->now_ms);
        job_cancel_waiting(e, job);
        return false;
    }
    if (!catalogue_task(e->catalogue, job->task)) {
        e->ops->give_back(e->store, job, e->now_ms);
        job_hold(e, job);
        return false;
    }
    return true;
}

static void hand_out_on_dead(struct engine *e, struct pool *pool)
{
    for (struct member *m; !list_empty(&pool->on_dead) && (m = pick(e, pool));)
        put_in_line(e, m, LIST_ENTRY(list_shift(&pool->on_dead), struct job, place));
}

static void hand_out(struct engine *e, struct pool *pool)
{
    for (;;) {
        struct member *m = pick(e, pool);
        if (!m) {
            const struct job *best = e->ops->peek(e->store, pool->index, e->now_ms);
            if (!best || !make_way(e, pool, best->priority))
                return;
            continue;
        }
        struct job *job = e->ops->claim(e->store, pool->index, e->now_ms);
        if (!job)
            return;
        if (!may_run(e, job))
            continue;
        if (m->line_min < job->priority && line_of(m)) { /* it must not queue behind less urgent ones */
            flush(m);
            dispatch_recall(e, m);
        }
        put_in_line(e, m, job);
    }
}

static bool someone_idles(const struct pool *pool)
{
    for (const struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        const struct member *m = LIST_ENTRY(at, struct member, link);
        if (!m->retiring && m->held < pool->slots && line_of(m) == 0 && worker_hungry(m->worker))
            return true;
    }
    return false;
}

/* Jobs that wait behind one that computes go to a worker that idles. */
static void level(struct engine *e, struct pool *pool)
{
    if (!someone_idles(pool) || e->ops->peek(e->store, pool->index, e->now_ms))
        return;
    for (struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        if (line_length(worker_line(m->worker)) && !worker_hungry(m->worker))
            dispatch_recall(e, m);
    }
}

static void serve_returning(struct engine *e, struct member *m)
{
    if (list_empty(&m->returning))
        return;
    if (m->held >= m->pool->slots)
        dispatch_recall(e, m);
    for (struct list *at = m->returning.next, *next; at != &m->returning; at = next) {
        next = at->next;
        struct claim *claim = LIST_ENTRY(at, struct claim, returning);
        list_remove(at);
        claim->queue->returning--;
        if (!try_return(e, claim)) {
            list_insert(next, at);
            claim->queue->returning++;
        }
    }
}

static void settle_members(struct engine *e, struct pool *pool)
{
    for (struct list *at = pool->members.next; at != &pool->members; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        serve_returning(e, m);
        if (!m->retiring || m->worker == NULL)
            continue;
        dispatch_recall(e, m);
        if (m->jobs == 0 && !m->leaving) {
            m->leaving = true;
            worker_note(m->worker, WORKER_EXIT, 0);
        }
    }
}

void dispatch(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        struct pool *pool = &e->pools[i];
        settle_members(e, pool);
        if (e->draining)
            continue;
        level(e, pool);
        hand_out_on_dead(e, pool);
        hand_out(e, pool);
        for (struct list *at = pool->members.next; at != &pool->members; at = at->next)
            flush(LIST_ENTRY(at, struct member, link));
    }
}
