/* Smooth rate limit, burst 1, as GCRA (ITU-T I.371): starts are at least an interval apart. Pure. */
#ifndef PARTS_RATE_H
#define PARTS_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    int64_t interval_ns; /* 0: no limit */
    int64_t next_ns;     /* when the next start is allowed */
};

bool rate_take(struct rate *rate, int64_t now_ns);   /* true: a start now is fine, and counted */
void rate_refund(struct rate *rate);                 /* the start taken last did not happen */
int64_t rate_ready_ns(const struct rate *rate);      /* when rate_take will say true; 0 without limit */

#endif
