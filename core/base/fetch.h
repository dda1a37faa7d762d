/* Asking for memory before it is needed. A function that does nothing else must be FETCH_INLINE:
 * GCC takes it for one without effect and drops the calls of it that it has not inlined early. */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include <stddef.h>

#define FETCH_INLINE static inline __attribute__((always_inline))
#define FETCH_LINE_BYTES 64

FETCH_INLINE void fetch_line(const void *at)
{
    __builtin_prefetch(at, 1);
}

/* `at` may be in the middle of a line. */
FETCH_INLINE void fetch_bytes(const void *at, size_t bytes)
{
#pragma GCC unroll 16
    for (size_t i = 0; i < bytes; i += FETCH_LINE_BYTES)
        fetch_line((const char *)at + i);
    fetch_line((const char *)at + bytes - 1);
}

#endif
