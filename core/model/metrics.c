#include "model/metrics.h"

#include <assert.h>

unsigned metrics_bucket(int64_t us)
{
    const unsigned bits = us > 0 ? 64 - (unsigned)__builtin_clzll((unsigned long long)us) : 0;
    return bits < NEAP_BUCKETS ? bits : NEAP_BUCKETS - 1;
}

static void count_state(struct neap_counters *c, int state)
{
    c->completed += state == NEAP_COMPLETED;
    c->retried += state == NEAP_RETRYABLE;
    c->dead += state == NEAP_DEAD;
    c->cancelled += state == NEAP_CANCELLED;
}

static int64_t at_least_0(int64_t us)
{
    return us > 0 ? us : 0;
}

void counters_ended(struct neap_counters *c, enum outcome_kind kind, int state,
                    const struct attempt_cost *cost)
{
    const int64_t run = at_least_0(cost->run_us), wait = at_least_0(cost->wait_us);
    c->failed += kind == OUTCOME_FAILED || kind == OUTCOME_RETRY || kind == OUTCOME_DEAD;
    count_state(c, state);
    c->run_us[metrics_bucket(run)]++;
    c->wait_us[metrics_bucket(wait)]++;
    c->run_sum_s += (double)run / 1e6;
    c->wait_sum_s += (double)wait / 1e6;
    c->cpu_sum_s += (double)at_least_0(cost->cpu_us) / 1e6;
    c->bytes_sum += cost->bytes;
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
