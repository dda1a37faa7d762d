#include "base/ranks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ITEMS 300

static void is_empty_at_first(void **state)
{
    (void)state;
    struct ranks r = {0};
    assert_null(ranks_min(&r));
    assert_null(ranks_pop(&r));
    ranks_close(&r);
}

static void orders_by_key(void **state)
{
    (void)state;
    struct ranks r = {0};
    struct rank all[] = {{.key = 5, .note = 3},
                         {.key = INT64_MIN, .note = 1},
                         {.key = INT64_MAX, .note = 4},
                         {.key = -1, .note = 2}};
    for (size_t i = 0; i < 4; i++)
        ranks_push(&r, &all[i]);
    for (uint32_t note = 1; note <= 4; note++) {
        const struct rank *first = ranks_pop(&r);
        assert_int_equal(first->note, note);
        assert_int_equal(first->pos, 0);
    }
    ranks_close(&r);
}

static int64_t least(const struct rank *all)
{
    int64_t key = INT64_MAX;
    for (size_t i = 0; i < ITEMS; i++)
        key = all[i].pos && all[i].key < key ? all[i].key : key;
    return key;
}

static void random_operations_against_a_search(void **state)
{
    (void)state;
    static struct rank all[ITEMS];
    struct ranks r = {0};
    unsigned seed = 1;
    uint32_t len = 0;
    for (int round = 0; round < 60000; round++) {
        const bool filling = round / 5000 % 2 == 0;
        struct rank *one = &all[(unsigned)rand_r(&seed) % ITEMS];
        if (one->pos && rand_r(&seed) % 4 == 0) {
            ranks_remove(&r, one);
            len--;
        } else if (!one->pos && (filling || rand_r(&seed) % 4 == 0)) {
            one->key = rand_r(&seed) % 50; /* many alike */
            ranks_push(&r, one);
            len++;
        } else if (!filling && len) {
            const int64_t key = least(all);
            assert_int_equal(ranks_pop(&r)->key, key);
            len--;
        }
        assert_int_equal(r.len, len);
        if (len)
            assert_int_equal(ranks_min(&r)->key, least(all));
    }
    while (len--) {
        const int64_t key = least(all);
        assert_int_equal(ranks_pop(&r)->key, key);
    }
    assert_null(ranks_pop(&r));
    ranks_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_empty_at_first),
        cmocka_unit_test(orders_by_key),
        cmocka_unit_test(random_operations_against_a_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
