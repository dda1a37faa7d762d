#include "model/metrics.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

unsigned metrics_bucket(int64_t us)
{
    const unsigned bits = us > 0 ? 64 - (unsigned)__builtin_clzll((unsigned long long)us) : 0;
    return bits < NEAP_BUCKETS ? bits : NEAP_BUCKETS - 1;
}

static uint64_t whole(int64_t us)
{
    return us > 0 ? (uint64_t)us : 0;
}

/* What is added to the counters of an attempt. */
struct addends {
    int state;
    bool failed;
    unsigned run_bucket, wait_bucket;
    uint64_t run_us, wait_us, cpu_us, bytes;
};

static inline void add(struct counters *c, const struct addends *x)
{
    c->became[x->state]++;
    c->failed += x->failed;
    c->run_sum_us += x->run_us;
    c->wait_sum_us += x->wait_us;
    c->cpu_sum_us += x->cpu_us;
    c->bytes_sum += x->bytes;
    c->run_us[x->run_bucket]++;
    c->wait_us[x->wait_bucket]++;
}

void counters_ended(struct counters *a, struct counters *b, enum outcome_kind kind, int state,
                    const struct attempt_cost *cost)
{
    const struct addends x = {
        .state = state,
        .failed = kind == OUTCOME_FAILED || kind == OUTCOME_RETRY || kind == OUTCOME_DEAD,
        .run_bucket = metrics_bucket(cost->run_us),
        .wait_bucket = metrics_bucket(cost->wait_us),
        .run_us = whole(cost->run_us),
        .wait_us = whole(cost->wait_us),
        .cpu_us = whole(cost->cpu_us),
        .bytes = cost->bytes,
    };
    add(a, &x);
    add(b, &x);
}

void counters_read(const struct counters *c, struct neap_counters *out)
{
    *out = (struct neap_counters){
        .submitted = c->submitted,
        .completed = c->became[NEAP_COMPLETED],
        .failed = c->failed,
        .retried = c->became[NEAP_RETRYABLE],
        .dead = c->became[NEAP_DEAD],
        .cancelled = c->became[NEAP_CANCELLED],
        .waiting = c->live,
        .run_sum_s = (double)c->run_sum_us / 1e6,
        .wait_sum_s = (double)c->wait_sum_us / 1e6,
        .cpu_sum_s = (double)c->cpu_sum_us / 1e6,
        .bytes_sum = c->bytes_sum,
    };
    memcpy(out->run_us, c->run_us, sizeof out->run_us);
    memcpy(out->wait_us, c->wait_us, sizeof out->wait_us);
}

void counters_add(struct neap_counters *into, const struct neap_counters *from)
{
    into->submitted += from->submitted;
    into->completed += from->completed;
    into->failed += from->failed;
    into->retried += from->retried;
    into->dead += from->dead;
    into->cancelled += from->cancelled;
    into->dropped += from->dropped;
    into->rejected += from->rejected;
    into->running += from->running;
    into->waiting += from->waiting;
    for (unsigned i = 0; i < NEAP_BUCKETS; i++) {
        into->run_us[i] += from->run_us[i];
        into->wait_us[i] += from->wait_us[i];
    }
    into->run_sum_s += from->run_sum_s;
    into->wait_sum_s += from->wait_sum_s;
    into->cpu_sum_s += from->cpu_sum_s;
    into->bytes_sum += from->bytes_sum;
}

uint64_t metrics_count(const uint64_t buckets[NEAP_BUCKETS])
{
    uint64_t count = 0;
    for (unsigned i = 0; i < NEAP_BUCKETS; i++)
        count += buckets[i];
    return count;
}

static double bound_us(unsigned bucket)
{
    return bucket ? (double)(1ull << bucket) : 0; /* bucket 0 holds zeros only */
}

double metrics_quantile(const uint64_t buckets[NEAP_BUCKETS], double q)
{
    assert(q >= 0 && q <= 1);
    double left = q * (double)metrics_count(buckets);
    unsigned last = 0;
    for (unsigned i = 0; i < NEAP_BUCKETS; i++) {
        const double in = (double)buckets[i];
        if (in > 0) {
            if (left <= in)
                return bound_us(i) / 2 * (1 + left / in);
            last = i;
        }
        left -= in;
    }
    return bound_us(last); /* rounding took it past the last one */
}
