#include "model/life.h"

#include <assert.h>

/* A delay beyond this (278,000 years) is this: exact in a double, and far from INT64_MAX. */
#define DELAY_MAX_MS ((int64_t)1 << 53)

static int64_t add_saturated(int64_t now_ms, int64_t delay_ms)
{
    int64_t sum;
    if (__builtin_add_overflow(now_ms, delay_ms, &sum) || sum == INT64_MAX)
        return INT64_MAX - 1; /* INT64_MAX means "never due" to the index */
    return sum;
}

/* base grown `n` times over, at most `limit`. */
static int64_t grow(int backoff, int64_t base, uint32_t n, int64_t limit)
{
    int64_t delay = base;
    if (backoff == NEAP_LINEAR && __builtin_mul_overflow(base, (int64_t)n, &delay))
        return limit;
    if (backoff == NEAP_EXPONENTIAL && base > 0)
        delay = n > 62 || base > limit >> (n - 1) ? limit : base << (n - 1);
    return delay < limit ? delay : limit;
}

int64_t retry_delay(const struct retry *policy, uint32_t n, double random)
{
    assert(random >= 0 && random <= 1);
    const int64_t base = policy->base_ms > 0 ? policy->base_ms : 0;
    const int64_t cap = policy->cap_ms;
    const int64_t limit = cap >= 0 && cap < DELAY_MAX_MS ? cap : DELAY_MAX_MS;
    const int64_t delay = grow(policy->backoff, base, n ? n : 1, limit);
    const double jitter = policy->jitter > 0 ? policy->jitter : 0;
    const double spread = (double)delay * (1 + jitter * (2 * random - 1));
    if (spread <= 0)
        return 0;
    return spread < (double)DELAY_MAX_MS ? (int64_t)(spread + 0.5) : DELAY_MAX_MS;
}

static struct life failed(const struct job *job, const struct retry *policy, int64_t due_ms)
{
    const uint32_t used = job->attempt ? job->attempt : 1;
    const bool again = policy && policy->max > 0 && used <= (uint32_t)policy->max;
    return (struct life){again ? NEAP_RETRYABLE : NEAP_DEAD, again ? due_ms : 0, used};
}

struct life job_next(const struct job *job, enum outcome_kind kind, int64_t after_ms,
                     const struct retry *policy, int64_t now_ms, double random)
{
    const int64_t after = add_saturated(now_ms, after_ms > 0 ? after_ms : 0);
    const uint32_t before = job->attempt ? job->attempt - 1 : 0;
    switch (kind) {
    case OUTCOME_COMPLETED:
        return (struct life){NEAP_COMPLETED, 0, job->attempt};
    case OUTCOME_FAILED: {
        const int64_t delay = policy ? retry_delay(policy, job->attempt, random) : 0;
        return failed(job, policy, add_saturated(now_ms, delay));
    }
    case OUTCOME_RETRY:
        return failed(job, policy, after);
    case OUTCOME_SNOOZED:
        return (struct life){NEAP_SCHEDULED, after, before};
    case OUTCOME_CANCELLED:
        return (struct life){NEAP_CANCELLED, 0, job->attempt};
    case OUTCOME_DEAD:
        return (struct life){NEAP_DEAD, 0, job->attempt};
    case OUTCOME_HANDED_BACK:
        return (struct life){NEAP_AVAILABLE, 0, before};
    }
    assert(!"an outcome kind that job_next does not know");
    return (struct life){NEAP_DEAD, 0, job->attempt};
}

struct retry retry_merge(const struct retry *over, const struct retry *under)
{
    return (struct retry){
        .max = over->max < 0 ? under->max : over->max,
        .backoff = over->backoff < 0 ? under->backoff : over->backoff,
        .base_ms = over->base_ms < 0 ? under->base_ms : over->base_ms,
        .cap_ms = over->cap_ms < 0 ? under->cap_ms : over->cap_ms,
        .jitter = over->jitter < 0 ? under->jitter : over->jitter,
    };
}
