#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pages.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define POOL_POISONS 1
#endif

#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define ROOT_ADD(at, bytes) __lsan_register_root_region(at, bytes)
#define ROOT_REMOVE(at, bytes) __lsan_unregister_root_region(at, bytes)
#else
#define POOL_POISONS 0
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ROOT_ADD(at, bytes) ((void)(at), (void)(bytes))
#define ROOT_REMOVE(at, bytes) ((void)(at), (void)(bytes))
#endif

#define SLAB_BYTES ((size_t)256 * 1024) /* and so aligned: a block finds its slab */
#define WORD_BITS 64
#define POPULATE_FROM 8 /* slabs */

/* Blocks of one size. Guarded by the pool's lock. */
struct slab {
    struct list link; /* in one of its shelf's lists */
    unsigned n_blocks, n_free;
    uint64_t free[SLAB_BYTES / POOL_STEP / WORD_BITS]; /* bit n: block n is here */
};
#define LINE_BYTES 64 /* so blocks whose size is a multiple of it begin at one */
#define FIRST_BLOCK ((sizeof(struct slab) + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES)

struct shelf {                          /* what there is of one size */
    struct list slabs, taken;           /* with free blocks; without */
    struct pool_magazine *full, *empty; /* chained by next */
    unsigned n_full;
};

/* Shared by threads. */
struct pool {
    pthread_mutex_t lock; /* guards all below; held for at most 64 blocks and a slab */
    struct shelf shelves[POOL_SIZES];
    size_t n_slabs;
};

static size_t bytes_of(unsigned size)
{
    return (size_t)(size + 1) * POOL_STEP;
}

/* --- slabs ------------------------------------------------------------------------------------ */

static struct slab *slab_new(struct pool *pool, unsigned size)
{
    struct slab *slab = pages_map(SLAB_BYTES);
    if (!slab)
        mem_none();
    if (pool->n_slabs >= POPULATE_FROM) /* before, one may not be needed whole */
        pages_populate(slab, SLAB_BYTES);
    slab->n_blocks = slab->n_free = (unsigned)((SLAB_BYTES - FIRST_BLOCK) / bytes_of(size));
    memset(slab->free, 0xff, slab->n_blocks / WORD_BITS * sizeof *slab->free);
    slab->free[slab->n_blocks / WORD_BITS] = (UINT64_C(1) << slab->n_blocks % WORD_BITS) - 1;
    ASAN_POISON_MEMORY_REGION((char *)slab + FIRST_BLOCK, SLAB_BYTES - FIRST_BLOCK);
    ROOT_ADD(slab, SLAB_BYTES); /* blocks own memory of malloc */
    list_push(&pool->shelves[size].slabs, &slab->link);
    pool->n_slabs++;
    return slab;
}

static void slab_free(struct pool *pool, struct slab *slab)
{
    list_remove(&slab->link);
    pool->n_slabs--;
    ROOT_REMOVE(slab, SLAB_BYTES);
    ASAN_UNPOISON_MEMORY_REGION(slab, SLAB_BYTES);
    pages_unmap(slab, SLAB_BYTES);
}

/* As many as there are and the magazine has room for. */
static void slab_unload(struct slab *slab, struct pool_magazine *m, size_t bytes)
{
    for (unsigned word = 0; slab->n_free && m->count < POOL_MAGAZINE; word++) {
        for (; slab->free[word] && m->count < POOL_MAGAZINE; slab->n_free--) {
            const unsigned bit = (unsigned)__builtin_ctzll(slab->free[word]);
            slab->free[word] &= slab->free[word] - 1;
            m->blocks[m->count++] = (char *)slab + FIRST_BLOCK + (word * WORD_BITS + bit) * bytes;
        }
    }
}

static void fill(struct pool *pool, unsigned size, struct pool_magazine *m)
{
    struct shelf *shelf = &pool->shelves[size];
    while (m->count < POOL_MAGAZINE) {
        struct list *first = list_first(&shelf->slabs);
        struct slab *slab = first ? LIST_ENTRY(first, struct slab, link) : slab_new(pool, size);
        slab_unload(slab, m, bytes_of(size));
        if (slab->n_free)
            continue;
        list_remove(&slab->link);
        list_push(&shelf->taken, &slab->link);
    }
}

/* One with nothing taken goes back to the system, but for the last of its size. */
static void put_back(struct pool *pool, unsigned size, char *block)
{
    struct shelf *shelf = &pool->shelves[size];
    struct slab *slab = (struct slab *)(void *)(block - (uintptr_t)block % SLAB_BYTES);
    const size_t n = (size_t)(block - (char *)slab - FIRST_BLOCK) / bytes_of(size);
    const uint64_t bit = UINT64_C(1) << n % WORD_BITS;
    assert(!(slab->free[n / WORD_BITS] & bit)); /* given twice */
    slab->free[n / WORD_BITS] |= bit;
    if (slab->n_free++ == 0) {
        list_remove(&slab->link);
        list_insert(shelf->slabs.next, &slab->link); /* so that the emptier ones get empty */
    }
    if (slab->n_free == slab->n_blocks && shelf->slabs.next != shelf->slabs.prev)
        slab_free(pool, slab);
}

static void spill(struct pool *pool, unsigned size, struct pool_magazine *m)
{
    while (m->count)
        put_back(pool, size, m->blocks[--m->count]);
}

/* --- magazines -------------------------------------------------------------------------------- */

static void push(struct pool_magazine **top, struct pool_magazine *m)
{
    m->next = *top;
    *top = m;
}

static struct pool_magazine *pop(struct pool_magazine **top)
{
    struct pool_magazine *m = *top;
    *top = m->next;
    return m;
}

