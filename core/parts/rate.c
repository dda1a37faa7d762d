#include "parts/rate.h"

static int64_t later(int64_t now_ns, int64_t by_ns)
{
    int64_t sum;
    return __builtin_add_overflow(now_ns, by_ns, &sum) ? INT64_MAX : sum;
}

void rate_set(struct rate *rate, int64_t interval_ns, int64_t now_ns)
{
    rate->interval_ns = interval_ns > 0 ? interval_ns : 0;
    const int64_t latest = later(now_ns, rate->interval_ns);
    if (rate->next_ns > latest)
        rate->next_ns = latest;
}

bool rate_take(struct rate *rate, int64_t now_ns)
{
    if (!rate->interval_ns)
        return true;
    if (now_ns < rate->next_ns)
        return false;
    const int64_t floor_ns = now_ns - RATE_SLACK_NS;
    const int64_t start_ns = rate->next_ns > floor_ns ? rate->next_ns : now_ns;
    rate->next_ns = later(start_ns, rate->interval_ns);
    return true;
}

void rate_refund(struct rate *rate)
{
    if (rate->interval_ns)
        rate->next_ns -= rate->interval_ns;
}

int64_t rate_ready_ns(const struct rate *rate)
{
    return rate->interval_ns ? rate->next_ns : 0;
}
