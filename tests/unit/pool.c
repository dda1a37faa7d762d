#include "base/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/mailbox.h"
#include "base/mem.h"

#define MANY 20000

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

struct thing {
    void *block;
    uint8_t kind;
};

static struct thing take(struct pool_cache *cache, size_t bytes)
{
    struct thing t;
    t.block = pool_take(cache, bytes, &t.kind);
    memset(t.block, 0xa5, bytes);
    return t;
}

static void large_ones_and_those_without_a_cache_are_of_malloc(void **state)
{
    (void)state;
    uint8_t kind = 1;
    struct pool_cache cache;
    struct pool *pool = pool_new();
    pool_cache_init(&cache, pool);
    void *block = pool_take(&cache, POOL_STEP * POOL_SIZES + 1, &kind);
    assert_int_equal(kind, 0);
    pool_give(&cache, block, kind);
    block = pool_take(NULL, 1, &kind);
    assert_int_equal(kind, 0);
    pool_give(NULL, block, kind);
    assert_int_equal(pool_bytes(pool), 0);
    pool_cache_close(&cache);
    pool_free(pool);
    pool_free(NULL);
}

static int by_address(const void *a, const void *b)
{
    const char *x = ((const struct thing *)a)->block, *y = ((const struct thing *)b)->block;
    return (x > y) - (x < y);
}

static void blocks_do_not_overlap(void **state)
{
    (void)state;
    struct pool_cache cache;
    struct pool *pool = pool_new();
    struct thing *things = mem_zero(MANY, sizeof *things);
    pool_cache_init(&cache, pool);
    for (size_t size = 1; size <= POOL_SIZES; size++) {
        for (size_t i = 0; i < MANY; i++) {
            things[i] = take(&cache, size * POOL_STEP - i % POOL_STEP);
            assert_int_equal(things[i].kind, size);
            assert_int_equal((uintptr_t)things[i].block % POOL_STEP, 0);
        }
        qsort(things, MANY, sizeof *things, by_address);
        for (size_t i = 0; i + 1 < MANY; i++)
            assert_true((char *)things[i].block + size * POOL_STEP <= (char *)things[i + 1].block);
        for (size_t i = 0; i < MANY; i++)
            pool_give(&cache, things[i].block, things[i].kind);
    }
    free(things);
    pool_cache_close(&cache);
    pool_free(pool);
}

/* Given back in the order of taking, or every second one first. */
static void memory_goes_back_after_a_burst(void **state)
{
    (void)state;
    struct pool_cache cache;
    struct pool *pool = pool_new();
    struct thing *things = mem_zero(MANY, sizeof *things);
    pool_cache_init(&cache, pool);
    for (size_t step = 1; step <= 2; step++) {
        for (size_t i = 0; i < MANY; i++)
            things[i] = take(&cache, 192);
        const size_t most = pool_bytes(pool);
        assert_true(most >= (size_t)MANY * 192 && most <= (size_t)MANY * 192 * 11 / 10);
        for (size_t from = 0; from < step; from++)
            for (size_t i = from; i < MANY; i += step)
                pool_give(&cache, things[i].block, things[i].kind);
        assert_true(pool_bytes(pool) <= most / 2);
    }
    free(things);
    pool_cache_close(&cache);
    assert_true(pool_bytes(pool) <= (size_t)1024 * 1024);
    pool_free(pool);
}

#ifdef __SANITIZE_ADDRESS__
static void a_free_block_is_poisoned(void **state)
{
    (void)state;
    struct pool_cache cache;
    struct pool *pool = pool_new();
    pool_cache_init(&cache, pool);
    const struct thing t = take(&cache, 100);
    assert_null(__asan_region_is_poisoned(t.block, 100));
    assert_ptr_equal(__asan_region_is_poisoned(t.block, 128), (char *)t.block + 100);
    pool_give(&cache, t.block, t.kind);
    assert_ptr_equal(__asan_region_is_poisoned(t.block, 128), t.block);
    pool_cache_close(&cache);
    pool_free(pool);
}
#endif

/* --- threads ---------------------------------------------------------------------------------- */

struct note { /* made by one thread, freed by another */
    struct message message;
    uint8_t kind;
    uint64_t number;
};

struct line {
    struct pool *pool;
    struct mailbox to, back;
};

static void *echo(void *arg)
{
    struct line *line = arg;
    struct pool_cache cache;
    struct list in;
    uint64_t next = 0;
    pool_cache_init(&cache, line->pool);
    list_init(&in);
    while (next < MANY) {
        mailbox_wait(&line->to, INT64_MAX);
        mailbox_drain(&line->to, &in);
        for (struct list *at; (at = list_shift(&in)); next++) {
            struct note *note = (struct note *)(void *)at;
            assert_true(note->number == next);
            pool_give(&cache, note, note->kind);
            uint8_t kind;
            struct note *answer = pool_take(&cache, sizeof *answer, &kind);
            *answer = (struct note){.kind = kind, .number = ~next};
            mailbox_post(&line->back, &answer->message);
        }
    }
    pool_cache_close(&cache);
    return NULL;
}

static void blocks_cross_threads(void **state)
{
    (void)state;
    struct line line = {.pool = pool_new()};
    struct pool_cache cache;
    struct list in;
    pthread_t thread;
    uint64_t next = 0;
    list_init(&in);
    pool_cache_init(&cache, line.pool);
    mailbox_init(&line.to, NULL, NULL);
    mailbox_init(&line.back, NULL, NULL);
    assert_int_equal(pthread_create(&thread, NULL, echo, &line), 0);
    for (uint64_t i = 0; i < MANY; i++) {
        uint8_t kind;
        struct note *note = pool_take(&cache, sizeof *note, &kind);
        *note = (struct note){.kind = kind, .number = i};
        mailbox_post(&line.to, &note->message);
    }
    while (next < MANY) {
        mailbox_wait(&line.back, INT64_MAX);
        mailbox_drain(&line.back, &in);
        for (struct list *at; (at = list_shift(&in)); next++) {
            struct note *note = (struct note *)(void *)at;
            assert_true(note->number == ~next);
            pool_give(&cache, note, note->kind);
        }
    }
    pthread_join(thread, NULL);
    mailbox_close(&line.to);
    mailbox_close(&line.back);
    pool_cache_close(&cache);
    pool_free(line.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_ones_and_those_without_a_cache_are_of_malloc),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(memory_goes_back_after_a_burst),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(a_free_block_is_poisoned),
#endif
        cmocka_unit_test(blocks_cross_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
