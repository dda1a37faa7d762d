#include "model/cron.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/date.h"
#include "base/text.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define DAY_S ((int64_t)DATE_DAY_S)

static uint64_t seed = 1;

static int64_t next_random(int64_t low, int64_t high)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return low + (int64_t)(seed % (uint64_t)(high - low));
}

static struct cron parse(const char *text)
{
    struct cron cron;
    struct neap_error err;
    if (cron_parse(&cron, text, &err))
        fail_msg("%s: %s", text, err.message);
    return cron;
}

static uint64_t bits(int low, int high)
{
    uint64_t set = 0;
    for (int i = low; i <= high; i++)
        set |= (uint64_t)1 << i;
    return set;
}

#define BIT(n) ((uint64_t)1 << (n))

static void fields(void **state)
{
    (void)state;
    struct cron c = parse("* * * * *");
    assert_int_equal(c.minutes, bits(0, 59));
    assert_int_equal(c.hours, bits(0, 23));
    assert_int_equal(c.days, bits(1, 31));
    assert_int_equal(c.months, bits(1, 12));
    assert_int_equal(c.weekdays, bits(0, 6));
    assert_true(c.any_day && c.any_weekday && c.any_time);
    c = parse("  0,30,59\t9-17/4  1-10,20   jan,Mar-MAY,12 mon-fri ");
    assert_int_equal(c.minutes, BIT(0) | BIT(30) | BIT(59));
    assert_int_equal(c.hours, BIT(9) | BIT(13) | BIT(17));
    assert_int_equal(c.days, bits(1, 10) | BIT(20));
    assert_int_equal(c.months, BIT(1) | bits(3, 5) | BIT(12));
    assert_int_equal(c.weekdays, bits(1, 5));
    assert_false(c.any_day || c.any_weekday || c.any_time);
    c = parse("*/25 */24 */10 */12 */2");
    assert_int_equal(c.minutes, BIT(0) | BIT(25) | BIT(50));
    assert_int_equal(c.hours, BIT(0));
    assert_int_equal(c.days, BIT(1) | BIT(11) | BIT(21) | BIT(31));
    assert_int_equal(c.months, BIT(1));
    assert_int_equal(c.weekdays, BIT(0) | BIT(2) | BIT(4) | BIT(6));
    assert_true(c.any_day && c.any_weekday && c.any_time);
    assert_true(parse("5 * * * *").any_time);
    assert_true(parse("*/5 3 * * *").any_time);
    assert_false(parse("0-59 3 * * *").any_time);
    assert_true(parse("0 3 *,5 * *").any_day); /* starts with a star */
    assert_false(parse("0 3 5,* * *").any_day);
    assert_int_equal(parse("000 03 01 012 00").months, BIT(12));
}

static void weekdays(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t want; /* one bit a day from Sunday */
    } rows[] = {
        {"0", 1},          {"7", 1},       {"0,7", 1},        {"sun", 1},
        {"SAT", 1 << 6},   {"5-7", 0x61},  {"fri-sun", 0x61}, {"sun-tue", 7},
        {"0-7", 0x7f},     {"sun-sun", 1}, {"1-7/2", 0x2b},   {"mon,wed", 10},
        {"mon-sun", 0x7f}, {"7-7", 1},     {"*/7", 1},        {"mon-sun/6", 3},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[40];
        snprintf(text, sizeof text, "0 0 * * %s", rows[i].text);
        const struct cron c = parse(text);
        if (c.weekdays != rows[i].want)
            fail_msg("%s: %x", text, (unsigned)c.weekdays);
    }
}

