/* Jobs in line that will not run: expired, or without a task. */
#include "engine/engine_state.h"

#include "base/mem.h"

#include <stdlib.h>

#define EXPIRIES_SPARE                                                                             \
    1024 /* how many of jobs that ended are kept at most, besides as many as live */

/* --- expiry
 * --------------------------------------------------------------------------------------- */

static bool can_expire(const struct engine *e, const struct heap_node *node)
{
    const struct job *job = e->ops->get(e->store, node->tie);
    return job && !job_has_ended(job);
}

/* Entries of jobs that ended in time stay behind; this drops them now and then. */
static void sweep(struct engine *e)
{
    struct heap old = e->expiries;
    e->expiries = (struct heap){0};
    for (struct heap_node *node; (node = heap_pop(&old));) {
        if (can_expire(e, node))
            heap_push(&e->expiries, node);
        else
            free(HEAP_ENTRY(node, struct expiry, node));
    }
    heap_close(&old);
}

void expiry_watch(struct engine *e, const struct job *job)
{
    if (!job->expires_ms)
        return;
    if (e->expiries.len > EXPIRIES_SPARE + 2 * e->live)
        sweep(e);
    struct expiry *expiry = mem_zero(1, sizeof *expiry);
    expiry->node.key = job->expires_ms;
    expiry->node.tie = job->id;
    heap_push(&e->expiries, &expiry->node);
}

static void expire(struct engine *e, uint64_t id)
{
    struct job *job = e->ops->get(e->store, id);
    if (!job || job_has_ended(job))
        return;
    if (job->claim && !atomic_load_explicit(&job->started, memory_order_acquire))
        dispatch_recall(e, job->claim->member);
    if (!job->claim)
        job_cancel_waiting(e, job);
}

void jobs_expire(struct engine *e)
{
    for (struct heap_node *node; (node = heap_min(&e->expiries)) && node->key <= e->now_ms;) {
        const uint64_t id = node->tie;
        heap_pop(&e->expiries);
        free(HEAP_ENTRY(node, struct expiry, node));
        expire(e, id);
    }
}

/* --- held
 * ----------------------------------------------------------------------------------------- */

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
