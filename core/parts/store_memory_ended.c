/* Jobs that have ended: kept within limits, or as long as somebody pins them. */
#include "parts/store_memory.h"

#include <assert.h>

#include "base/pool.h"

#define AHEAD 12 /* jobs are fetched so long before they are forgotten */

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

/* They ended long ago, so they are in no cache. */
FETCH_INLINE void fetch_next(const struct store *s, const struct shelf *shelf)
{
    const struct shelf_entry *entry = shelf_at(shelf, AHEAD);
    if (!entry)
        return;
    job_table_fetch(&s->jobs, entry->id);
    if (!entry->plain)
        job_fetch(entry->job);
}

static void forget_oldest(struct store *s, struct kept *kept, size_t count)
{
    for (; count; count--) {
        fetch_next(s, &kept->shelf);
        const struct shelf_entry oldest = shelf_shift(&kept->shelf);
        if (!oldest.plain) {
            forget(s, oldest.job);
            continue;
        }
        job_table_drop(&s->jobs, oldest.job, oldest.id);
        s->counts[oldest.state]--;
        pool_give(s->cache, oldest.job, oldest.block);
    }
    shelf_trim(&kept->shelf);
}

static size_t over_count(const struct kept *kept)
{
    const size_t max = kept->max > 0 ? (size_t)kept->max : 0;
    return kept->max && kept->shelf.count > max ? kept->shelf.count - max : 0;
}

static bool too_old(const struct kept *kept, int64_t now_ms)
{
    const struct shelf_entry *oldest = kept->max_ms ? shelf_oldest(&kept->shelf) : NULL;
    return oldest && now_ms - oldest->finished_ms >= kept->max_ms;
}

/* By their number, at most `most`; returns how many. */
static size_t forget_many(struct store *s, struct kept *kept, size_t most)
{
    const size_t over = over_count(kept), n = over < most ? over : most;
    forget_oldest(s, kept, n);
    return n;
}

static size_t forget_old(struct store *s, struct kept *kept, size_t most)
{
    size_t n = 0;
    for (; n < most && too_old(kept, s->now_ms); n++)
        forget_oldest(s, kept, 1);
    return n;
}

/* Where all together are too large, the one that ended first, of either kind; or NULL. */
static struct kept *too_large(struct store *s)
{
    if (!s->max_bytes || s->completed.shelf.bytes + s->dead.shelf.bytes <= s->max_bytes)
        return NULL;
    const struct shelf_entry *a = shelf_oldest(&s->completed.shelf);
    const struct shelf_entry *b = shelf_oldest(&s->dead.shelf);
    return !a || (b && b->finished_ms < a->finished_ms) ? &s->dead : &s->completed;
}

static bool is_over(struct store *s)
{
    return over_count(&s->completed) || over_count(&s->dead) || too_large(s) ||
           too_old(&s->completed, s->now_ms) || too_old(&s->dead, s->now_ms);
}

/* At most `most`; returns how many. */
static size_t forget_some(struct store *s, size_t most)
{
    size_t n = forget_many(s, &s->completed, most);
    n += forget_many(s, &s->dead, most - n);
    for (struct kept *kept; n < most && (kept = too_large(s)); n++)
        forget_oldest(s, kept, 1);
    n += forget_old(s, &s->completed, most - n);
    n += forget_old(s, &s->dead, most - n);
    return n;
}

/* Pinned for so long that as many as are to be kept have ended since. */
static bool is_past(const struct kept *kept, const struct job *job)
{
    return kept->max > 0 && kept->ended - (uint64_t)job->due.key >= (uint64_t)kept->max;
}

static void pinned(struct store *s, struct job *job)
{
    job->where = JOB_PINNED;
    job->due.key = (int64_t)kept_of(s, job)->ended;
}

/* They are forgotten faster than they come, some at a time; never the one that has just ended. */
static void keep_ended(struct store *s, struct job *job)
{
    if (++s->kept_since == STORE_OVER_MAX / 2) {
        s->kept_since = 0;
        forget_some(s, STORE_OVER_MAX);
    }
    shelf_push(&kept_of(s, job)->shelf, job, job_extra_bytes(job)); /* it may shrink later */
    job->where = JOB_KEPT;
}

void memory_end(struct store *s, struct job *job, int state, bool keep, int64_t now_ms)
{
    assert(job->where == JOB_NOWHERE);
    memory_set_state(s, job, state, false);
    keep = keep && kept_of(s, job)->max >= 0;
    job->finished_ms = now_ms;
    kept_of(s, job)->ended++;
    if (job->pins && keep)
        pinned(s, job);
    else if (job->pins)
        job->where = JOB_LEAVING;
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
        pinned(s, job);
    }
}

static void unpin(struct store *s, struct job *job)
{
    assert(job->pins > 0);
    if (--job->pins > 0 || !memory_has_ended(job))
        return;
    if (job->where == JOB_PINNED && !is_past(kept_of(s, job), job))
        keep_ended(s, job);
    else
        forget(s, job);
}

FETCH_INLINE void fetch_pinned(const struct store *s, struct job *const *jobs, size_t count)
{
    if (count > AHEAD)
        job_table_fetch(&s->jobs, jobs[AHEAD]->id);
}

void memory_unpin(struct store *s, struct job *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fetch_pinned(s, jobs + i, count - i);
        unpin(s, jobs[i]);
    }
}

bool memory_prune(struct store *s, int64_t now_ms)
{
    memory_see_time(s, now_ms);
    uniques_expire(&s->uniques, s->now_ms);
    return forget_some(s, STORE_PRUNE_STEP) == STORE_PRUNE_STEP && is_over(s);
}
