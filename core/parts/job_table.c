#include "parts/job_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/fetch.h"
#include "base/mem.h"

#define AHEAD 8   /* buckets */
#define SPLITS 16 /* buckets that come at a time; divides JOB_TABLE_MIN */

static bool has_more(const struct job_bucket *bucket)
{
    return bucket->first & 1;
}

FETCH_INLINE void fetch_links(const struct job *job)
{
    fetch_line(&job->next_by_id);
    fetch_line(&job->id);
}

/* The job is the first from now on; the others come behind it. */
static void push(struct job_bucket *bucket, struct job *job, uint64_t id)
{
    const bool more = bucket->first != 0;
    if (more)
        job->next_by_id = job_bucket_first(bucket);
    *bucket = (struct job_bucket){id, (uintptr_t)job | more};
}

void job_table_init(struct job_table *table)
{
    *table = (struct job_table){.n_buckets = JOB_TABLE_MIN, .base = JOB_TABLE_MIN / 2};
    table->buckets = mem_zero(2 * table->base, sizeof *table->buckets);
}

void job_table_close(struct job_table *table)
{
    free(table->buckets);
    *table = (struct job_table){0};
}

/* The jobs of the buckets that are split next may have left the caches long ago. Where there are
 * two in one, the second is known once the first has come. */
FETCH_INLINE void fetch_ahead(const struct job_table *table)
{
    const struct job_bucket *next = &table->buckets[table->n_buckets - table->base];
    if (2 * table->base - table->n_buckets <= AHEAD)
        return;
    if (has_more(&next[AHEAD]))
        fetch_links(job_bucket_first(&next[AHEAD]));
    if (has_more(&next[AHEAD / 2]))
        fetch_links(job_bucket_first(&next[AHEAD / 2])->next_by_id);
}

/* One more bucket: it takes its share of the bucket it was part of. */
static void split(struct job_table *table)
{
    fetch_ahead(table);
    struct job_bucket *new = &table->buckets[table->n_buckets++], *old = new - table->base;
    const struct job_bucket was = *old;
    *new = *old = (struct job_bucket){0};
    if (!has_more(&was)) { /* without a look at the job itself */
        *(job_table_hash(was.id) & table->base ? new : old) = was;
        return;
    }
    for (struct job *job = job_bucket_first(&was), *next; job; job = next) {
        next = job->next_by_id;
        job->next_by_id = NULL;
        push(job_table_hash(job->id) & table->base ? new : old, job, job->id);
    }
}

/* There is room for 2 * base, and once it has begun it goes on up to there: ids in a row, which
 * have a bucket each, meet each other in those that are not split yet. */
static void grow(struct job_table *table)
{
    if (table->n_buckets == 2 * table->base) {
        table->base *= 2;
        table->buckets = mem_grow(table->buckets, 2 * table->base, sizeof *table->buckets);
    }
    for (int i = 0; i < SPLITS; i++)
        split(table);
}

struct job *job_table_find(const struct job_table *table, uint64_t id)
{
    const struct job_bucket *bucket = job_table_bucket(table, id);
    if (bucket->first && bucket->id == id)
        return job_bucket_first(bucket);
    struct job *job = has_more(bucket) ? job_bucket_first(bucket)->next_by_id : NULL;
    while (job && job->id != id)
        job = job->next_by_id;
    return job;
}

void job_table_add(struct job_table *table, struct job *job)
{
    if (table->count >= table->n_buckets || table->n_buckets < 2 * table->base)
        grow(table);
    push(job_table_bucket(table, job->id), job, job->id);
    table->count++;
}

static void remove_first(struct job_bucket *bucket)
{
    struct job *next = has_more(bucket) ? job_bucket_first(bucket)->next_by_id : NULL;
    if (next)
        *bucket = (struct job_bucket){next->id, (uintptr_t)next | (next->next_by_id != NULL)};
    else
        *bucket = (struct job_bucket){0};
}

static void remove_later(struct job_bucket *bucket, const struct job *job)
{
    struct job *before = job_bucket_first(bucket);
    assert(before);
    while (before->next_by_id != job) {
        before = before->next_by_id;
        assert(before);
    }
    before->next_by_id = job->next_by_id;
    if (!job_bucket_first(bucket)->next_by_id)
        bucket->first &= ~(uintptr_t)1;
}

void job_table_remove(struct job_table *table, struct job *job)
{
    struct job_bucket *bucket = job_table_bucket(table, job->id);
    if (job_bucket_first(bucket) == job)
        remove_first(bucket);
    else
        remove_later(bucket, job);
    job->next_by_id = NULL;
    table->count--;
}

void job_table_drop(struct job_table *table, struct job *job, uint64_t id)
{
    struct job_bucket *bucket = job_table_bucket(table, id);
    if (bucket->first != (uintptr_t)job) {
        job_table_remove(table, job);
        return;
    }
    *bucket = (struct job_bucket){0};
    table->count--;
}

void job_table_each(const struct job_table *table, void *user,
                    void (*each)(void *user, struct job *job))
{
    for (size_t i = 0; i < table->n_buckets; i++) {
        for (struct job *job = job_bucket_first(&table->buckets[i]), *next; job; job = next) {
            next = job->next_by_id;
            each(user, job);
        }
    }
}

/* The scan keeps the first `max` jobs seen so far in a heap with the last of them on top. Newest
 * first, the rank of an id is its complement. */

static uint64_t rank_of(const struct job *job, uint64_t flip)
{
    return job->id ^ flip;
}

static void sift_down(struct job **heap, size_t len, struct job *job, uint64_t flip)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < len; at = child) {
        if (child + 1 < len && rank_of(heap[child + 1], flip) > rank_of(heap[child], flip))
            child++;
        if (rank_of(heap[child], flip) <= rank_of(job, flip))
            break;
        heap[at] = heap[child];
    }
    heap[at] = job;
}

static void sift_up(struct job **heap, size_t at, struct job *job, uint64_t flip)
{
    for (; at && rank_of(heap[(at - 1) / 2], flip) < rank_of(job, flip); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = job;
}

size_t job_table_scan(const struct job_table *table, const struct job_scan *scan, struct job **out,
                      size_t max)
{
    const uint64_t flip = scan->newest_first ? UINT64_MAX : 0;
    const uint64_t after = scan->after ? scan->after ^ flip : 0;
    size_t len = 0;
    for (size_t i = 0; max && i < table->n_buckets; i++) {
        for (struct job *job = job_bucket_first(&table->buckets[i]); job; job = job->next_by_id) {
            if (rank_of(job, flip) <= after || (scan->wanted && !scan->wanted(scan->user, job)))
                continue;
            if (len < max)
                sift_up(out, len++, job, flip);
            else if (rank_of(job, flip) < rank_of(out[0], flip))
                sift_down(out, len, job, flip);
        }
    }
    for (size_t left = len; left > 1; left--) { /* the last to the end */
        struct job *last = out[0];
        sift_down(out, left - 1, out[left - 1], flip);
        out[left - 1] = last;
    }
    return len;
}
