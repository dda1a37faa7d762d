#include "model/life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW 1700000000000
#define HOUR 3600000
#define LENGTH(a) (sizeof(a) / sizeof *(a))

static const struct retry serve = {20, NEAP_EXPONENTIAL, 1000, HOUR, 0};
static const struct retry twice = {2, NEAP_FIXED, 500, -1, 0};
static const struct retry never = {0, NEAP_FIXED, 500, -1, 0};
static const struct retry unset = {-1, -1, -1, -1, -1};

static void transitions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t attempt;
        enum outcome_kind kind;
        int64_t after_ms;
        const struct retry *policy;
        struct life want;
    } rows[] = {
        {"completed", 1, OUTCOME_COMPLETED, 0, &serve, {NEAP_COMPLETED, 0, 1}},
        {"completed at last", 3, OUTCOME_COMPLETED, 99, &never, {NEAP_COMPLETED, 0, 3}},
        {"first failure", 1, OUTCOME_FAILED, 0, &serve, {NEAP_RETRYABLE, NOW + 1000, 1}},
        {"fourth failure", 4, OUTCOME_FAILED, 0, &serve, {NEAP_RETRYABLE, NOW + 8000, 4}},
        {"capped", 20, OUTCOME_FAILED, 0, &serve, {NEAP_RETRYABLE, NOW + HOUR, 20}},
        {"used up", 21, OUTCOME_FAILED, 0, &serve, {NEAP_DEAD, 0, 21}},
        {"after is not for failures",
         1,
         OUTCOME_FAILED,
         77,
         &twice,
         {NEAP_RETRYABLE, NOW + 500, 1}},
        {"last retry", 2, OUTCOME_FAILED, 0, &twice, {NEAP_RETRYABLE, NOW + 500, 2}},
        {"past the last retry", 3, OUTCOME_FAILED, 0, &twice, {NEAP_DEAD, 0, 3}},
        {"no retries", 1, OUTCOME_FAILED, 0, &never, {NEAP_DEAD, 0, 1}},
        {"no policy", 1, OUTCOME_FAILED, 0, NULL, {NEAP_DEAD, 0, 1}},
        {"unset policy", 1, OUTCOME_FAILED, 0, &unset, {NEAP_DEAD, 0, 1}},
        {"ctx:retry", 1, OUTCOME_RETRY, 77, &serve, {NEAP_RETRYABLE, NOW + 77, 1}},
        {"ctx:retry at once", 1, OUTCOME_RETRY, 0, &twice, {NEAP_RETRYABLE, NOW, 1}},
        {"ctx:retry used up", 3, OUTCOME_RETRY, 77, &twice, {NEAP_DEAD, 0, 3}},
        {"ctx:retry without policy", 1, OUTCOME_RETRY, 77, NULL, {NEAP_DEAD, 0, 1}},
        {"ctx:snooze", 1, OUTCOME_SNOOZED, 5000, &never, {NEAP_SCHEDULED, NOW + 5000, 0}},
        {"ctx:snooze, later attempt", 3, OUTCOME_SNOOZED, 5, NULL, {NEAP_SCHEDULED, NOW + 5, 2}},
        {"ctx:snooze into the past", 1, OUTCOME_SNOOZED, -5, NULL, {NEAP_SCHEDULED, NOW, 0}},
        {"ctx:snooze for ever",
         1,
         OUTCOME_SNOOZED,
         INT64_MAX,
         NULL,
         {NEAP_SCHEDULED, INT64_MAX - 1, 0}},
        {"cancelled", 2, OUTCOME_CANCELLED, 0, &serve, {NEAP_CANCELLED, 0, 2}},
        {"ctx:fail", 1, OUTCOME_DEAD, 0, &serve, {NEAP_DEAD, 0, 1}},
        {"handed back", 1, OUTCOME_HANDED_BACK, 0, &serve, {NEAP_AVAILABLE, 0, 0}},
        {"handed back at its third", 3, OUTCOME_HANDED_BACK, 9, NULL, {NEAP_AVAILABLE, 0, 2}},
        {"handed back before any", 0, OUTCOME_HANDED_BACK, 0, NULL, {NEAP_AVAILABLE, 0, 0}},
    };
    struct job *job = job_new(NULL, NULL, 0);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        job->attempt = rows[i].attempt;
        const struct life got =
            job_next(job, rows[i].kind, rows[i].after_ms, rows[i].policy, NOW, 0.5);
        const struct life want = rows[i].want;
        if (got.state != want.state || got.due_ms != want.due_ms || got.attempt != want.attempt)
            fail_msg("%s: state %d due %+lld attempt %u", rows[i].name, got.state,
                     (long long)(got.due_ms - NOW), got.attempt);
    }
    job_free(NULL, job);
}

