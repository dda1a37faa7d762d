/* Arithmetic on struct neap_counters (neap.h), pure. Whoever owns the counters calls it. */
#ifndef MODEL_METRICS_H
#define MODEL_METRICS_H

#include <stdint.h>

#include "model/life.h"
#include "neap.h"

/* Bucket i counts values below 2^i us and not below 2^(i-1); the last one everything from there on.
 * Negative values count as 0. */
unsigned metrics_bucket(int64_t us);

struct attempt_cost { /* as in struct outcome */
    int64_t run_us, wait_us, cpu_us;
    uint64_t bytes;
};

/* An attempt that had started ended: how, which state followed, what it took; counted in both.
 * Does not touch `running` and `waiting`. failed: attempts that ended badly (retried or dead);
 * retried: those that will run again. */
void counters_ended(struct neap_counters *a, struct neap_counters *b, enum outcome_kind kind,
                    int state, const struct attempt_cost *cost);

/* A job ended without an attempt (cancelled in line, expired): only its final state counts. */
void counters_dropped_out(struct neap_counters *c, int state);

/* Adds every field of `from`, gauges too. */
void counters_add(struct neap_counters *into, const struct neap_counters *from);

/* How many values a histogram has. */
uint64_t metrics_count(const uint64_t buckets[NEAP_BUCKETS]);

/* The value in us below which the part `q` (0..1) of the values lies: by straight line inside its
 * bucket, so right within a factor of two. 0 where there are none. */
double metrics_quantile(const uint64_t buckets[NEAP_BUCKETS], double q);

#endif
