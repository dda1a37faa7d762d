/* Jobs by id. A hash table that grows by one bucket an insertion (linear hashing), so that no
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
    size_t n_buckets; /* as many as there were ever jobs, at least JOB_TABLE_MIN */
    size_t base;      /* the power of two below or at n_buckets */
    size_t count;
};
#define JOB_TABLE_MIN 64

void job_table_init(struct job_table *table);
void job_table_close(struct job_table *table);

void job_table_add(struct job_table *table, struct job *job); /* its id must be new */
void job_table_remove(struct job_table *table, struct job *job);
/* The job is going to be removed soon: asks for its bucket, and later, when that has come, for the
 * job that is before it there. */
void job_table_fetch(const struct job_table *table, uint64_t id);
void job_table_fetch_chain(const struct job_table *table, uint64_t id);
struct job *job_table_find(const struct job_table *table, uint64_t id); /* NULL: none */

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
