/* Cron times against the C library's clock, minute by minute through whole years of many zones, for
 * random expressions that an oracle of its own reads. NEAP_FULL=1: all zones, and more of
 * everything (./dev nightly). */
#include "engine/schedule.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define BEFORE 2880 /* minutes walked only to know what the clocks had shown */
#define MINUTES (BEFORE + 366 * 1440)

static const char *const zones[] = {
    "America/New_York",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "America/Havana",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Pacific/Apia",
    "UTC",
    "Europe/Paris",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Istanbul",
    "Europe/Chisinau",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Gaza",
    "Asia/Beirut",
    "Asia/Amman",
    "Asia/Pyongyang",
    "Asia/Jerusalem",
    "Africa/Cairo",
    "Africa/El_Aaiun",
    "Africa/Windhoek",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Caracas",
    "America/Nuuk",
    "America/Scoresbysund",
    "America/Asuncion",
    "America/Mexico_City",
    "Pacific/Chatham",
    "Pacific/Auckland",
    "Pacific/Kwajalein",
    "Pacific/Norfolk",
    "Pacific/Tongatapu",
    "Australia/Adelaide",
    "Antarctica/Macquarie",
    "Atlantic/Azores",
    "Asia/Famagusta",
};
#define FEW 8 /* of them, the first, where time is short: one of each kind of oddity */

static bool full(void)
{
    return getenv("NEAP_FULL") != NULL;
}

static uint64_t seed = 88172645463325252;

static int chance(int low, int high) /* low..high */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return low + (int)(seed % (uint64_t)(high - low + 1));
}

/* ---- expressions, made together with what they mean */

struct expression {
    char text[200];
    bool minutes[60], hours[24], days[32], months[13], weekdays[7];
    bool star_time, star_day, star_weekday;
};

static void put(struct expression *x, const char *format, ...)
{
    const size_t len = strlen(x->text);
    va_list args;
    va_start(args, format);
    vsnprintf(x->text + len, sizeof x->text - len, format, args);
    va_end(args);
}

static void mark(bool *set, int low, int high, int step, int modulo)
{
    for (int i = low; i <= high; i += step)
        set[modulo ? i % modulo : i] = true;
}

/* One field; true: it begins with a star. `stars`: of ten, how many are nothing but one; negative:
 * none has any. */
static bool make_field(struct expression *x, bool *set, int low, int high, int modulo, int stars)
{
    if (chance(1, 10) <= stars) {
        put(x, "* ");
        mark(set, low, high, 1, modulo);
        return true;
    }
    bool star = false;
    const int items = chance(1, 10) < 8 ? 1 : chance(2, 3);
    for (int i = 0; i < items; i++) {
        const int a = chance(low, high), b = chance(a, high);
        const int step = chance(1, modulo ? 7 : high - low + 1);
        put(x, i ? "," : "");
        switch (chance(stars < 0 ? 1 : 0, 5)) {
        case 0:
            put(x, "*/%d", step);
            mark(set, low, high, step, modulo);
            star |= i == 0;
            break;
        case 1:
            put(x, "%d-%d", a, b);
            mark(set, a, b, 1, modulo);
            break;
        case 2:
            put(x, "%d-%d/%d", a, b, step);
            mark(set, a, b, step, modulo);
            break;
        default:
            put(x, "%d", a);
            mark(set, a, a, 1, modulo);
        }
    }
    put(x, " ");
    return star;
}

static void make(struct expression *x)
{
    memset(x, 0, sizeof *x);
    x->star_time = make_field(x, x->minutes, 0, 59, 0, 1);
    if (chance(0, 1)) /* half of them in the small hours, where clocks are changed */
        x->star_time |= make_field(x, x->hours, 0, 3, 0, -1);
    else
        x->star_time |= make_field(x, x->hours, 0, 23, 0, 3);
    x->star_day = make_field(x, x->days, 1, 31, 0, 5);
    make_field(x, x->months, 1, 12, 0, 7);
    x->star_weekday = make_field(x, x->weekdays, 0, 7, 7, 5);
}

/* Vixie's rule: either of two restricted days, else both. */
static bool shows(const struct expression *x, const struct tm *tm)
{
    if (!x->minutes[tm->tm_min] || !x->hours[tm->tm_hour] || !x->months[tm->tm_mon + 1])
        return false;
    const bool day = x->days[tm->tm_mday], weekday = x->weekdays[tm->tm_wday];
    return x->star_day || x->star_weekday ? day && weekday : day || weekday;
}

/* ---- a year of a zone */

struct year {
    const char *zone;
    int64_t start_s; /* of the first minute that counts */
    struct moment {
        struct tm tm;
        int64_t wall_s;
    } minutes[MINUTES];
    int64_t due_ms[MINUTES];
    size_t n_due;
};

static void walk(struct year *y, const char *zone, int number)
{
    struct tm first = {.tm_year = number - 1900, .tm_mday = 1};
    y->zone = zone;
    y->start_s = timegm(&first);
    setenv("TZ", zone, 1);
    tzset();
    for (int i = 0; i < MINUTES; i++) {
        const time_t at = (time_t)(y->start_s + ((int64_t)i - BEFORE) * 60);
        assert_non_null(localtime_r(&at, &y->minutes[i].tm));
        y->minutes[i].wall_s = at + y->minutes[i].tm.tm_gmtoff;
    }
}

