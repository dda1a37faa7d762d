/* Small blocks for one thread: what a Lua state allocates. Blocks of a size come from slabs of
 * their own, without a header and without a lock; a slab goes when its last block does, unless it
 * is all that there is of its size. Larger blocks are malloc's, but for those of one size that a
 * million coroutines may each have. Owner: one thread at a time; may be moved as bytes. */
#ifndef BASE_SLABS_H
#define BASE_SLABS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SLABS_UNIT 16
#define SLABS_CLASSES 16 /* sizes up to SLABS_UNIT * SLABS_CLASSES */
#define SLABS_STACK 720  /* and this one: the stack that a coroutine of Lua begins with */

#define SLAB_BYTES ((size_t)16384) /* aligned to that, so that a block leads to its slab */
#define SLAB_ROOM (SLAB_BYTES - 8) /* with glibc's 8 before each piece the next begins behind */
#define SLAB_STACK_BYTES ((size_t)256 * 1024) /* from the system: 364 stacks, 32 bytes are left */

/* Sanitizers see what malloc gives. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SLABS_SMALL_MAX 0
#else
#define SLABS_SMALL_MAX (SLABS_UNIT * SLABS_CLASSES)
#endif

struct slab {                 /* owner: as its slabs */
    struct slab *prev, *next; /* among the open ones of its class; prev NULL: the first */
    void *free;               /* blocks given back, each begins with the next one */
    uint32_t live;            /* blocks in use */
    uint32_t fresh;           /* where the blocks begin that were never in use */
};

struct slabs {
    struct slab *open[SLABS_CLASSES + 1]; /* those with a free block; last: the stacks' */
    size_t n_stack_slabs;
};

/* As realloc, but told the size that `old` has: NULL where there is no memory, and `old` is then as
 * it was. To free: `size` 0, and NULL comes back. */
void *slabs_resize(struct slabs *s, void *old, size_t old_size, size_t size);

void slabs_close(struct slabs *s); /* all blocks have been freed; zeroed is fine */

/* The same for what is small and usual. */
struct slab *slabs_add(struct slabs *s, unsigned class); /* open; NULL: no memory */
void slabs_shut(struct slabs *s, struct slab *slab, unsigned class);

static inline bool slabs_is_full(const struct slab *slab, size_t block_bytes, size_t room)
{
    return !slab->free && slab->fresh + block_bytes > room;
}

static inline void *slabs_take_of(struct slabs *s, unsigned class, uint32_t bytes, size_t room)
{
    struct slab *slab = s->open[class];
    if (!slab && !(slab = slabs_add(s, class)))
        return NULL;
    void *block = slab->free;
    if (block) {
        memcpy(&slab->free, block, sizeof slab->free);
    } else {
        block = (char *)slab + slab->fresh;
        slab->fresh += bytes;
    }
    slab->live++;
    if (slabs_is_full(slab, bytes, room))
        slabs_shut(s, slab, class);
    return block;
}

/* `size` from 1 to SLABS_SMALL_MAX. */
static inline void *slabs_take(struct slabs *s, size_t size)
{
    const unsigned class = (unsigned)((size - 1) / SLABS_UNIT);
    return slabs_take_of(s, class, (class + 1) * SLABS_UNIT, SLAB_ROOM);
}

/* Of any size. NULL. */
static inline void *slabs_give(struct slabs *s, void *block, size_t size)
{
    struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
    if (size > SLABS_SMALL_MAX || !slab->free || slab->live == 1) /* full, or to be freed */
        return slabs_resize(s, block, size, 0);
    memcpy(block, &slab->free, sizeof slab->free);
    slab->free = block;
    slab->live--;
    return NULL;
}

#endif
