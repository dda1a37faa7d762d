#include "base/slabs.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS 4000
#define STEPS 200000
#define STACKS 10000
#define SIZE_MAX_TRIED 800

struct block {
    unsigned char *data;
    size_t size;
    unsigned char mark;
};

static void check(const struct block *b)
{
    for (size_t i = 0; b->data && i < b->size; i++)
        if (b->data[i] != b->mark)
            fail_msg("byte %zu of a block of %zu is another's", i, b->size);
}

static void resize(struct slabs *s, struct block *b, size_t size)
{
    const size_t kept = b->size < size ? b->size : size;
    check(b);
    b->data = slabs_resize(s, b->data, b->size, size);
    b->size = kept;
    assert_true(!b->data == !size);
    assert_int_equal((uintptr_t)b->data % SLABS_UNIT, 0);
    check(b);
    b->size = size;
    b->mark++;
    if (b->data)
        memset(b->data, b->mark, size);
}

static void blocks_are_apart_and_keep_their_bytes(void **state)
{
    (void)state;
    struct slabs s = {0};
    struct block *blocks = calloc(BLOCKS, sizeof *blocks);
    unsigned seed = 1;
    for (int i = 0; i < STEPS; i++) {
        struct block *b = &blocks[(unsigned)rand_r(&seed) % BLOCKS];
        const unsigned what = (unsigned)rand_r(&seed);
        const size_t size = what & 8 ? (unsigned)rand_r(&seed) % SIZE_MAX_TRIED : SLABS_STACK;
        resize(&s, b, what % 3 ? size : 0);
    }
    for (int i = 0; i < BLOCKS; i++)
        resize(&s, &blocks[i], 0);
    slabs_close(&s);
    free(blocks);
}

static void memory_goes_back_when_all_is_free(void **state)
{
    (void)state;
    struct slabs s = {0};
    void **all = calloc(100000, sizeof *all);
    const size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 100000; i++)
        all[i] = slabs_resize(&s, NULL, 0, 40);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    assert_true(mallinfo2().uordblks - before < 100000 * 49);
#endif
    for (int i = 0; i < 100000; i++) /* not in order */
        assert_null(slabs_give(&s, all[i * 7919 % 100000], 40));
    assert_true(mallinfo2().uordblks - before <= 32768);
    slabs_close(&s);
    /* less than a slab: what glibc cut off to align the first is still in its caches */
    assert_true(mallinfo2().uordblks < before + SLAB_BYTES / 2);
    free(all);
}

/* As many as a busy worker has, so that slabs come with all their pages, too. */
static void stacks_lie_close_and_go_back(void **state)
{
    (void)state;
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    struct slabs s = {0};
    void **all = calloc(STACKS, sizeof *all);
    for (int i = 0; i < STACKS; i++)
        memset(all[i] = slabs_resize(&s, NULL, 0, SLABS_STACK), i, SLABS_STACK);
    assert_true(s.n_stack_slabs * SLAB_STACK_BYTES < STACKS * (SLABS_STACK + 2) + SLAB_STACK_BYTES);
    for (int i = 0; i < STACKS; i++) { /* not in order */
        unsigned char *const stack = all[i * 7919 % STACKS];
        assert_int_equal(stack[0], (unsigned char)(i * 7919 % STACKS));
        assert_int_equal(stack[SLABS_STACK - 1], stack[0]);
        assert_null(slabs_give(&s, stack, SLABS_STACK));
    }
    assert_int_equal(s.n_stack_slabs, 1);
    slabs_close(&s);
    assert_int_equal(s.n_stack_slabs, 0);
    free(all);
#endif
}

static void moves_as_bytes(void **state)
{
    (void)state;
    struct slabs s = {0}, to;
    void *first = slabs_resize(&s, NULL, 0, 24), *second = slabs_resize(&s, NULL, 0, 24);
    to = s;
    memset(&s, 0xff, sizeof s);
    slabs_resize(&to, first, 24, 0);
    slabs_resize(&to, second, 24, 0);
    assert_null(slabs_resize(&to, NULL, 0, 0));
    slabs_close(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_apart_and_keep_their_bytes),
        cmocka_unit_test(memory_goes_back_when_all_is_free),
        cmocka_unit_test(stacks_lie_close_and_go_back),
        cmocka_unit_test(moves_as_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
