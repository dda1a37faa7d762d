#include "base/ranks.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define RANKS_MIN 64

static void place(struct ranks *r, struct rank_slot slot, uint32_t i)
{
    r->slots[i] = slot;
    slot.rank->pos = i + 1;
}

static void sift_up(struct ranks *r, struct rank_slot slot, uint32_t i)
{
    for (; i > 0 && slot.key < r->slots[(i - 1) / 2].key; i = (i - 1) / 2)
        place(r, r->slots[(i - 1) / 2], i);
    place(r, slot, i);
}

static void sift_down(struct ranks *r, struct rank_slot slot, uint32_t i)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= r->len)
            break;
        if (child + 1 < r->len && r->slots[child + 1].key < r->slots[child].key)
            child++;
        if (r->slots[child].key >= slot.key)
            break;
        place(r, r->slots[child], i);
        i = child;
    }
    place(r, slot, i);
}

void ranks_close(struct ranks *r)
{
    free(r->slots);
    *r = (struct ranks){0};
}

void ranks_push(struct ranks *r, struct rank *rank)
{
    assert(rank->pos == 0 && r->len < UINT32_MAX / 2);
    if (r->len == r->cap) {
        r->cap = r->cap ? r->cap * 2 : RANKS_MIN;
        r->slots = mem_grow(r->slots, r->cap, sizeof *r->slots);
    }
    sift_up(r, (struct rank_slot){rank->key, rank}, r->len++);
}

void ranks_remove(struct ranks *r, struct rank *rank)
{
    const uint32_t i = rank->pos - 1;
    assert(rank->pos && i < r->len && r->slots[i].rank == rank);
    rank->pos = 0;
    const struct rank_slot last = r->slots[--r->len];
    if (last.rank == rank)
        return;
    if (i > 0 && last.key < r->slots[(i - 1) / 2].key)
        sift_up(r, last, i);
    else
        sift_down(r, last, i);
}

struct rank *ranks_pop(struct ranks *r)
{
    struct rank *rank = ranks_min(r);
    if (rank)
        ranks_remove(r, rank);
    return rank;
}
