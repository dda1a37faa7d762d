#include "model/metrics.h"

#include <assert.h>
#include <stdbool.h>

unsigned metrics_bucket(int64_t us)
{
    const unsigned bits = us > 0 ? 64 - (unsigned)__builtin_clzll((unsigned long long)us) : 0;
    return bits < NEAP_BUCKETS ? bits : NEAP_BUCKETS - 1;
}

static void count_state(struct neap_counters *c, int state)
{
    if (state == NEAP_COMPLETED)
        c->completed++;
    else if (state == NEAP_RETRYABLE)
        c->retried++;
    else if (state == NEAP_DEAD)
        c->dead++;
    else if (state == NEAP_CANCELLED)
        c->cancelled++;
}

static double seconds(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

/* What is added to the counters of an attempt. */
struct addends {
    int state;
    bool failed;
    unsigned run_bucket, wait_bucket;
    double run_s, wait_s, cpu_s;
    uint64_t bytes;
};

static inline void add(struct neap_counters *c, const struct addends *x)
{
    c->failed += x->failed;
    count_state(c, x->state);
    c->run_us[x->run_bucket]++;
    c->wait_us[x->wait_bucket]++;
    c->run_sum_s += x->run_s;
    c->wait_sum_s += x->wait_s;
    c->cpu_sum_s += x->cpu_s;
    c->bytes_sum += x->bytes;
}

void counters_ended(struct neap_counters *a, struct neap_counters *b, enum outcome_kind kind,
                    int state, const struct attempt_cost *cost)
{
    const struct addends x = {
        .state = state,
        .failed = kind == OUTCOME_FAILED || kind == OUTCOME_RETRY || kind == OUTCOME_DEAD,
        .run_bucket = metrics_bucket(cost->run_us),
        .wait_bucket = metrics_bucket(cost->wait_us),
        .run_s = seconds(cost->run_us),
        .wait_s = seconds(cost->wait_us),
        .cpu_s = seconds(cost->cpu_us),
        .bytes = cost->bytes,
    };
    add(a, &x);
    add(b, &x);
}

void counters_dropped_out(struct neap_counters *c, int state)
{
    assert(state == NEAP_CANCELLED || state == NEAP_DEAD);
    count_state(c, state);
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
