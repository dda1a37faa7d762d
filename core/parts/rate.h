/* Smooth rate limit, burst 1, as GCRA (ITU-T I.371): starts keep to a schedule of one an interval.
 * A start that came late by up to RATE_SLACK_NS, as timers make it, does not push back the next, so
 * that the rate itself is met; in any time T there are at most 1 + (T + slack) / interval. Pure. */
#ifndef PARTS_RATE_H
#define PARTS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_SLACK_NS 2000000

struct rate {            /* zeroed: no limit */
    int64_t interval_ns; /* 0: no limit */
    int64_t next_ns;     /* when the next start is allowed */
};

/* Changes the limit, also while in use. */
void rate_set(struct rate *rate, int64_t interval_ns, int64_t now_ns);
bool rate_take(struct rate *rate, int64_t now_ns); /* true: a start now is fine, and counted */
void rate_refund(struct rate *rate);               /* the start taken last did not happen */
int64_t rate_ready_ns(const struct rate *rate);    /* when rate_take will say true; 0: any time */

#endif
