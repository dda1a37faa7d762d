#include "model/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void buckets_are_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(metrics_bucket(INT64_MIN), 0);
    assert_int_equal(metrics_bucket(-1), 0);
    assert_int_equal(metrics_bucket(0), 0);
    assert_int_equal(metrics_bucket(1), 1);
    for (unsigned i = 1; i < NEAP_BUCKETS - 1; i++) {
        assert_int_equal(metrics_bucket(((int64_t)1 << i) - 1), i);
        assert_int_equal(metrics_bucket((int64_t)1 << i), i + 1);
    }
    assert_int_equal(metrics_bucket((int64_t)1 << 50), NEAP_BUCKETS - 1);
    assert_int_equal(metrics_bucket(INT64_MAX), NEAP_BUCKETS - 1);
}

static void counts_how_attempts_ended(void **state)
{
    (void)state;
    static const struct attempt_cost none = {0}, one = {1500000, 3, 250000, 1000},
                                     two = {500000, 3, 500000, 24}, odd = {-5, -5, -5, 0};
    struct counters counted = {.submitted = 9, .live = 3}, other = counted;
    struct neap_counters c;
    counters_ended(&counted, &other, OUTCOME_COMPLETED, NEAP_COMPLETED, &one);
    counters_ended(&counted, &other, OUTCOME_FAILED, NEAP_RETRYABLE, &two);
    counters_ended(&counted, &other, OUTCOME_FAILED, NEAP_DEAD, &none);
    counters_ended(&counted, &other, OUTCOME_RETRY, NEAP_RETRYABLE, &none);
    counters_ended(&counted, &other, OUTCOME_DEAD, NEAP_DEAD, &none);
    counters_ended(&counted, &other, OUTCOME_SNOOZED, NEAP_SCHEDULED, &none);
    counters_ended(&counted, &other, OUTCOME_CANCELLED, NEAP_CANCELLED, &odd);
    assert_memory_equal(&counted, &other, sizeof counted);
    counted.became[NEAP_CANCELLED]++; /* in line */
    counters_read(&counted, &c);
    assert_int_equal(c.submitted, 9);
    assert_int_equal(c.waiting, 3);
    assert_int_equal(c.running + c.rejected + c.dropped, 0);
    assert_int_equal(c.completed, 1);
    assert_int_equal(c.failed, 4);
    assert_int_equal(c.retried, 2);
    assert_int_equal(c.dead, 2);
    assert_int_equal(c.cancelled, 2);
    assert_int_equal(metrics_count(c.run_us), 7);
    assert_int_equal(metrics_count(c.wait_us), 7);
    assert_int_equal(c.run_us[0], 5);
    assert_int_equal(c.run_us[metrics_bucket(1500000)], 1);
    assert_int_equal(c.wait_us[2], 2);
    assert_true(c.run_sum_s > 1.999999 && c.run_sum_s < 2.000001);
    assert_true(c.wait_sum_s > 0.0000059 && c.wait_sum_s < 0.0000061);
    assert_true(c.cpu_sum_s == 0.75);
    assert_int_equal(c.bytes_sum, 1024);
}

static void adds_every_field(void **state)
{
    (void)state;
    struct neap_counters one = {0}, sum = {0};
    uint64_t *field = (uint64_t *)&one; /* all before the sums are uint64_t, in a row */
    for (size_t i = 0; i < offsetof(struct neap_counters, run_sum_s) / sizeof *field; i++)
        field[i] = i + 1;
    one.run_sum_s = 0.5;
    one.wait_sum_s = 0.25;
    one.cpu_sum_s = 0.125;
    one.bytes_sum = 99;
    counters_add(&sum, &one);
    assert_memory_equal(&sum, &one, sizeof one);
    counters_add(&sum, &one);
    field = (uint64_t *)&sum;
    for (size_t i = 0; i < offsetof(struct neap_counters, run_sum_s) / sizeof *field; i++)
        assert_int_equal(field[i], 2 * (i + 1));
    assert_true(sum.run_sum_s == 1 && sum.wait_sum_s == 0.5 && sum.cpu_sum_s == 0.25);
    assert_int_equal(sum.bytes_sum, 198);
}

static void estimates_quantiles(void **state)
{
    (void)state;
    uint64_t none[NEAP_BUCKETS] = {0}, zeros[NEAP_BUCKETS] = {9}, some[NEAP_BUCKETS] = {0};
    assert_true(metrics_quantile(none, 0.5) == 0);
    assert_true(metrics_quantile(zeros, 1) == 0);
    for (int64_t us = 0; us < 100000; us++)
        some[metrics_bucket(us)]++;
    double last = 0;
    for (int percent = 1; percent <= 100; percent++) {
        const double exact = percent * 1000.0, got = metrics_quantile(some, percent / 100.0);
        assert_true(got >= last && got >= exact / 2 && got <= exact * 2);
        last = got;
    }
    assert_true(metrics_quantile(some, 1) == 131072);
    assert_true(metrics_quantile(some, 0) == 0);
    uint64_t huge[NEAP_BUCKETS] = {[NEAP_BUCKETS - 1] = 1};
    assert_true(metrics_quantile(huge, 0.5) > 2.7e11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_powers_of_two),
        cmocka_unit_test(counts_how_attempts_ended),
        cmocka_unit_test(adds_every_field),
        cmocka_unit_test(estimates_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
