/* Messages from one thread to another, in order: a queue without a lock and without an end, of
 * blocks of pointers. Cheaper than a mailbox (base/mailbox.h) on both sides: who puts writes to
 * nothing that others put to, and who takes sees what comes next and can ask for it ahead. It wakes
 * nobody: that is what the mailbox of the taker is for (mailbox_nudge after lane_put; the owner
 * looks at its lanes after mailbox_drain). */
#ifndef BASE_LANE_H
#define BASE_LANE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/mailbox.h"

#define LANE_BLOCK 63 /* pointers; a block is 512 bytes */

struct lane_block {
    struct lane_block *next;
    struct message *messages[LANE_BLOCK];
};

struct lane {
    char apart[64];
    struct lane_block *last; /* the putter's, */
    unsigned at;             /* so many are in it */
    _Atomic uint64_t put;    /* ever; written by the putter */
    char apart_too[64];
    struct lane_block *first;           /* the taker's, */
    unsigned from;                      /* so many of it are taken */
    uint64_t taken, seen;               /* ever; those up to `seen` can be taken */
    _Atomic(struct lane_block *) spare; /* emptied: left for the putter */
    char apart_again[64];
};

void lane_init(struct lane *lane);
void lane_close(struct lane *lane); /* must be empty, and its putter joined */

void lane_put(struct lane *lane, struct message *message);

/* The taker, as all below: what has been put until now can be taken. */
void lane_look(struct lane *lane);
void lane_next_block(struct lane *lane);

/* The first that can be taken; NULL: none. */
static inline struct message *lane_first(struct lane *lane)
{
    if (lane->taken == lane->seen)
        return NULL;
    if (lane->from == LANE_BLOCK)
        lane_next_block(lane);
    return lane->first->messages[lane->from];
}

static inline void lane_shift(struct lane *lane) /* takes the first */
{
    lane->taken++;
    lane->from++;
}

/* The one `ahead` places after the first, or NULL; also where it is in another block. */
static inline const struct message *lane_ahead(const struct lane *lane, unsigned ahead)
{
    return ahead < lane->seen - lane->taken && lane->from + ahead < LANE_BLOCK
               ? lane->first->messages[lane->from + ahead]
               : NULL;
}

#endif
