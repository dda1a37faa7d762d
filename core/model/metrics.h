/* Counters of jobs, pure. Whoever owns them calls it. */
#ifndef MODEL_METRICS_H
#define MODEL_METRICS_H

#include <stdint.h>

#include "model/life.h"
#include "neap.h"

/* Bucket i counts values below 2^i us and not below 2^(i-1); the last one everything from there on.
 * Negative values count as 0. */
unsigned metrics_bucket(int64_t us);

/* Of a queue or a task, in whole numbers: they are added to at each end of an attempt. */
struct counters {
    uint64_t submitted, live;     /* live: that have not ended */
    uint64_t became[NEAP_STATES]; /* so often that state was what followed an attempt, or none */
    uint64_t failed;              /* attempts that ended badly: retried or dead */
    uint64_t run_sum_us, wait_sum_us, cpu_sum_us, bytes_sum;
    uint64_t run_us[NEAP_BUCKETS], wait_us[NEAP_BUCKETS];
};

struct attempt_cost { /* as in struct outcome */
    int64_t run_us, wait_us, cpu_us;
    uint64_t bytes;
};

/* An attempt that had started ended: how, which state followed, what it took; counted in both. */
void counters_ended(struct counters *a, struct counters *b, enum outcome_kind kind, int state,
                    const struct attempt_cost *cost);

/* As those are who ask; `running`, `rejected` and `dropped` are 0, `waiting` is all that live. */
void counters_read(const struct counters *c, struct neap_counters *out);

/* Adds every field of `from`, gauges too. */
void counters_add(struct neap_counters *into, const struct neap_counters *from);

/* How many values a histogram has. */
uint64_t metrics_count(const uint64_t buckets[NEAP_BUCKETS]);

/* The value in us below which the part `q` (0..1) of the values lies: by straight line inside its
 * bucket, so right within a factor of two. 0 where there are none. */
double metrics_quantile(const uint64_t buckets[NEAP_BUCKETS], double q);

#endif