/* Is a wall time after `from_s` and before `to_s` one of its? */
static bool skipped(const struct expression *x, int64_t from_s, int64_t to_s)
{
    for (time_t wall = (time_t)from_s + 60; wall < to_s; wall += 60) {
        struct tm tm;
        gmtime_r(&wall, &tm);
        if (shows(x, &tm))
            return true;
    }
    return false;
}

/* A fixed time runs once, when the clocks show it first or jump over it; a wildcard whenever they
 * show it. */
static void find_due(struct year *y, const struct expression *x)
{
    int64_t latest_s = y->minutes[0].wall_s;
    y->n_due = 0;
    for (int i = 1; i < MINUTES; i++) {
        const struct moment *m = &y->minutes[i];
        bool due = shows(x, &m->tm);
        if (!x->star_time)
            due = m->wall_s > latest_s && (due || skipped(x, latest_s, m->wall_s));
        if (due && i >= BEFORE)
            y->due_ms[y->n_due++] = (y->start_s + ((int64_t)i - BEFORE) * 60) * 1000;
        if (m->wall_s > latest_s)
            latest_s = m->wall_s;
    }
}

static void compare(const struct year *y, const struct expression *x, const struct cron *cron,
                    const struct zone *zone)
{
    int64_t after_ms = y->start_s * 1000 - 1;
    for (size_t i = 0; i < y->n_due; i++) {
        const int64_t got_ms = cron_next(cron, zone, after_ms);
        if (got_ms != y->due_ms[i])
            fail_msg("\"%s\" in %s after %" PRId64 ": %" PRId64 ", not %" PRId64, x->text, y->zone,
                     after_ms, got_ms, y->due_ms[i]);
        after_ms = got_ms;
    }
    assert_true(cron_next(cron, zone, after_ms) > (y->start_s + 365 * 86400) * 1000);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): a schedule_note_fn */
static const void *no_note(void *user, const char *name, size_t *len)
{
    (void)user;
    (void)name;
    (void)len;
    return NULL;
}

/* The same through a schedule that runs all it owes, looked at now and then. */
static void run_all(const struct year *y, const struct expression *x, const struct cron *cron,
                    struct zone *zone)
{
    struct config_schedule plan = {.name = (char *)"s",
                                   .cron = *cron,
                                   .has_cron = true,
                                   .cron_text = (char *)x->text,
                                   .zone = zone,
                                   .overlap = true,
                                   .catchup = CATCHUP_ALL};
    const struct config config = {.schedules = &plan, .n_schedules = 1};
    struct schedules all = {0};
    struct schedule_tick tick;
    size_t ran = 0;
    int64_t now_ms = y->start_s * 1000 - 1;
    const int64_t end_ms = (y->start_s + 365 * 86400) * 1000;
    schedules_follow(&all, &config, now_ms, 0, NULL, no_note);
    while (now_ms < end_ms) {
        now_ms += chance(1, 72 * 3600) * INT64_C(1000);
        schedules_see(&all, now_ms, now_ms - y->start_s * 1000 + 1);
        while (all.items->next_ms <= now_ms) {
            assert_true(schedule_take(all.items, now_ms, false, &tick));
            if (ran == y->n_due) /* of the next year */
                goto out;
            if (tick.at_ms != y->due_ms[ran])
                fail_msg("\"%s\" in %s: ran %" PRId64 ", not %" PRId64, x->text, y->zone,
                         tick.at_ms, y->due_ms[ran]);
            ran++;
        }
    }
out:
    assert_true(ran == y->n_due || y->due_ms[ran] >= end_ms);
    schedules_close(&all);
}

static void check_year(struct year *y, const char *name, int number, int expressions)
{
    struct zone *zone = NULL;
    struct neap_error err;
    if (zone_open(&zone, name, &err))
        fail_msg("%s", err.message);
    walk(y, name, number);
    for (int i = 0; i < expressions; i++) {
        struct expression x;
        struct cron cron;
        make(&x);
        if (cron_parse(&cron, x.text, &err))
            fail_msg("\"%s\": %s", x.text, err.message);
        find_due(y, &x);
        compare(y, &x, &cron, zone);
        if (y->n_due < 900)
            run_all(y, &x, &cron, zone);
    }
    zone_free(zone);
}

static void as_the_c_library_counts(void **state)
{
    (void)state;
    struct year *y = calloc(1, sizeof *y);
    assert_non_null(y);
    const size_t n_zones = full() ? LENGTH(zones) : FEW;
    for (size_t i = 0; i < n_zones; i++) {
        check_year(y, zones[i], strcmp(zones[i], "Pacific/Apia") == 0 ? 2011 : 2026,
                   full() ? 60 : 25);
        for (int more = 0; full() && more < 5; more++)
            check_year(y, zones[i], chance(1970, 2100), 60);
    }
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_c_library_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
