#include "base/slabs.h"

#include <assert.h>
#include <stdlib.h>

#include "base/pages.h"

#define STACKS SLABS_CLASSES /* their class */
#define POPULATE_FROM 8      /* slabs of stacks */

_Static_assert(sizeof(struct slab) % SLABS_UNIT == 0, "blocks behind it are aligned");

static bool has_slab(size_t size)
{
    return size <= SLABS_SMALL_MAX || (SLABS_SMALL_MAX && size == SLABS_STACK);
}

static unsigned class_of(size_t size)
{
    return size == SLABS_STACK ? STACKS : (unsigned)((size - 1) / SLABS_UNIT);
}

static size_t block_bytes(unsigned class)
{
    return class == STACKS ? SLABS_STACK : ((size_t) class + 1) * SLABS_UNIT;
}

static size_t room_of(unsigned class)
{
    return class == STACKS ? SLAB_STACK_BYTES : SLAB_ROOM;
}

static struct slab *slab_of(void *block, unsigned class)
{
    const size_t bytes = class == STACKS ? SLAB_STACK_BYTES : SLAB_BYTES;
    return (struct slab *)((uintptr_t)block & ~(uintptr_t)(bytes - 1));
}

static void link_first(struct slabs *s, struct slab *slab, unsigned class)
{
    slab->prev = NULL;
    slab->next = s->open[class];
    if (slab->next)
        slab->next->prev = slab;
    s->open[class] = slab;
}

void slabs_shut(struct slabs *s, struct slab *slab, unsigned class)
{
    if (slab->next)
        slab->next->prev = slab->prev;
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        s->open[class] = slab->next;
}

static struct slab *map_stacks(struct slabs *s)
{
    struct slab *slab = pages_map(SLAB_STACK_BYTES);
    if (slab && s->n_stack_slabs++ >= POPULATE_FROM) /* before, one may not be needed whole */
        pages_populate(slab, SLAB_STACK_BYTES);
    return slab;
}

static void slab_free(struct slabs *s, struct slab *slab, unsigned class)
{
    if (class != STACKS) {
        free(slab);
        return;
    }
    pages_unmap(slab, SLAB_STACK_BYTES);
    s->n_stack_slabs--;
}

struct slab *slabs_add(struct slabs *s, unsigned class)
{
    void *place = NULL;
    if (class == STACKS)
        place = map_stacks(s);
    else if (posix_memalign(&place, SLAB_BYTES, SLAB_ROOM))
        place = NULL;
    struct slab *slab = place;
    if (!slab)
        return NULL;
    *slab = (struct slab){.fresh = sizeof *slab};
    link_first(s, slab, class);
    return slab;
}

static void give_back(struct slabs *s, void *block, unsigned class)
{
    struct slab *slab = slab_of(block, class);
    assert(slab->live > 0);
    if (slabs_is_full(slab, block_bytes(class), room_of(class)))
        link_first(s, slab, class);
    memcpy(block, &slab->free, sizeof slab->free);
    slab->free = block;
    if (--slab->live == 0 && (slab->prev || slab->next)) {
        slabs_shut(s, slab, class);
        slab_free(s, slab, class);
    }
}

static void *get(struct slabs *s, size_t size)
{
    if (!has_slab(size))
        return malloc(size);
    return size == SLABS_STACK ? slabs_take_of(s, STACKS, SLABS_STACK, SLAB_STACK_BYTES)
                               : slabs_take(s, size);
}

static void put(struct slabs *s, void *block, size_t size)
{
    if (has_slab(size))
        give_back(s, block, class_of(size));
    else
        free(block);
}

void *slabs_resize(struct slabs *s, void *old, size_t old_size, size_t size)
{
    if (!old)
        return size ? get(s, size) : NULL;
    if (size == 0) {
        put(s, old, old_size);
        return NULL;
    }
    if (!has_slab(old_size) && !has_slab(size))
        return realloc(old, size);
    if (has_slab(old_size) && has_slab(size) && class_of(old_size) == class_of(size))
        return old;
    void *block = get(s, size);
    if (block) {
        memcpy(block, old, old_size < size ? old_size : size);
        put(s, old, old_size);
    }
    return block;
}

void slabs_close(struct slabs *s)
{
    for (unsigned class = 0; class <= STACKS; class ++) {
        struct slab *slab = s->open[class];
        if (!slab)
            continue;
        assert(slab->live == 0 && !slab->next);
        slab_free(s, slab, class);
        s->open[class] = NULL;
    }
}
