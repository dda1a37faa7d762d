#include "base/lane.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static struct lane_block *new_block(void)
{
    struct lane_block *block = mem_alloc(sizeof *block);
    block->next = NULL;
    return block;
}

void lane_init(struct lane *lane)
{
    lane->first = lane->last = new_block();
    lane->at = lane->from = 0;
    lane->taken = lane->seen = 0;
    atomic_init(&lane->put, 0);
    atomic_init(&lane->spare, NULL);
}

void lane_close(struct lane *lane)
{
    assert(lane->taken == atomic_load(&lane->put) && lane->first == lane->last);
    free(lane->first);
    free(atomic_load_explicit(&lane->spare, memory_order_acquire));
}

static void add_block(struct lane *lane)
{
    struct lane_block *block = NULL;
    if (atomic_load_explicit(&lane->spare, memory_order_relaxed))
        block = atomic_exchange_explicit(&lane->spare, NULL, memory_order_acquire);
    if (block)
        block->next = NULL;
    else
        block = new_block();
    lane->last->next = block;
    lane->last = block;
    lane->at = 0;
}

/* Sequentially consistent, for the nudge that follows: as the push of a mailbox. */
void lane_put(struct lane *lane, struct message *message)
{
    if (lane->at == LANE_BLOCK)
        add_block(lane);
    lane->last->messages[lane->at++] = message;
    const uint64_t put = atomic_load_explicit(&lane->put, memory_order_relaxed) + 1;
    atomic_store(&lane->put, put);
}

void lane_look(struct lane *lane)
{
    lane->seen = atomic_load(&lane->put);
}

void lane_next_block(struct lane *lane)
{
    struct lane_block *empty = lane->first;
    lane->first = empty->next;
    lane->from = 0;
    free(atomic_exchange_explicit(&lane->spare, empty, memory_order_acq_rel));
}