static void shortcuts(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"@hourly", "0 * * * *"},    {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
        {" @Annually", "0 0 1 1 *"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct cron a = parse(rows[i][0]), b = parse(rows[i][1]);
        assert_true(a.minutes == b.minutes && a.hours == b.hours && a.days == b.days &&
                    a.months == b.months && a.weekdays == b.weekdays && a.any_day == b.any_day &&
                    a.any_weekday == b.any_weekday && a.any_time == b.any_time);
    }
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"60 * * * *", "minute 60 is out of range 0-59"},
        {"* 24 * * *", "hour 24 is out of range 0-23"},
        {"* * 0 * *", "day 0 is out of range 1-31"},
        {"* * 32 * *", "day 32 is out of range 1-31"},
        {"* * * 0 *", "month 0 is out of range 1-12"},
        {"* * * 13 *", "month 13 is out of range 1-12"},
        {"* * * * 8", "weekday 8 is out of range 0-7"},
        {"99999999999999999999 * * * *", "minute 99999999999999999999 is out of range 0-59"},
        {"* 1-24 * * *", "hour 24 is out of range 0-23"},
        {"* 5-3 * * *", "hour range 5-3 runs backwards"},
        {"* * * * fri-mon", "weekday range fri-mon runs backwards"},
        {"* * * * 5-0", "weekday range 5-0 runs backwards"},
        {"*/0 * * * *", "minute step 0 is out of range 1-60"},
        {"*/61 * * * *", "minute step 61 is out of range 1-60"},
        {"* */25 * * *", "hour step 25 is out of range 1-24"},
        {"* * */32 * *", "day step 32 is out of range 1-31"},
        {"* * * * */8", "weekday step 8 is out of range 1-7"},
        {"*/ * * * *", "minute step \"\" is not a number"},
        {"*/x * * * *", "minute step \"x\" is not a number"},
        {"*/2/3 * * * *", "minute step \"2/3\" is not a number"},
        {"5/15 * * * *", "minute 5/15: a step needs a range or * before it, such as 5-59/15"},
        {", * * * *", "minute has an empty item"},
        {"1,,2 * * * *", "minute has an empty item"},
        {"1, * * * *", "minute has an empty item"},
        {"-5 * * * *", "minute has an empty item"},
        {"5- * * * *", "minute has an empty item"},
        {"*-5 * * * *", "minute \"*\" is not a number"},
        {"5-* * * * *", "minute \"*\" is not a number"},
        {"** * * * *", "minute \"**\" is not a number"},
        {"1-2-3 * * * *", "minute \"2-3\" is not a number"},
        {"jan * * * *", "minute \"jan\" is not a number"},
        {"1.5 * * * *", "minute \"1.5\" is not a number"},
        {"+1 * * * *", "minute \"+1\" is not a number"},
        {"* * L * *", "day \"L\" is not a number"},
        {"* * ? * *", "day \"?\" is not a number"},
        {"* * * janu *", "month \"janu\" is neither a number nor a name (did you mean \"jan\"?)"},
        {"* * * Jnu *", "month \"Jnu\" is neither a number nor a name (did you mean \"jun\"?)"},
        {"* * * September *",
         "month \"September\" is neither a number nor a name (did you mean \"sep\"?)"},
        {"* * * * Monday",
         "weekday \"Monday\" is neither a number nor a name (did you mean \"mon\"?)"},
        {"* * * * feb-mar",
         "weekday \"feb\" is neither a number nor a name (the names are sun to sat)"},
        {"* * * * 1#2",
         "weekday \"1#2\" is neither a number nor a name (the names are sun to sat)"},
        {"", "a cron expression has 5 fields (minute hour day month weekday), not 0"},
        {"   ", "a cron expression has 5 fields (minute hour day month weekday), not 0"},
        {"* * * *", "a cron expression has 5 fields (minute hour day month weekday), not 4"},
        {"0 * * * * *", "a cron expression has 5 fields (minute hour day month weekday), not 6"},
        {"@dayly", "unknown shortcut @dayly (did you mean @daily?)"},
        {"@reboot", "unknown shortcut @reboot (there are @hourly @daily @weekly @monthly @yearly)"},
        {"@", "unknown shortcut @ (there are @hourly @daily @weekly @monthly @yearly)"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct cron cron = {.hours = 77};
        struct neap_error err = {0};
        assert_int_equal(cron_parse(&cron, rows[i][0], &err), NEAP_EINVAL);
        assert_string_equal(err.message, rows[i][1]);
        assert_int_equal(cron.hours, 77);
        assert_int_equal(cron_parse(&cron, rows[i][0], NULL), NEAP_EINVAL);
    }
}

