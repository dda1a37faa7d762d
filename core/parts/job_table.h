/* Jobs by id. A hash table that grows by a few buckets at a time (linear hashing), so that no
 * insertion stalls its owner, the engine. Jobs chain themselves (next_by_id); it owns none. */
#ifndef PARTS_JOB_TABLE_H
#define PARTS_JOB_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/job.h"

/* The id of a bucket's first job stands here, so that most looks do not fetch the job. */
struct job_bucket {
    uint64_t id;
    uintptr_t first; /* the job, plus 1 where others follow it (next_by_id); 0: none */
};

static inline struct job *job_bucket_first(const struct job_bucket *bucket) /* NULL: empty */
{
    return (struct job *)(bucket->first & ~(uintptr_t)1);
}

struct job_table {
    struct job_bucket *buckets;
    size_t n_buckets; /* as many as there were ever jobs, or on the way to 2 * base */
    size_t base;      /* a power of two, at least half of n_buckets */
    size_t count;
};
#define JOB_TABLE_MIN 64

/* Ids are 42 bits of time above 22 of a sequence that goes on from one millisecond to the next. So
 * jobs made one after the other lie side by side, none upon another, whatever their number; and
 * those of different milliseconds do where the sequence does not tell them apart. */
static inline size_t job_table_hash(uint64_t id)
{
    return (size_t)(id + (id >> 22));
}

/* Buckets below n_buckets - base are split already, by one more bit of the hash. */
static inline struct job_bucket *job_table_bucket(const struct job_table *table, uint64_t id)
{
    const size_t hash = job_table_hash(id), wide = hash & (2 * table->base - 1);
    return &table->buckets[wide < table->n_buckets ? wide : hash & (table->base - 1)];
}

void job_table_init(struct job_table *table);
void job_table_close(struct job_table *table);

void job_table_add(struct job_table *table, struct job *job); /* its id must be new */
void job_table_remove(struct job_table *table, struct job *job);
/* The same for one that is freed next: where no other job has its bucket, without a look at it. */
void job_table_drop(struct job_table *table, struct job *job, uint64_t id);
/* The job is going to be removed soon: asks for its bucket. */
FETCH_INLINE void job_table_fetch(const struct job_table *table, uint64_t id)
{
    fetch_line(job_table_bucket(table, id));
}
/* Asks for the front of the job of that id, if there is one and its bucket says so. */
FETCH_INLINE void job_table_fetch_front(const struct job_table *table, uint64_t id)
{
    const struct job_bucket *bucket = job_table_bucket(table, id);
    if (bucket->id == id)
        job_fetch(job_bucket_first(bucket));
}
struct job *job_table_find(const struct job_table *table, uint64_t id); /* NULL: none */
static inline struct job *job_table_find_claimed(const struct job_table *table, uint64_t id)
{
    struct job *job = job_table_find(table, id);
    return job && job->claimed ? job : NULL;
}

struct job_scan {
    uint64_t after;    /* begins behind this id; 0: at the first */
    bool newest_first; /* in descending order of ids */
    bool (*wanted)(const void *user, const struct job *job); /* NULL: all are */
    const void *user;
};
/* Jobs in order of id, at most `max`, into `out`; returns how many. Looks at all. */
size_t job_table_scan(const struct job_table *table, const struct job_scan *scan, struct job **out,
                      size_t max);

/* Each job once, in no order; `each` may free it. */
void job_table_each(const struct job_table *table, void *user,
                    void (*each)(void *user, struct job *job));

#endif
