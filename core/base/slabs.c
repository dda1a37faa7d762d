#include "base/slabs.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Aligned to its size, so that a block leads to its slab. With the 8 bytes that glibc puts before
 * each piece the next slab can begin right behind. */
#define SLAB_BYTES ((size_t)16384)
#define SLAB_ROOM (SLAB_BYTES - 8)

/* Sanitizers see what malloc gives. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SMALL_MAX 0
#else
#define SMALL_MAX (SLABS_UNIT * SLABS_CLASSES)
#endif

struct slab {                 /* owner: as its slabs */
    struct slab *prev, *next; /* among the open ones of its class; prev NULL: the first */
    void *free;               /* blocks given back, each begins with the next one */
    uint32_t live;            /* blocks in use */
    uint32_t fresh;           /* where the blocks begin that were never in use */
};
_Static_assert(sizeof(struct slab) % SLABS_UNIT == 0, "blocks behind it are aligned");

static unsigned class_of(size_t size)
{
    return (unsigned)((size - 1) / SLABS_UNIT);
}

static size_t block_bytes(unsigned class)
{
    return ((size_t) class + 1) * SLABS_UNIT;
}

static bool is_full(const struct slab *slab, unsigned class)
{
    return !slab->free && slab->fresh + block_bytes(class) > SLAB_ROOM;
}

static void link_first(struct slabs *s, struct slab *slab, unsigned class)
{
    slab->prev = NULL;
    slab->next = s->open[class];
    if (slab->next)
        slab->next->prev = slab;
    s->open[class] = slab;
}

static void unlink_slab(struct slabs *s, struct slab *slab, unsigned class)
{
    if (slab->next)
        slab->next->prev = slab->prev;
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        s->open[class] = slab->next;
}

static struct slab *slab_new(struct slabs *s, unsigned class)
{
    void *place;
    if (posix_memalign(&place, SLAB_BYTES, SLAB_ROOM))
        return NULL;
    struct slab *slab = place;
    *slab = (struct slab){.fresh = sizeof *slab};
    link_first(s, slab, class);
    return slab;
}

static void *take(struct slabs *s, unsigned class)
{
    struct slab *slab = s->open[class];
    if (!slab && !(slab = slab_new(s, class)))
        return NULL;
    void *block = slab->free;
    if (block) {
        memcpy(&slab->free, block, sizeof slab->free);
    } else {
        block = (char *)slab + slab->fresh;
        slab->fresh += (uint32_t)block_bytes(class);
    }
    slab->live++;
    if (is_full(slab, class))
        unlink_slab(s, slab, class);
    return block;
}

static void give_back(struct slabs *s, void *block, unsigned class)
{
    struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
    assert(slab->live > 0);
    if (is_full(slab, class))
        link_first(s, slab, class);
    memcpy(block, &slab->free, sizeof slab->free);
    slab->free = block;
    if (--slab->live == 0 && (slab->prev || slab->next)) {
        unlink_slab(s, slab, class);
        free(slab);
    }
}

static void *get(struct slabs *s, size_t size)
{
    return size <= SMALL_MAX ? take(s, class_of(size)) : malloc(size);
}

static void put(struct slabs *s, void *block, size_t size)
{
    if (size <= SMALL_MAX)
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
    if (old_size > SMALL_MAX && size > SMALL_MAX)
        return realloc(old, size);
    if (old_size <= SMALL_MAX && size <= SMALL_MAX && class_of(old_size) == class_of(size))
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