static struct pool_magazine *empty_one(struct shelf *shelf)
{
    if (shelf->empty)
        return pop(&shelf->empty);
    struct pool_magazine *m = mem_alloc(sizeof *m);
    m->count = 0;
    return m;
}

/* An empty one, or none, for one with blocks. */
static struct pool_magazine *trade_empty(struct pool *pool, unsigned size, struct pool_magazine *m)
{
    struct shelf *shelf = &pool->shelves[size];
    pthread_mutex_lock(&pool->lock);
    if (shelf->full) {
        if (m)
            push(&shelf->empty, m);
        m = pop(&shelf->full);
        shelf->n_full--;
    } else {
        m = m ? m : empty_one(shelf);
        fill(pool, size, m);
    }
    pthread_mutex_unlock(&pool->lock);
    return m;
}

/* A full one, or none, for an empty one. */
static struct pool_magazine *trade_full(struct pool *pool, unsigned size, struct pool_magazine *m)
{
    struct shelf *shelf = &pool->shelves[size];
    pthread_mutex_lock(&pool->lock);
    if (m && shelf->n_full == POOL_FULL_MAX) {
        spill(pool, size, m);
    } else {
        if (m) {
            push(&shelf->full, m);
            shelf->n_full++;
        }
        m = empty_one(shelf);
    }
    pthread_mutex_unlock(&pool->lock);
    return m;
}

static void swap(struct pool_rack *rack)
{
    struct pool_magazine *m = rack->loaded;
    rack->loaded = rack->spare;
    rack->spare = m;
}

/* Once in 64 times; apart, so that what is done each time is a few instructions. */
static __attribute__((noinline)) struct pool_magazine *reload(struct pool_cache *cache,
                                                              unsigned size)
{
    struct pool_rack *rack = &cache->racks[size];
    if (rack->spare && rack->spare->count)
        swap(rack);
    else
        rack->loaded = trade_empty(cache->pool, size, rack->loaded);
    return rack->loaded;
}

static __attribute__((noinline)) struct pool_magazine *make_room(struct pool_cache *cache,
                                                                 unsigned size)
{
    struct pool_rack *rack = &cache->racks[size];
    swap(rack);
    if (!rack->loaded || rack->loaded->count)
        rack->loaded = trade_full(cache->pool, size, rack->loaded);
    return rack->loaded;
}

/* --- the public functions --------------------------------------------------------------------- */

void *pool_take(struct pool_cache *cache, size_t bytes, uint8_t *kind)
{
    if (!cache || bytes > bytes_of(POOL_SIZES - 1)) {
        *kind = 0;
        return mem_alloc(bytes);
    }
    const unsigned size = bytes ? (unsigned)((bytes - 1) / POOL_STEP) : 0;
    struct pool_magazine *m = cache->racks[size].loaded;
    if (!m || !m->count)
        m = reload(cache, size);
    void *block = m->blocks[--m->count];
    if (m->count) /* whoever gave the next one has written to it on another core */
        fetch_bytes(m->blocks[m->count - 1], bytes);
    ASAN_UNPOISON_MEMORY_REGION(block, bytes);
    *kind = (uint8_t)(size + 1);
    return block;
}

void pool_give(struct pool_cache *cache, void *block, uint8_t kind)
{
    if (!kind) {
        free(block);
        return;
    }
    const unsigned size = kind - 1U;
    assert(cache);
    struct pool_magazine *m = cache->racks[size].loaded;
    ASAN_POISON_MEMORY_REGION(block, bytes_of(size));
    if (!m || m->count == POOL_MAGAZINE)
        m = make_room(cache, size);
    m->blocks[m->count++] = block;
}

void pool_cache_init(struct pool_cache *cache, struct pool *pool)
{
    *cache = (struct pool_cache){.pool = pool};
}

static void discard(struct pool *pool, unsigned size, struct pool_magazine *m)
{
    if (m)
        spill(pool, size, m);
    free(m);
}

void pool_cache_close(struct pool_cache *cache)
{
    if (!cache->pool)
        return;
    pthread_mutex_lock(&cache->pool->lock);
    for (unsigned i = 0; i < POOL_SIZES; i++) {
        discard(cache->pool, i, cache->racks[i].loaded);
        discard(cache->pool, i, cache->racks[i].spare);
    }
    pthread_mutex_unlock(&cache->pool->lock);
    *cache = (struct pool_cache){0};
}

struct pool *pool_new(void)
{
    struct pool *pool = mem_zero(1, sizeof *pool);
    pthread_mutex_init(&pool->lock, NULL);
    for (unsigned i = 0; i < POOL_SIZES; i++) {
        list_init(&pool->shelves[i].slabs);
        list_init(&pool->shelves[i].taken);
    }
    return pool;
}

/* A block is out that nobody will give back. */
static void on_leak(void)
{
    if (POOL_POISONS)
        abort();
}

static void shelf_close(struct pool *pool, unsigned size)
{
    struct shelf *shelf = &pool->shelves[size];
    while (shelf->full)
        discard(pool, size, pop(&shelf->full));
    while (shelf->empty)
        free(pop(&shelf->empty));
    for (struct list *at; (at = list_first(&shelf->slabs));) {
        struct slab *slab = LIST_ENTRY(at, struct slab, link);
        if (slab->n_free < slab->n_blocks)
            on_leak();
        slab_free(pool, slab);
    }
    if (!list_empty(&shelf->taken))
        on_leak();
    for (struct list *at; (at = list_first(&shelf->taken));)
        slab_free(pool, LIST_ENTRY(at, struct slab, link));
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    for (unsigned i = 0; i < POOL_SIZES; i++)
        shelf_close(pool, i);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t pool_bytes(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    const size_t bytes = pool->n_slabs * SLAB_BYTES;
    pthread_mutex_unlock(&pool->lock);
    return bytes;
}
