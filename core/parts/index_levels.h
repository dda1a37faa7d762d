/* A set of levels 0..255, the least found at once. Level 0 is priority 127, level 255 is -128.
 * Pure. */
#ifndef PARTS_INDEX_LEVELS_H
#define PARTS_INDEX_LEVELS_H

#include <stdint.h>

#include "neap.h"

#define LEVELS 256
#define LEVEL_NONE LEVELS

struct levels { /* zeroed: empty */
    uint64_t bits[LEVELS / 64];
};

static inline unsigned level_of(int priority)
{
    return (unsigned)(NEAP_PRIORITY_MAX - priority);
}

static inline void levels_add(struct levels *set, unsigned level)
{
    set->bits[level / 64] |= UINT64_C(1) << level % 64;
}

static inline void levels_drop(struct levels *set, unsigned level)
{
    set->bits[level / 64] &= ~(UINT64_C(1) << level % 64);
}

static inline unsigned levels_first(const struct levels *set) /* LEVEL_NONE: empty */
{
    for (unsigned i = 0; i < LEVELS / 64; i++)
        if (set->bits[i])
            return i * 64 + (unsigned)__builtin_ctzll(set->bits[i]);
    return LEVEL_NONE;
}

#endif
