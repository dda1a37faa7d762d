#include "base/slabs.h"

#include <assert.h>
#include <stdlib.h>

_Static_assert(sizeof(struct slab) % SLABS_UNIT == 0, "blocks behind it are aligned");

static unsigned class_of(size_t size)
{
    return (unsigned)((size - 1) / SLABS_UNIT);
}

static size_t block_bytes(unsigned class)
{
    return ((size_t) class + 1) * SLABS_UNIT;
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

struct slab *slabs_add(struct slabs *s, unsigned class)
{
    void *place;
    if (posix_memalign(&place, SLAB_BYTES, SLAB_ROOM))
        return NULL;
    struct slab *slab = place;
    *slab = (struct slab){.fresh = sizeof *slab};
    link_first(s, slab, class);
    return slab;
}

static void give_back(struct slabs *s, void *block, unsigned class)
{
    struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
    assert(slab->live > 0);
    if (slabs_is_full(slab, block_bytes(class)))
        link_first(s, slab, class);
    memcpy(block, &slab->free, sizeof slab->free);
    slab->free = block;
    if (--slab->live == 0 && (slab->prev || slab->next)) {
        slabs_shut(s, slab, class);
        free(slab);
    }
}

static void *get(struct slabs *s, size_t size)
{
    return size <= SLABS_SMALL_MAX ? slabs_take(s, size) : malloc(size);
}

static void put(struct slabs *s, void *block, size_t size)
{
    if (size <= SLABS_SMALL_MAX)
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
    if (old_size > SLABS_SMALL_MAX && size > SLABS_SMALL_MAX)
        return realloc(old, size);
    if (old_size <= SLABS_SMALL_MAX && size <= SLABS_SMALL_MAX &&
        class_of(old_size) == class_of(size))
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
    for (unsigned class = 0; class < SLABS_CLASSES; class ++) {
        struct slab *slab = s->open[class];
        if (!slab)
            continue;
        assert(slab->live == 0 && !slab->next);
        free(slab);
        s->open[class] = NULL;
    }
}
