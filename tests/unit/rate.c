#include "parts/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)

static void no_interval_means_no_limit(void **state)
{
    (void)state;
    struct rate rate = {0};
    for (int i = 0; i < 1000; i++)
        assert_true(rate_take(&rate, 5));
    rate_refund(&rate);
    assert_int_equal(rate_ready_ns(&rate), 0);
}

static void starts_are_an_interval_apart(void **state)
{
    (void)state;
    struct rate rate = {.interval_ns = 100 * MS};
    int64_t now = 50 * SECOND;
    assert_true(rate_ready_ns(&rate) <= now);
    for (int i = 0; i < 100; i++) {
        assert_true(rate_take(&rate, now));
        assert_false(rate_take(&rate, now));
        assert_int_equal(rate_ready_ns(&rate), now + 100 * MS);
        assert_false(rate_take(&rate, rate_ready_ns(&rate) - 1));
        now = rate_ready_ns(&rate);
    }
}

static void idle_time_is_not_saved_up(void **state)
{
    (void)state;
    struct rate rate = {.interval_ns = 100 * MS};
    assert_true(rate_take(&rate, 1 * SECOND));
    assert_true(rate_take(&rate, 100 * SECOND));
    assert_false(rate_take(&rate, 100 * SECOND + 99 * MS));
    assert_true(rate_take(&rate, 100 * SECOND + 100 * MS));
}

static void late_timers_do_not_lower_the_rate(void **state)
{
    (void)state;
    struct rate rate = {.interval_ns = 5 * MS};
    const int64_t start = 7 * SECOND;
    int64_t now = start;
    srand(1);
    int starts = 0;
    while (now < start + 10 * SECOND) {
        starts += rate_take(&rate, now);
        now = rate_ready_ns(&rate) + rand() % (2 * MS); /* as late as a timer of milliseconds is */
    }
    assert_true(starts >= 1999 && starts <= 2001);
}

static void never_above_the_rate(void **state)
{
    (void)state;
    enum { N = 20000 };
    static int64_t at[N];
    struct rate rate = {.interval_ns = 3 * MS};
    int64_t now = SECOND;
    srand(2);
    for (int n = 0; n < N;) {
        if (rate_take(&rate, now))
            at[n++] = now;
        now += rand() % (rand() % 100 ? MS : 50 * MS); /* asked at all times */
    }
    for (int span = 1; span < 200; span = span * 2 + 1)
        for (int i = 0; i + span < N; i++)
            assert_true(at[i + span] - at[i] >= span * 3 * MS - RATE_SLACK_NS);
}

static void refund_gives_the_start_back(void **state)
{
    (void)state;
    struct rate rate = {.interval_ns = SECOND};
    assert_true(rate_take(&rate, 10 * SECOND));
    assert_false(rate_take(&rate, 10 * SECOND));
    rate_refund(&rate);
    assert_true(rate_take(&rate, 10 * SECOND));
    assert_int_equal(rate_ready_ns(&rate), 11 * SECOND);
}

static void a_new_limit_holds_from_now(void **state)
{
    (void)state;
    struct rate rate = {0};
    rate_set(&rate, 3600 * SECOND, 10 * SECOND);
    assert_true(rate_take(&rate, 10 * SECOND));
    rate_set(&rate, SECOND, 20 * SECOND); /* not an hour's wait for what was one an hour */
    assert_int_equal(rate_ready_ns(&rate), 21 * SECOND);
    rate_set(&rate, 2 * SECOND, 20 * SECOND);
    assert_int_equal(rate_ready_ns(&rate), 21 * SECOND);
    rate_set(&rate, -1, 20 * SECOND);
    assert_true(rate_take(&rate, 20 * SECOND));
    rate_set(&rate, INT64_MAX, 20 * SECOND); /* once */
    rate.next_ns = 0;
    assert_true(rate_take(&rate, 20 * SECOND));
    assert_int_equal(rate_ready_ns(&rate), INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_interval_means_no_limit),
        cmocka_unit_test(starts_are_an_interval_apart),
        cmocka_unit_test(idle_time_is_not_saved_up),
        cmocka_unit_test(late_timers_do_not_lower_the_rate),
        cmocka_unit_test(never_above_the_rate),
        cmocka_unit_test(refund_gives_the_start_back),
        cmocka_unit_test(a_new_limit_holds_from_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
