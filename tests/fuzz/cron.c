/* A zone, a time and any text as a cron expression: it is refused with words, or what it
 * names is what one finds by looking at every minute of the next days. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "model/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With gaps and repeats of an hour, half an hour and a day. */
static const char *const names[] = {
    "UTC",         "Europe/Paris",      "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo",
    "Asia/Tehran", "Africa/Casablanca", "America/New_York",
};
#define ZONES (sizeof names / sizeof *names)
#define LOOK_S (10 * DATE_DAY_S)
#define EARLIEST_S INT64_C(315532800) /* 1980: offsets are whole minutes by then */

static void check(bool sound)
{
    if (!sound)
        abort();
}

static const struct zone *zone_of(uint8_t n)
{
    static struct zone *zones[ZONES]; /* kept: reading one takes longer than a run */
    struct neap_error err;
    struct zone **zone = &zones[n % ZONES];
    if (!*zone)
        check(zone_open(zone, names[n % ZONES], &err) == NEAP_OK);
    return *zone;
}

static bool matches(const struct cron *cron, int64_t wall_s)
{
    const int64_t days = date_floor(wall_s, DATE_DAY_S);
    const int minute = (int)((wall_s - days * DATE_DAY_S) / 60);
    const struct date date = date_from_days(days);
    const bool day = cron->days >> date.day & 1;
    const bool weekday = cron->weekdays >> date_weekday(days) & 1;
    return cron->minutes >> minute % 60 & 1 && cron->hours >> minute / 60 & 1 &&
           cron->months >> date.month & 1 &&
           (cron->any_day || cron->any_weekday ? day && weekday : day || weekday);
}

/* Looks at every minute after `after_s` as one who watches the clock on the wall would; those that
 * a fixed time has jumped over count as the one after the jump, those seen before not at all. */
static int64_t watch(const struct cron *cron, const struct zone *zone, int64_t after_s)
{
    int64_t seen_s = INT64_MAX;
    struct zone_span span = {0};
    for (int64_t at_s = date_floor(after_s - 4 * DATE_DAY_S, 60) * 60; at_s <= after_s + LOOK_S;
         at_s += 60) {
        if (at_s >= span.end_s)
            span = zone_span(zone, at_s);
        const int64_t wall_s = at_s + span.offset_s;
        bool due = cron->any_time && matches(cron, wall_s);
        for (; !cron->any_time && seen_s <= wall_s; seen_s += 60)
            due = matches(cron, seen_s) || due;
        if (seen_s == INT64_MAX)
            seen_s = wall_s + 60;
        if (due && at_s > after_s)
            return at_s;
    }
    return INT64_MAX;
}

static void check_next(const struct cron *cron, const struct zone *zone, int64_t after_ms)
{
    const int64_t next_ms = cron_next(cron, zone, after_ms);
    check(next_ms > after_ms);
    const int64_t after_s = date_floor(after_ms, 1000), want_s = watch(cron, zone, after_s);
    if (want_s == INT64_MAX) {
        check(next_ms == INT64_MAX || next_ms / 1000 > after_s + LOOK_S);
        if (next_ms == INT64_MAX)
            return;
    } else {
        check(next_ms == want_s * 1000);
    }
    check(next_ms % 60000 == 0);
    check(cron_next(cron, zone, next_ms - 1) == next_ms);
    check(cron_next(cron, zone, next_ms) > next_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 6, TEXT_MAX = 400 };
    char text[TEXT_MAX + 1];
    if (size < HEAD || size > HEAD + TEXT_MAX)
        return 0;
    uint32_t minutes;
    memcpy(&minutes, data + 1, sizeof minutes);
    memcpy(text, data + HEAD, size - HEAD);
    text[size - HEAD] = 0;
    struct cron cron, again;
    struct neap_error err = {0};
    if (cron_parse(&cron, text, &err)) {
        check(*err.message);
        return 0;
    }
    check(cron_parse(&again, text, &err) == NEAP_OK && cron_same(&cron, &again));
    check(cron.minutes && cron.hours && cron.days && cron.months && cron.weekdays);
    check(!(cron.minutes >> 60 || cron.hours >> 24 || cron.days >> 16 >> 16 || cron.days & 1 ||
            cron.months >> 13 || cron.months & 1 || cron.weekdays >> 7));
    const int64_t after_ms =
        (EARLIEST_S + (int64_t)(minutes % (70 * 366 * 1440)) * 60) * 1000 + data[5] * 997;
    check_next(&cron, zone_of(data[0]), after_ms);
    return 0;
}
