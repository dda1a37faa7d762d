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

void lane_add_block(struct lane *lane)
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

bool lane_look(struct lane *lane)
{
    const uint64_t seen = lane->seen;
    lane->seen = atomic_load_explicit(&lane->put, memory_order_acquire);
    return lane->seen != seen;
}

void lane_next_block(struct lane *lane)
{
    struct lane_block *empty = lane->first;
    lane->first = empty->next;
    lane->from = 0;
    free(atomic_exchange_explicit(&lane->spare, empty, memory_order_acq_rel));
}
