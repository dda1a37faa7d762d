#include "base/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PIECES 50
#define BYTES ((size_t)256 * 1024)

static void pieces_are_aligned_apart_and_zeroed(void **state)
{
    (void)state;
    char *pieces[PIECES];
    for (int i = 0; i < PIECES; i++) {
        const char *piece = pieces[i] = pages_map(BYTES);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % BYTES, 0);
        if (i % 2)
            pages_populate(pieces[i], BYTES);
        for (size_t at = 0; at < BYTES; at += 64)
            assert_int_equal(piece[at], 0);
        memset(pieces[i], i + 1, BYTES);
    }
    for (int i = 0; i < PIECES; i++) {
        assert_int_equal(pieces[i][0], i + 1);
        assert_int_equal(pieces[i][BYTES - 1], i + 1);
        pages_unmap(pieces[i], BYTES);
    }
}

static void no_memory_is_said(void **state)
{
    (void)state;
    assert_null(pages_map(SIZE_MAX / 4 + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_apart_and_zeroed),
        cmocka_unit_test(no_memory_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
