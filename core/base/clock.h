/* The two clocks. Pure code takes time as an argument; only edges read these. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
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

#define CLOCK_GRAIN_TICKS 2048 /* of the processor's counter: about a microsecond */

/* Is it worth reading the clock again? False: less than about a microsecond has passed since this
 * was true for the same `ticks`. Half the price of the clock itself; where the processor has no
 * such counter, always true. */
static inline bool clock_moved(uint64_t *ticks)
{
#ifdef __x86_64__
    const uint64_t now = __builtin_ia32_rdtsc();
    if (now - *ticks < CLOCK_GRAIN_TICKS)
        return false;
    *ticks = now;
#else
    (void)ticks;
#endif
    return true;
}

#endif