static void backoff(void **state)
{
    (void)state;
    static const struct {
        struct retry policy;
        uint32_t n;
        int64_t want;
    } rows[] = {
        {{1, NEAP_EXPONENTIAL, 100, -1, 0}, 1, 100},
        {{1, NEAP_EXPONENTIAL, 100, -1, 0}, 0, 100},
        {{1, NEAP_EXPONENTIAL, 100, -1, 0}, 5, 1600},
        {{1, NEAP_EXPONENTIAL, 100, 1000, 0}, 5, 1000},
        {{1, NEAP_EXPONENTIAL, 100, 0, 0}, 5, 0},
        {{1, NEAP_EXPONENTIAL, 0, -1, 0}, UINT32_MAX, 0},
        {{1, NEAP_EXPONENTIAL, 1, -1, 0}, 53, (int64_t)1 << 52},
        {{1, NEAP_EXPONENTIAL, 1, -1, 0}, 54, (int64_t)1 << 53},
        {{1, NEAP_EXPONENTIAL, 1, -1, 0}, 63, (int64_t)1 << 53},
        {{1, NEAP_EXPONENTIAL, 1, -1, 0}, 64, (int64_t)1 << 53},
        {{1, NEAP_EXPONENTIAL, 1, -1, 0}, 65, (int64_t)1 << 53},
        {{1, NEAP_EXPONENTIAL, 1, HOUR, 0}, UINT32_MAX, HOUR},
        {{1, NEAP_EXPONENTIAL, INT64_MAX, -1, 0}, 2, (int64_t)1 << 53},
        {{1, NEAP_EXPONENTIAL, INT64_MAX, 12, 0}, UINT32_MAX, 12},
        {{1, NEAP_LINEAR, 100, -1, 0}, 1, 100},
        {{1, NEAP_LINEAR, 100, -1, 0}, 7, 700},
        {{1, NEAP_LINEAR, 100, 650, 0}, 7, 650},
        {{1, NEAP_LINEAR, INT64_MAX / 2, 5000, 0}, 7, 5000},
        {{1, NEAP_FIXED, 100, -1, 0}, 7, 100},
        {{1, NEAP_FIXED, 100, 60, 0}, 7, 60},
        {{1, NEAP_FIXED, -1, -1, 0}, 7, 0},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_int_equal(retry_delay(&rows[i].policy, rows[i].n, 0.5), rows[i].want);
}

static void jitter_stays_in_bounds(void **state)
{
    (void)state;
    const struct retry fixed = {1, NEAP_FIXED, 1000, -1, 0.2};
    assert_int_equal(retry_delay(&fixed, 1, 0), 800);
    assert_int_equal(retry_delay(&fixed, 1, 0.5), 1000);
    assert_int_equal(retry_delay(&fixed, 1, 1), 1200);
    const struct retry capped = {1, NEAP_EXPONENTIAL, 1000, 4000, 0.5};
    assert_int_equal(retry_delay(&capped, 9, 0), 2000);
    assert_int_equal(retry_delay(&capped, 9, 1), 6000);
    const struct retry full = {1, NEAP_FIXED, 1000, -1, 1};
    assert_int_equal(retry_delay(&full, 1, 0), 0);
    const struct retry wild = {1, NEAP_FIXED, 1000, -1, 7};
    assert_int_equal(retry_delay(&wild, 1, 0), 0);
    const struct retry huge = {1, NEAP_FIXED, INT64_MAX, -1, 1};
    assert_int_equal(retry_delay(&huge, 1, 1), (int64_t)1 << 53);
    srand(1);
    int64_t least = INT64_MAX, most = 0;
    for (int i = 0; i < 10000; i++) {
        const int64_t delay = retry_delay(&fixed, 1, rand() / (double)RAND_MAX);
        assert_true(delay >= 800 && delay <= 1200);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    assert_true(least < 820 && most > 1180);
}

static void merges_field_by_field(void **state)
{
    (void)state;
    const struct retry over = {-1, NEAP_LINEAR, -1, 10, -1}, under = {5, NEAP_FIXED, 7, 20, 0.25};
    const struct retry got = retry_merge(&over, &under);
    assert_int_equal(got.max, 5);
    assert_int_equal(got.backoff, NEAP_LINEAR);
    assert_int_equal(got.base_ms, 7);
    assert_int_equal(got.cap_ms, 10);
    assert_true(got.jitter == 0.25);
    const struct retry zero = {0, NEAP_EXPONENTIAL, 0, 0, 0}; /* zero is set */
    const struct retry kept = retry_merge(&zero, &under);
    assert_int_equal(kept.max, 0);
    assert_int_equal(kept.backoff, NEAP_EXPONENTIAL);
    assert_int_equal(kept.base_ms, 0);
    assert_int_equal(kept.cap_ms, 0);
    assert_true(kept.jitter == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transitions),
        cmocka_unit_test(backoff),
        cmocka_unit_test(jitter_stays_in_bounds),
        cmocka_unit_test(merges_field_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
