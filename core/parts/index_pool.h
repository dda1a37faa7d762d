/* Whose turn it is: of the queues that a pool serves, one with the highest head, round robin among
 * equals. Owner: the engine.
 *
 * Queues that the same set of pools serves form a group; a group has a list of its ready queues for
 * each level. A queue that was served, or that comes to a level, goes to the end with a new stamp,
 * so the first of a list has the least, and groups that share a pool compare by it. A queue that
 * stays ready at the highest level is passed over by each other queue once at most. */
#ifndef PARTS_INDEX_POOL_H
#define PARTS_INDEX_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "parts/index_levels.h"

#define INDEX_POOLS 64 /* a set of pools is a bit mask */

struct index_turn {            /* of one queue */
    struct index_group *group; /* NULL: no pool serves it */
    unsigned level;            /* LEVEL_NONE: not ready (empty or shut), then in no list */
    uint64_t stamp;
    struct list place;
};

struct index_pools { /* zeroed: no groups */
    struct index_group **groups;
    size_t n_groups;
    uint64_t stamp;
};

void index_pools_close(struct index_pools *pools);

void index_turn_init(struct index_turn *turn);
/* Which pools serve it. */
void index_turn_serve(struct index_pools *pools, struct index_turn *turn, uint64_t mask);
/* The level of its head now, or LEVEL_NONE. Where that is as before it keeps its turn, unless it
 * was `served`. */
void index_turn_set(struct index_pools *pools, struct index_turn *turn, unsigned level,
                    bool served);
/* NULL: nothing ready for this pool. `alone`: no other queue has a head as high. */
struct index_turn *index_pools_next(const struct index_pools *pools, unsigned pool, bool *alone);

#endif