static void long_and_random_text(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789,-/* \t@anjbfesut\xff";
    char text[400];
    struct cron cron;
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(cron_parse(&cron, text, NULL), NEAP_EINVAL);
    text[255] = 0;
    assert_int_equal(cron_parse(&cron, text, NULL), NEAP_EINVAL);
    text[0] = '@';
    assert_int_equal(cron_parse(&cron, text, NULL), NEAP_EINVAL);
    for (int round = 0; round < 20000; round++) {
        const int64_t len = next_random(0, 30);
        for (int64_t i = 0; i < len; i++)
            text[i] = alphabet[next_random(0, sizeof alphabet - 1)];
        text[len] = 0;
        if (cron_parse(&cron, text, NULL) == NEAP_OK) {
            assert_true(cron.minutes && cron.hours && cron.days && cron.months && cron.weekdays);
            assert_int_equal(cron.minutes & ~bits(0, 59), 0);
            assert_int_equal(cron.hours & ~bits(0, 23), 0);
            assert_int_equal(cron.days & ~bits(1, 31), 0);
            assert_int_equal(cron.months & ~bits(1, 12), 0);
            assert_int_equal(cron.weekdays & ~bits(0, 6), 0);
        }
    }
}

static struct zone *open_zone(const char *name)
{
    struct zone *zone = NULL;
    struct neap_error err;
    if (zone_open(&zone, name, &err))
        fail_msg("%s", err.message);
    return zone;
}

/* The instants that follow `after`, up to four, in UTC and without seconds. */
static void check_series(const char *text, const char *zone_name, const char *after,
                         const char *const want[4])
{
    const struct cron cron = parse(text);
    struct zone *zone = open_zone(zone_name);
    int64_t at_ms;
    assert_true(text_time(after, &at_ms));
    for (int i = 0; i < 4 && want[i]; i++) {
        struct buf b = {0};
        at_ms = cron_next(&cron, zone, at_ms);
        text_put_time(&b, at_ms);
        if (!strstr(buf_string(&b), ":00.000Z") || strncmp(b.data, want[i], 16) != 0)
            fail_msg("%s in %s: %s, not %s", text, zone_name, b.data, want[i]);
        buf_close(&b);
    }
    zone_free(zone);
}

static void series(void **state)
{
    (void)state;
    static const struct {
        const char *text, *zone, *after, *want[4];
    } rows[] = {
        {"*/20 * * * *",
         "UTC",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T00:20", "2026-01-01T00:40", "2026-01-01T01:00", "2026-01-01T01:20"}},
        {"* * * * *", "UTC", "2026-01-01T00:00:00.001Z", {"2026-01-01T00:01", "2026-01-01T00:02"}},
        {"* * * * *", "UTC", "2026-01-01T00:00:59.999Z", {"2026-01-01T00:01", "2026-01-01T00:02"}},
        {"* * * * *", "UTC", "1969-12-31T23:58:59.999Z", {"1969-12-31T23:59", "1970-01-01T00:00"}},
        {"0 3 * * 1-5",
         "UTC",
         "2026-01-01T03:00:00Z",
         {"2026-01-02T03:00", "2026-01-05T03:00", "2026-01-06T03:00"}},
        {"59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", {"2027-12-31T23:59"}},
        /* Either of two restricted days; with a star in one, both. */
        {"0 0 13 * fri",
         "UTC",
         "2026-02-01T00:00:00Z",
         {"2026-02-06T00:00", "2026-02-13T00:00", "2026-02-20T00:00", "2026-02-27T00:00"}},
        {"0 0 13 * fri", "UTC", "2026-04-10T00:00:00Z", {"2026-04-13T00:00", "2026-04-17T00:00"}},
        {"0 0 13 * */5",
         "UTC",
         "2026-02-01T00:00:00Z",
         {"2026-02-13T00:00", "2026-03-13T00:00", "2026-09-13T00:00", "2026-11-13T00:00"}},
        {"0 0 */2 * mon", "UTC", "2026-02-01T00:00:00Z", {"2026-02-09T00:00", "2026-02-23T00:00"}},
        /* Leap days, also over a century that has none. */
        {"0 12 29 2 *", "UTC", "2024-02-29T12:00:00Z", {"2028-02-29T12:00", "2032-02-29T12:00"}},
        {"0 12 29 2 *", "Europe/Paris", "2096-02-29T12:00:00Z", {"2104-02-29T11:00"}},
        {"0 0 29 2 */7", "UTC", "2020-01-01T00:00:00Z", {"2032-02-29T00:00", "2060-02-29T00:00"}},
        {"0 0 29 2 */7", "UTC", "2060-03-01T00:00:00Z", {"2088-02-29T00:00", "2128-02-29T00:00"}},
        {"0 0 31 * *",
         "UTC",
         "2026-01-31T00:00:00Z",
         {"2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00", "2026-08-31T00:00"}},
        /* A fixed time in the skipped hour runs when it ends, in the repeated one once. */
        {"30 2 * * *",
         "Europe/Paris",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T00:30"}},
        {"15,45 2 * * *",
         "Europe/Paris",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T00:15", "2026-03-30T00:45"}},
        {"30 2,3 * * *",
         "Europe/Paris",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-29T01:30", "2026-03-30T00:30"}},
        {"0 3 * * *",
         "Europe/Paris",
         "2026-03-28T12:00:00Z",
         {"2026-03-29T01:00", "2026-03-30T01:00"}},
        {"30 2 * * *",
         "Europe/Paris",
         "2026-10-24T12:00:00Z",
         {"2026-10-25T00:30", "2026-10-26T01:30"}},
        {"30 2 * * *", "Europe/Paris", "2026-10-25T01:00:00Z", {"2026-10-26T01:30"}},
        /* A wildcard follows the wall: nothing in the skipped hour, twice in the repeated one. */
        {"*/30 2 * * *",
         "Europe/Paris",
         "2026-03-28T12:00:00Z",
         {"2026-03-30T00:00", "2026-03-30T00:30"}},
        {"*/30 2 * * *",
         "Europe/Paris",
         "2026-10-24T12:00:00Z",
         {"2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30"}},
        {"30 * * * *",
         "America/New_York",
         "2040-03-11T05:45:00Z",
         {"2040-03-11T06:30", "2040-03-11T07:30", "2040-03-11T08:30"}},
        /* Half an hour skipped, and the whole 30th of December 2011. */
        {"15 2 * * *",
         "Australia/Lord_Howe",
         "2026-10-03T12:00:00Z",
         {"2026-10-03T15:30", "2026-10-04T15:15"}},
        {"0 12 * * *",
         "Pacific/Apia",
         "2011-12-29T12:00:00Z",
         {"2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"}},
        {"0 0 * * *",
         "Asia/Kathmandu",
         "2026-01-01T00:00:00Z",
         {"2026-01-01T18:15", "2026-01-02T18:15"}},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        check_series(rows[i].text, rows[i].zone, rows[i].after, rows[i].want);
}

static void days_that_never_come(void **state)
{
    (void)state;
    static const char *const never[] = {"0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "* * 31 feb *"};
    struct zone *zone = open_zone("America/New_York");
    for (size_t i = 0; i < LENGTH(never); i++) {
        const struct cron cron = parse(never[i]);
        for (int64_t year = -3000; year < 5000; year += 400) {
            const int64_t after_ms = year * 31556952000;
            assert_true(cron_next(&cron, zone, after_ms) == INT64_MAX);
        }
    }
    const struct cron cron = parse("0 0 30 2 mon"); /* either day */
    assert_true(cron_next(&cron, zone, 0) != INT64_MAX);
    zone_free(zone);
}

static void ends_of_time(void **state)
{
    (void)state;
    static const char *const texts[] = {"* * * * *", "0 0 1 1 *", "0 0 29 2 */7"};
    static const int64_t ends[] = {INT64_MIN,     INT64_MIN + 1, INT64_MAX - 1,  INT64_MAX,
                                   INT64_MAX / 2, INT64_MIN / 2, INT64_MAX / 300};
    static const char *const names[] = {"UTC", "Europe/Paris"};
    for (size_t z = 0; z < LENGTH(names); z++) {
        struct zone *zone = open_zone(names[z]);
        for (size_t i = 0; i < LENGTH(texts); i++) {
            const struct cron cron = parse(texts[i]);
            for (size_t n = 0; n < LENGTH(ends); n++)
                assert_true(cron_next(&cron, zone, ends[n]) > ends[n] || ends[n] == INT64_MAX);
        }
        zone_free(zone);
    }
}

/* The oracle: every minute of a window of time as libc shows it. */
struct minute {
    int64_t unix_s, wall_s;
    struct tm tm;
};

#define BEFORE_MINUTES 1440 /* walked only to know what the clocks have shown */
#define WINDOW_MINUTES (BEFORE_MINUTES + 5 * 1440)

struct window {
    struct minute minutes[WINDOW_MINUTES];
    int64_t due_s[WINDOW_MINUTES];
    size_t n_due;
};

static bool shows(const struct cron *cron, const struct tm *tm)
{
    const bool day = cron->days & BIT(tm->tm_mday), weekday = cron->weekdays & BIT(tm->tm_wday);
    if (!(cron->minutes & BIT(tm->tm_min)) || !(cron->hours & BIT(tm->tm_hour)) ||
        !(cron->months & BIT(tm->tm_mon + 1)))
        return false;
    if (!cron->any_day && !cron->any_weekday)
        return day || weekday;
    return day && weekday;
}

static void walk(struct window *window, int64_t start_s)
{
    for (size_t i = 0; i < WINDOW_MINUTES; i++) {
        struct minute *m = &window->minutes[i];
        m->unix_s = start_s + ((int64_t)i - BEFORE_MINUTES) * 60;
        const time_t t = (time_t)m->unix_s;
        assert_non_null(localtime_r(&t, &m->tm));
        m->wall_s = m->unix_s + m->tm.tm_gmtoff;
    }
}

/* Is one of the wall times after `from_s` and before `to_s` due? */
static bool skipped_due(const struct cron *cron, int64_t from_s, int64_t to_s)
{
    for (time_t wall = (time_t)from_s + 60; wall < to_s; wall += 60) {
        struct tm tm;
        gmtime_r(&wall, &tm);
        if (shows(cron, &tm))
            return true;
    }
    return false;
}

static void find_due(struct window *window, const struct cron *cron)
{
    int64_t latest_s = window->minutes[0].wall_s;
    window->n_due = 0;
    for (size_t i = 1; i < WINDOW_MINUTES; i++) {
        const struct minute *m = &window->minutes[i];
        bool due;
        if (cron->any_time)
            due = shows(cron, &m->tm);
        else
            due = m->wall_s > latest_s &&
                  (shows(cron, &m->tm) || skipped_due(cron, latest_s, m->wall_s));
        if (due && i >= BEFORE_MINUTES)
            window->due_s[window->n_due++] = m->unix_s;
        if (m->wall_s > latest_s)
            latest_s = m->wall_s;
    }
}

static const char *const expressions[] = {
    "30 2 * * *",    "0 2 * * *",         "59 1 * * *",      "30 1 * * *",
    "0 3 * * *",     "15,45 1-3 * * *",   "0-59 0-3 * * *",  "*/15 * * * *",
    "0 * * * *",     "* 2 * * *",         "*/30 1,2 * * *",  "7 0-23 * * *",
    "5 0 * * sun",   "0 3 29 2 *",        "0 12 1,15 * fri", "0 0 */2 * mon",
    "59 23 31 12 *", "45 1 * 4,10 *",     "0 0 * * *",       "0 0 1 * *",
    "0 0 30 * *",    "1-59/7 23 * * 6,7", "10 1 * * */2",    "0,30 0 28-31 2,3 *",
};

static void check_window(struct window *window, const char *name, const struct zone *zone,
                         const struct cron *cron, const char *text)
{
    const int64_t start_s = window->minutes[BEFORE_MINUTES].unix_s;
    const int64_t last_s = window->minutes[WINDOW_MINUTES - 1].unix_s;
    int64_t after_ms = start_s * 1000 - 1;
    find_due(window, cron);
    for (size_t i = 0; i < window->n_due; i++) {
        const int64_t got_ms = cron_next(cron, zone, after_ms);
        if (got_ms != window->due_s[i] * 1000)
            fail_msg("%s in %s after %" PRId64 " ms: %" PRId64 " ms, not %" PRId64 " s", text, name,
                     after_ms, got_ms, window->due_s[i]);
        after_ms = next_random(0, 2) ? got_ms : got_ms + next_random(0, 60000);
        if (i + 1 < window->n_due && after_ms >= window->due_s[i + 1] * 1000)
            after_ms = got_ms;
    }
    assert_true(cron_next(cron, zone, after_ms) > last_s * 1000);
    for (int n = 0; n < 10; n++) { /* from any instant */
        size_t i = 0;
        after_ms = next_random(start_s * 1000, last_s * 1000);
        while (i < window->n_due && window->due_s[i] * 1000 <= after_ms)
            i++;
        const int64_t got_ms = cron_next(cron, zone, after_ms);
        if (i < window->n_due ? got_ms != window->due_s[i] * 1000 : got_ms <= last_s * 1000)
            fail_msg("%s in %s after %" PRId64 " ms: %" PRId64, text, name, after_ms, got_ms);
    }
}

static void check_around(struct window *window, const char *name, const struct zone *zone,
                         int64_t start_s)
{
    walk(window, start_s);
    for (size_t i = 0; i < LENGTH(expressions); i++) {
        const struct cron cron = parse(expressions[i]);
        check_window(window, name, zone, &cron, expressions[i]);
    }
}

/* Around each change of the offset, February's end, the year's end and some day. */
static void check_year(struct window *window, const char *name, const struct zone *zone,
                       int64_t year)
{
    const int64_t start_s = date_to_days((struct date){year, 1, 1}) * DAY_S;
    struct tm tm;
    time_t t = (time_t)start_s;
    localtime_r(&t, &tm);
    for (long offset_s = tm.tm_gmtoff; t < start_s + 365 * DAY_S; t += 3600) {
        localtime_r(&t, &tm);
        if (tm.tm_gmtoff != offset_s)
            check_around(window, name, zone, t - t % 3600 - 2 * DAY_S);
        offset_s = tm.tm_gmtoff;
    }
    check_around(window, name, zone, start_s + 57 * DAY_S);
    check_around(window, name, zone, start_s + 363 * DAY_S);
    check_around(window, name, zone, start_s + next_random(0, 360 * 1440) * 60);
}

static void against_libc_minute_by_minute(void **state)
{
    (void)state;
    static const char *const names[] = {"UTC",
                                        "Europe/Paris",
                                        "America/New_York",
                                        "Australia/Lord_Howe",
                                        "Asia/Kathmandu",
                                        "America/St_Johns",
                                        "Africa/Casablanca"};
    static const int64_t years[] = {2024, 2026, 2037, 2096};
    struct window *window = calloc(1, sizeof *window);
    assert_non_null(window);
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct zone *zone = open_zone(names[i]);
        setenv("TZ", names[i], 1);
        tzset();
        for (size_t y = 0; y < LENGTH(years); y++)
            check_year(window, names[i], zone, years[y]);
        zone_free(zone);
    }
    free(window);
}

/* Far ahead, in UTC: libc walks day by day. */
static int64_t next_by_days(const struct cron *cron, int64_t after_s)
{
    for (int64_t day = after_s / DAY_S; day < after_s / DAY_S + 41 * 366; day++) {
        const time_t noon = (time_t)(day * DAY_S);
        struct tm tm;
        gmtime_r(&noon, &tm);
        if (!(cron->months & BIT(tm.tm_mon + 1)))
            continue;
        for (int minute = 0; minute < 1440; minute++) {
            const int64_t at_s = day * DAY_S + minute * 60;
            tm.tm_hour = minute / 60;
            tm.tm_min = minute % 60;
            if (at_s > after_s && shows(cron, &tm))
                return at_s * 1000;
        }
    }
    return INT64_MAX;
}

static void rare_days_far_ahead(void **state)
{
    (void)state;
    struct zone *utc = open_zone("UTC");
    for (int round = 0; round < 150; round++) {
        char text[80];
        static const char *const weekday[] = {"*", "*/7", "*/5", "mon", "*"};
        snprintf(text, sizeof text, "%d %d %d %d %s", (int)next_random(0, 60),
                 (int)next_random(0, 24), (int)next_random(27, 32),
                 round % 3 ? (int)next_random(1, 13) : 2, weekday[next_random(0, 5)]);
        const struct cron cron = parse(text);
        const int64_t after_s = next_random(0, 130 * 366 * DAY_S);
        if (cron_next(&cron, utc, after_s * 1000) != next_by_days(&cron, after_s))
            fail_msg("%s after %" PRId64, text, after_s);
    }
    zone_free(utc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields),
        cmocka_unit_test(weekdays),
        cmocka_unit_test(shortcuts),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(long_and_random_text),
        cmocka_unit_test(series),
        cmocka_unit_test(days_that_never_come),
        cmocka_unit_test(ends_of_time),
        cmocka_unit_test(against_libc_minute_by_minute),
        cmocka_unit_test(rare_days_far_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
