#include "model/id.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "neap.h"

static void orders_by_time_then_sequence(void **state)
{
    (void)state;
    struct id_source source = {0};
    const uint64_t first = id_next(&source, 1000);
    assert_int_equal(first >> 22, 1000);
    const uint64_t second = id_next(&source, 1000);
    assert_true(second > first);
    assert_int_equal(second >> 22, 1000);
    assert_int_equal(id_next(&source, 1001) >> 22, 1001);
}

static void a_clock_that_steps_back_changes_nothing(void **state)
{
    (void)state;
    struct id_source source = {0};
    uint64_t last = 0;
    const int64_t clock_ms[] = {0, -5, 2000, 1000, 0, INT64_MIN, 2000, 2001, 3};
    for (size_t i = 0; i < sizeof clock_ms / sizeof *clock_ms; i++) {
        const uint64_t id = id_next(&source, clock_ms[i]);
        assert_true(id > last); /* and so never 0 */
        last = id;
    }
    assert_int_equal(last >> 22, 2001);
}

static void the_sequence_goes_on(void **state)
{
    (void)state;
    struct id_source source = {0};
    const uint64_t first = id_next(&source, 1000);
    assert_int_equal(id_next(&source, 1001), (UINT64_C(1001) << 22) + (first & 0x3fffff) + 1);
    atomic_store(&source.last, (UINT64_C(2000) << 22) + 0x3fffff);
    assert_int_equal(id_next(&source, 2001), UINT64_C(2001) << 22);
}

static void more_than_a_millisecond_holds_borrow_the_next(void **state)
{
    (void)state;
    struct id_source source = {0};
    atomic_store(&source.last, ((uint64_t)77 << 22) + ((1 << 22) - 1));
    assert_int_equal(id_next(&source, 77), (uint64_t)78 << 22);
}

static void several_at_once_are_in_a_row(void **state)
{
    (void)state;
    struct id_source source = {0};
    atomic_store(&source.last, ((uint64_t)77 << 22) + ((1 << 22) - 5));
    const uint64_t first = id_next_some(&source, 77, 32);
    assert_int_equal(first, ((uint64_t)77 << 22) + ((1 << 22) - 4));
    assert_int_equal(id_next(&source, 77), first + 32);
    assert_int_equal(id_next(&source, 79) >> 22, 79);
}

#define TAKERS 4
#define IDS 20000

struct taker {
    struct id_source *source;
    uint64_t ids[IDS];
};

static void *take(void *arg)
{
    struct taker *taker = arg;
    for (int i = 0; i < IDS; i++)
        taker->ids[i] = i % 2 ? id_next(taker->source, 5000 + i / 1000)
                              : id_next_some(taker->source, 5000 + i / 1000, 32);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void threads_get_different_ids(void **state)
{
    (void)state;
    struct id_source source = {0};
    static struct taker takers[TAKERS];
    static uint64_t all[TAKERS * IDS];
    pthread_t threads[TAKERS];
    for (int i = 0; i < TAKERS; i++) {
        takers[i].source = &source;
        assert_int_equal(pthread_create(&threads[i], NULL, take, &takers[i]), 0);
    }
    for (int i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
        for (int n = 1; n < IDS; n++)
            assert_true(takers[i].ids[n] > takers[i].ids[n - 1]);
        memcpy(all + i * IDS, takers[i].ids, sizeof takers[i].ids);
    }
    qsort(all, TAKERS * IDS, sizeof *all, compare);
    for (int i = 1; i < TAKERS * IDS; i++)
        assert_true(all[i] != all[i - 1]);
}

static void as_text(void **state)
{
    (void)state;
    static const struct {
        uint64_t id;
        const char *text;
    } rows[] = {
        {0, "0000000000000"},
        {1, "0000000000001"},
        {31, "000000000000Z"},
        {32, "0000000000010"},
        {UINT64_MAX, "FZZZZZZZZZZZZ"},
        {(uint64_t)1 << 63, "8000000000000"},
        {0x123456789abcdef0, "14D2PF2DBSQQG"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[NEAP_ID_CHARS + 1];
        uint64_t back = 5;
        neap_id_text(rows[i].id, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(neap_id_parse(text, &back), NEAP_OK);
        assert_int_equal(back, rows[i].id);
    }
}

static void texts_sort_as_the_numbers_do(void **state)
{
    (void)state;
    char last[NEAP_ID_CHARS + 1] = "", text[NEAP_ID_CHARS + 1];
    for (uint64_t id = 1; id < UINT64_MAX / 7; id += id / 5 + 1) {
        neap_id_text(id, text);
        assert_true(strcmp(last, text) < 0);
        memcpy(last, text, sizeof last);
    }
}

static void reads_what_people_write(void **state)
{
    (void)state;
    uint64_t id = 0;
    assert_int_equal(neap_id_parse("14d2pf2dbsqqg", &id), NEAP_OK);
    assert_int_equal(id, 0x123456789abcdef0);
    assert_int_equal(neap_id_parse("oOoOoOoOoOiIl", &id), NEAP_OK);
    assert_int_equal(id, 1 << 10 | 1 << 5 | 1);
    assert_int_equal(neap_id_parse("000000000000L", &id), NEAP_OK);
    assert_int_equal(id, 1);
}

static void refuses_the_rest(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "000000000000",   /* 12 */
        "00000000000000", /* 14 */
        "G000000000000",  /* 2^64 */
        "ZZZZZZZZZZZZZ",
        "000000000000U",
        "000000-000000",
        " 000000000001",
        "000000000001 ",
        "00000000000\xc3\xa9",
        "+000000000001",
    };
    uint64_t id = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(neap_id_parse(bad[i], &id), NEAP_EINVAL);
    assert_int_equal(neap_id_parse(NULL, &id), NEAP_EINVAL);
    assert_int_equal(id, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_by_time_then_sequence),
        cmocka_unit_test(a_clock_that_steps_back_changes_nothing),
        cmocka_unit_test(the_sequence_goes_on),
        cmocka_unit_test(more_than_a_millisecond_holds_borrow_the_next),
        cmocka_unit_test(several_at_once_are_in_a_row),
        cmocka_unit_test(threads_get_different_ids),
        cmocka_unit_test(as_text),
        cmocka_unit_test(texts_sort_as_the_numbers_do),
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
