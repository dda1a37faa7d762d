/* How many rows there are by queue, task and state; what changed since it was written. Pure. Owner:
 * the store. */
#ifndef PARTS_TALLIES_H
#define PARTS_TALLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally {
    uint32_t queue, task; /* numbers of names, from 1; queue 0: an empty slot */
    uint32_t state;
    int64_t n, delta; /* written, and since */
};

struct tallies { /* zeroed: none */
    struct tally *slots;
    size_t n_slots, count;
};

void tallies_close(struct tallies *t);
struct tally *tallies_at(struct tallies *t, uint32_t queue, uint32_t task, uint32_t state);
void tallies_written(struct tallies *t, bool ok); /* the deltas are in, or never happened */

#endif
