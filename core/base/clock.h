/* The two clocks. Pure code takes time as an argument; only edges read these. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clock_mono_ns(void) /* for durations */
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

static inline int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static inline int64_t clock_unix_ms(void) /* for due times and records */
{
    return clock_read_ns(CLOCK_REALTIME) / 1000000;
}

#endif
