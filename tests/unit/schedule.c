/* When [schedule] sections are due: ticks, missed ones, reloads, a clock that is set. */
#include "engine/schedule.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

static struct cron cron_of(const char *text)
{
    struct cron cron;
    struct neap_error err;
    if (cron_parse(&cron, text, &err))
        fail_msg("%s", err.message);
    return cron;
}

static struct zone *utc(void)
{
    struct zone *zone;
    assert_int_equal(zone_open(&zone, "UTC", NULL), 0);
    return zone;
}

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define T0 (20000 * DAY) /* a midnight */

static void nothing_is_never_due(void **state)
{
    struct schedules s = {0};
    (void)state;
    const struct config config = {0};
    schedules_follow(&s, &config, T0);
    assert_int_equal(schedules_next_ms(&s), INT64_MAX);
    assert_null(schedules_due(&s, T0 + DAY));
    schedules_close(&s);
}

static void every_keeps_its_phase(void **state)
{
    struct schedules s = {0};
    (void)state;
    struct config_schedule plans[] = {{.name = "a", .task = "t", .every_ms = 10000}};
    const struct config config = {.schedules = plans, .n_schedules = 1};
    schedules_follow(&s, &config, T0);
    assert_int_equal(schedules_next_ms(&s), T0 + 10000);
    assert_null(schedules_due(&s, T0 + 9999));
    struct schedule *due = schedules_due(&s, T0 + 10003);
    assert_non_null(due);
    assert_ptr_equal(due->plan, &plans[0]);
    assert_null(schedules_due(&s, T0 + 10003));
    assert_int_equal(schedules_next_ms(&s), T0 + 20000);
    assert_non_null(schedules_due(&s, T0 + 57000)); /* once for all that were missed */
    assert_null(schedules_due(&s, T0 + 57000));
    assert_int_equal(schedules_next_ms(&s), T0 + 60000);
    schedules_close(&s);
}

static void cron_runs_once_for_what_was_missed(void **state)
{
    struct schedules s = {0};
    (void)state;
    struct zone *zone = utc();
    struct config_schedule plans[] = {
        {.name = "c", .task = "t", .has_cron = true, .cron = cron_of("0 3 * * *"), .zone = zone}};
    const struct config config = {.schedules = plans, .n_schedules = 1};
    schedules_follow(&s, &config, T0);
    assert_int_equal(schedules_next_ms(&s), T0 + 3 * HOUR);
    assert_null(schedules_due(&s, T0 + 3 * HOUR - 1));
    assert_non_null(schedules_due(&s, T0 + 3 * HOUR));
    assert_int_equal(schedules_next_ms(&s), T0 + DAY + 3 * HOUR);
    assert_non_null(schedules_due(&s, T0 + 9 * DAY)); /* the clock was put forward */
    assert_null(schedules_due(&s, T0 + 9 * DAY));
    assert_int_equal(schedules_next_ms(&s), T0 + 9 * DAY + 3 * HOUR);
    schedules_close(&s);
    zone_free(zone);
}

static void a_clock_set_back_begins_anew(void **state)
{
    struct schedules s = {0};
    (void)state;
    struct zone *zone = utc();
    struct config_schedule plans[] = {
        {.name = "a", .task = "t", .every_ms = 10000},
        {.name = "c", .task = "t", .has_cron = true, .cron = cron_of("*/5 * * * *"), .zone = zone}};
    const struct config config = {.schedules = plans, .n_schedules = 2};
    schedules_follow(&s, &config, T0 + 1000 * DAY);
    assert_null(schedules_due(&s, T0 + 1000 * DAY + 5000));
    assert_null(schedules_due(&s, T0 + 1000 * DAY + 4500)); /* a correction changes nothing */
    assert_int_equal(schedules_next_ms(&s), T0 + 1000 * DAY + 10000);
    assert_null(schedules_due(&s, T0));
    assert_int_equal(schedules_next_ms(&s), T0 + 10000);
    assert_non_null(schedules_due(&s, T0 + 10000));
    assert_null(schedules_due(&s, T0 + 10000));
    assert_non_null(schedules_due(&s, T0 + 5 * MINUTE));
    assert_non_null(schedules_due(&s, T0 + 5 * MINUTE));
    assert_null(schedules_due(&s, T0 + 5 * MINUTE));
    schedules_close(&s);
    zone_free(zone);
}

static void a_reload_keeps_what_did_not_change(void **state)
{
    struct schedules s = {0};
    (void)state;
    struct config_schedule before[] = {{.name = "same", .task = "t", .every_ms = 60000},
                                       {.name = "new pace", .task = "t", .every_ms = 60000},
                                       {.name = "gone", .task = "t", .every_ms = 1000}};
    struct config_schedule after[] = {{.name = "fresh", .task = "t", .every_ms = 90000},
                                      {.name = "new pace", .task = "t", .every_ms = 30000},
                                      {.name = "same", .task = "other", .every_ms = 60000}};
    const struct config old = {.schedules = before, .n_schedules = 3},
                        new = {.schedules = after, .n_schedules = 3};
    schedules_follow(&s, &old, T0);
    s.items[0].last_job = 7;
    s.items[1].last_job = 8;
    schedules_follow(&s, &new, T0 + 40000);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.items[0].next_ms, T0 + 130000);
    assert_int_equal(s.items[0].last_job, 0);
    assert_int_equal(s.items[1].next_ms, T0 + 70000);
    assert_int_equal(s.items[1].last_job, 8);
    assert_int_equal(s.items[2].next_ms, T0 + 60000);
    assert_int_equal(s.items[2].last_job, 7);
    assert_ptr_equal(s.items[2].plan, &after[2]);
    schedules_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_never_due),
        cmocka_unit_test(every_keeps_its_phase),
        cmocka_unit_test(cron_runs_once_for_what_was_missed),
        cmocka_unit_test(a_clock_set_back_begins_anew),
        cmocka_unit_test(a_reload_keeps_what_did_not_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
