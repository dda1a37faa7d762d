/* Blocks for small things that one thread makes and another frees (jobs, outcomes), where malloc
 * would meet itself on the other core. Each thread takes from a cache of its own and gives back to
 * it; caches trade magazines of 64 blocks with the pool, under its lock.
 *
 *   slabs of 256 KiB ◄──► pool: up to 32 full magazines of a size ◄──► cache: two magazines of a
 * size
 *
 * What is above that goes back to its slab, and a slab with nothing taken to the system: so memory
 * shrinks after a burst, all but the slabs that have something left in them. Under ASan a free
 * block is poisoned; there is no quarantine, it may be taken again at once. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

#define POOL_STEP 16     /* sizes are multiples of it; those of 64 bytes begin at a cache line */
#define POOL_SIZES 32    /* what is larger comes from malloc */
#define POOL_MAGAZINE 64 /* blocks */
#define POOL_FULL_MAX 32 /* full magazines of a size that the pool keeps */

struct pool; /* shared by threads */

struct pool_magazine { /* its holder's: a cache, or the pool under its lock */
    struct pool_magazine *next;
    unsigned count;
    void *blocks[POOL_MAGAZINE];
};

struct pool_cache { /* owner: the thread it is of, or who knows that this thread has ended */
    struct pool *pool;
    struct pool_rack {
        struct pool_magazine *loaded, *spare; /* NULL: none yet */
    } racks[POOL_SIZES];
};

struct pool *pool_new(void);
/* After its caches. Under ASan it is a bug if a block is still out. */
void pool_free(struct pool *pool);
size_t pool_bytes(struct pool *pool); /* of its slabs; any thread */

void pool_cache_init(struct pool_cache *cache, struct pool *pool);
void pool_cache_close(struct pool_cache *cache);

/* Uninitialised. *kind: what pool_give wants to know of it; 0: it is from malloc, as everything
 * large is, and everything where the cache is NULL. */
void *pool_take(struct pool_cache *cache, size_t bytes, uint8_t *kind);
/* Of any cache of the pool; NULL is fine for what is from malloc. */
void pool_give(struct pool_cache *cache, void *block, uint8_t kind);

#endif
