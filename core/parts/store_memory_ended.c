/* Jobs that have ended: kept within limits, or as long as somebody pins them. */
#include "parts/store_memory.h"

#include <assert.h>

#define JOBS_AHEAD 12   /* jobs are fetched so long before they are forgotten, */
#define BUCKETS_AHEAD 8 /* and their places in the table, which only they know, */
#define CHAINS_AHEAD 4  /* and who is there before them */

static struct kept *kept_of(struct store *s, const struct job *job)
{
    return job->state == NEAP_DEAD ? &s->dead : &s->completed;
}

static void forget(struct store *s, struct job *job)
{
    if (job_terms(job)->unique)
        uniques_orphan(&s->uniques, job, s->now_ms);
    job_table_remove(&s->jobs, job);
    s->counts[memory_counted_as(job)]--;
    job_free(s->cache, job);
}

void memory_unkeep(struct store *s, struct job *job)
{
    shelf_remove(&kept_of(s, job)->shelf, job);
    job->where = JOB_NOWHERE;
}

static struct job *over_limit(const struct kept *kept, int64_t now_ms)
{
    struct job *job = shelf_at(&kept->shelf, 0);
    if (!job)
        return NULL;
    const bool many = kept->max && (int64_t)kept->shelf.count > (kept->max > 0 ? kept->max : 0);
    return many || (kept->max_ms && now_ms - job->finished_ms >= kept->max_ms) ? job : NULL;
}

/* The job that the limits say must go first, or NULL. */
static struct job *next_to_go(struct store *s)
{
    struct job *job = over_limit(&s->completed, s->now_ms);
    if (!job)
        job = over_limit(&s->dead, s->now_ms);
    const size_t bytes = s->completed.shelf.bytes + s->dead.shelf.bytes;
    if (job || !s->max_bytes || bytes <= s->max_bytes)
        return job;
    struct job *a = shelf_at(&s->completed.shelf, 0), *b = shelf_at(&s->dead.shelf, 0);
    return !a || (b && b->finished_ms < a->finished_ms) ? b : a;
}

/* They ended long ago, so they are in no cache. */
FETCH_INLINE void fetch_next(const struct store *s, const struct shelf *shelf)
{
    const struct job *job = shelf_at(shelf, JOBS_AHEAD);
    if (job)
        job_fetch(job);
    job = shelf_at(shelf, BUCKETS_AHEAD);
    if (job)
        job_table_fetch(&s->jobs, job->id);
    job = shelf_at(shelf, CHAINS_AHEAD);
    if (job)
        job_table_fetch_chain(&s->jobs, job->id);
}

static size_t forget_some(struct store *s, size_t most, const struct job *spared)
{
    size_t n = 0;
    for (; n < most; n++) {
        struct job *job = next_to_go(s);
        if (!job || job == spared)
            break;
        fetch_next(s, &kept_of(s, job)->shelf);
        memory_unkeep(s, job);
        forget(s, job);
    }
    return n;
}

static void keep_ended(struct store *s, struct job *job)
{
    shelf_push(&kept_of(s, job)->shelf, job, job_extra_bytes(job)); /* it may shrink later */
    job->where = JOB_KEPT;
    forget_some(s, 2, job); /* faster than they come, a little at a time */
}

void memory_end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms)
{
    assert(job->where == JOB_NOWHERE);
    memory_set_state(s, job, state, false);
    keep = keep && kept_of(s, job)->max >= 0;
    job->finished_ms = now_ms;
    if (job->pins)
        job->where = keep ? JOB_PINNED : JOB_LEAVING;
    else if (keep)
        keep_ended(s, job);
    else
        forget(s, job);
}

void memory_limit(struct store *s, const struct store_limits *limits)
{
    s->completed.max = limits->completed;
    s->completed.max_ms = limits->completed_ms;
    s->dead.max = limits->dead;
    s->dead.max_ms = limits->dead_ms;
    s->max_bytes = limits->bytes;
}

void memory_forget(struct store *s, struct job *job)
{
    assert(job->where == JOB_KEPT);
    memory_unkeep(s, job);
    forget(s, job);
}

void memory_pin(struct store *s, struct job *job)
{
    assert(job->pins < UINT16_MAX);
    if (job->pins++ == 0 && job->where == JOB_KEPT) {
        memory_unkeep(s, job);
        job->where = JOB_PINNED;
    }
}

void memory_unpin(struct store *s, struct job *job)
{
    assert(job->pins > 0);
    if (--job->pins > 0 || !memory_has_ended(job))
        return;
    if (job->where == JOB_PINNED)
        keep_ended(s, job);
    else
        forget(s, job);
}

bool memory_prune(struct store *s, int64_t now_ms)
{
    memory_see_time(s, now_ms);
    uniques_expire(&s->uniques, s->now_ms);
    return forget_some(s, STORE_PRUNE_STEP, NULL) == STORE_PRUNE_STEP && next_to_go(s);
}
