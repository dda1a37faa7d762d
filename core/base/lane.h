/* Messages from one thread to another, in order: a queue of blocks of pointers, without a lock and
 * without an end. Cheaper than a mailbox on both sides: who puts writes to nothing that others put
 * to, and who takes can ask for what comes ahead. It wakes nobody: that is for the taker's mailbox
 * (mailbox_hint or mailbox_nudge after lane_put; it looks at its lanes after mailbox_drain and
 * after mailbox_lie_down). */
#ifndef BASE_LANE_H
#define BASE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
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
void lane_add_block(struct lane *lane);

/* No locked instruction: who sees it counted sees the message, no more. */
static inline void lane_put(struct lane *lane, struct message *message)
{
    if (lane->at == LANE_BLOCK)
        lane_add_block(lane);
    lane->last->messages[lane->at++] = message;
    const uint64_t put = atomic_load_explicit(&lane->put, memory_order_relaxed) + 1;
    atomic_store_explicit(&lane->put, put, memory_order_release);
}

/* The taker, as all below: what has been put until now can be taken; false: nothing new. */
bool lane_look(struct lane *lane);
void lane_next_block(struct lane *lane);

static inline uint64_t lane_more(const struct lane *lane) /* than that look saw */
{
    return atomic_load(&lane->put) - lane->seen;
}

static inline struct message *lane_first(struct lane *lane) /* NULL: none can be taken */
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

/* The first, and those behind it in the same block; how many, 0 if none can be taken. They stay
 * where they are until something is taken after them. */
static inline unsigned lane_span(struct lane *lane, struct message ***out)
{
    if (!lane_first(lane))
        return 0;
    const uint64_t count = lane->seen - lane->taken, here = LANE_BLOCK - lane->from;
    *out = &lane->first->messages[lane->from];
    return (unsigned)(count < here ? count : here);
}

static inline void lane_skip(struct lane *lane, unsigned count) /* takes so many of that span */
{
    lane->taken += count;
    lane->from += count;
}

#endif
