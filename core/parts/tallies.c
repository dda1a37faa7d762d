#include "parts/tallies.h"

#include <stdlib.h>

#include "base/mem.h"

void tallies_close(struct tallies *t)
{
    free(t->slots);
    *t = (struct tallies){0};
}

static struct tally *slot_of(const struct tallies *t, uint32_t queue, uint32_t task, uint32_t state)
{
    uint64_t hash = ((uint64_t)queue << 35 ^ (uint64_t)task << 3 ^ state);
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    for (size_t at = (size_t)(hash >> 32);; at++) {
        struct tally *slot = &t->slots[at & (t->n_slots - 1)];
        if (!slot->queue || (slot->queue == queue && slot->task == task && slot->state == state))
            return slot;
    }
}

static void grow(struct tallies *t)
{
    const struct tallies old = *t;
    t->n_slots = old.n_slots ? old.n_slots * 2 : 64;
    t->slots = mem_zero(t->n_slots, sizeof *t->slots);
    for (size_t i = 0; i < old.n_slots; i++) {
        const struct tally *was = &old.slots[i];
        if (was->queue)
            *slot_of(t, was->queue, was->task, was->state) = *was;
    }
    free(old.slots);
}

struct tally *tallies_at(struct tallies *t, uint32_t queue, uint32_t task, uint32_t state)
{
    if (t->count * 2 >= t->n_slots)
        grow(t);
    struct tally *slot = slot_of(t, queue, task, state);
    if (!slot->queue) {
        *slot = (struct tally){.queue = queue, .task = task, .state = state};
        t->count++;
    }
    return slot;
}

void tallies_written(struct tallies *t, bool ok)
{
    for (size_t i = 0; i < t->n_slots; i++) {
        t->slots[i].n += ok ? t->slots[i].delta : 0;
        t->slots[i].delta = 0;
    }
}
