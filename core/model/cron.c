#include "model/cron.h"

#include <stdlib.h>
#include <string.h>

#include "base/date.h"
#include "base/error.h"
#include "base/text.h"

#define TEXT_MAX 255 /* bytes of an expression */
#define NONE INT64_MAX

struct field {
    const char *name;
    int low, high;            /* what may be written; of * too, but for Sunday's second number */
    const char *const *names; /* of low, low + 1...; NULL: none */
    size_t n_names;
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day", 1, 31, NULL, 0},
    {"month", 1, 12, month_names, 12},
    {"weekday", 0, 7, weekday_names, 7},
};

static const struct shortcut {
    const char *name, *text;
} shortcuts[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};
#define SHORTCUTS (sizeof shortcuts / sizeof *shortcuts)

/* Ends `text` at the first `at`; what follows, or NULL. */
static char *cut(char *text, char at)
{
    char *p = strchr(text, at);
    if (p)
        *p++ = 0;
    return p;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* strcasecmp would ask the locale, and Turkish has another i. */
static bool is_named(const char *text, const char *lower_name)
{
    while (*text && lower(*text) == *lower_name)
        text++, lower_name++;
    return *text == *lower_name;
}

static bool is_number(const char *text)
{
    return *text && !text[strspn(text, "0123456789")];
}

/* A number of at most `high`, or `high` + 1. */
static int number(const char *text, int high)
{
    int value = 0;
    for (; *text && value <= high; text++)
        value = value * 10 + *text - '0';
    return value <= high ? value : high + 1;
}

static int name_error(const struct field *f, const char *text, struct neap_error *err)
{
    char word[TEXT_MAX + 1];
    size_t len = 0;
    for (; text[len]; len++)
        word[len] = lower(text[len]);
    word[len] = 0;
    if (!f->names)
        return error_set(err, NEAP_EINVAL, "%s \"%s\" is not a number", f->name, text);
    const char *near = text_nearest(word, f->names, f->n_names);
    for (size_t i = 0; !near && len > 3 && i < f->n_names; i++)
        if (!memcmp(word, f->names[i], 3)) /* "monday" */
            near = f->names[i];
    if (near)
        return error_set(err, NEAP_EINVAL,
                         "%s \"%s\" is neither a number nor a name (did you mean \"%s\"?)", f->name,
                         text, near);
    return error_set(err, NEAP_EINVAL,
                     "%s \"%s\" is neither a number nor a name (the names are %s to %s)", f->name,
                     text, f->names[0], f->names[f->n_names - 1]);
}

static int parse_value(const struct field *f, const char *text, int *out, struct neap_error *err)
{
    if (!*text)
        return error_set(err, NEAP_EINVAL, "%s has an empty item", f->name);
    for (size_t i = 0; i < f->n_names; i++) {
        if (is_named(text, f->names[i])) {
            *out = f->low + (int)i;
            return NEAP_OK;
        }
    }
    if (!is_number(text))
        return name_error(f, text, err);
    *out = number(text, f->high);
    if (*out < f->low || *out > f->high)
        return error_set(err, NEAP_EINVAL, "%s %s is out of range %d-%d", f->name, text, f->low,
                         f->high);
    return NEAP_OK;
}

static int parse_step(const struct field *f, const char *text, int *out, struct neap_error *err)
{
    const int most = f - fields == WEEKDAY ? 7 : f->high - f->low + 1;
    if (!is_number(text))
        return error_set(err, NEAP_EINVAL, "%s step \"%s\" is not a number", f->name, text);
    *out = number(text, most);
    if (*out < 1 || *out > most)
        return error_set(err, NEAP_EINVAL, "%s step %s is out of range 1-%d", f->name, text, most);
    return NEAP_OK;
}

/* "*", "5", "5-9", with "/2" behind a star or range. `item` is taken apart. */
static int parse_item(const struct field *f, char *item, uint64_t *bits, struct neap_error *err)
{
    char *step_text = cut(item, '/'), *high_text = cut(item, '-');
    int low = f->low, high = f->high, step = 1, rc;
    if (strcmp(item, "*") != 0 || high_text) {
        if ((rc = parse_value(f, item, &low, err)))
            return rc;
        high = low;
        if (high_text && (rc = parse_value(f, high_text, &high, err)))
            return rc;
        if (f - fields == WEEKDAY && low > 0 && high == 0 && !is_number(high_text))
            high = 7; /* fri-sun */
        if (low > high)
            return error_set(err, NEAP_EINVAL, "%s range %s-%s runs backwards", f->name, item,
                             high_text);
        if (step_text && !high_text)
            return error_set(err, NEAP_EINVAL,
                             "%s %s/%s: a step needs a range or * before it, such as %s-%d/%s",
                             f->name, item, step_text, item, f->high, step_text);
    }
    if (step_text && (rc = parse_step(f, step_text, &step, err)))
        return rc;
    for (int value = low; value <= high; value += step)
        *bits |= (uint64_t)1 << (f - fields == WEEKDAY ? value % 7 : value);
    return NEAP_OK;
}

static int parse_field(const struct field *f, char *text, uint64_t *bits, struct neap_error *err)
{
    int rc = NEAP_OK;
    while (text && rc == NEAP_OK) {
        char *next = cut(text, ',');
        rc = parse_item(f, text, bits, err);
        text = next;
    }
    return rc;
}

static const char *shortcut_text(const char *name, struct neap_error *err)
{
    const char *names[SHORTCUTS];
    for (size_t i = 0; i < SHORTCUTS; i++) {
        if (is_named(name, shortcuts[i].name))
            return shortcuts[i].text;
        names[i] = shortcuts[i].name;
    }
    const char *near = text_nearest(name, names, SHORTCUTS);
    if (near)
        error_set(err, NEAP_EINVAL, "unknown shortcut %s (did you mean %s?)", name, near);
    else
        error_set(err, NEAP_EINVAL,
                  "unknown shortcut %s (there are @hourly @daily @weekly @monthly @yearly)", name);
    return NULL;
}

int cron_parse(struct cron *out, const char *text, struct neap_error *err)
{
    static const char space[] = " \t";
    char copy[TEXT_MAX + 1], *parts[FIELDS], *rest = NULL;
    uint64_t bits[FIELDS] = {0};
    int count = 0;
    text += strspn(text, space);
    if (*text == '@' && !(text = shortcut_text(text, err)))
        return NEAP_EINVAL;
    const size_t len = strlen(text);
    if (len > TEXT_MAX)
        return error_set(err, NEAP_EINVAL, "a cron expression has at most %d bytes", TEXT_MAX);
    memcpy(copy, text, len + 1);
    for (char *part = strtok_r(copy, space, &rest); part; part = strtok_r(NULL, space, &rest)) {
        if (count < FIELDS)
            parts[count] = part;
        count++;
    }
    if (count != FIELDS)
        return error_set(err, NEAP_EINVAL,
                         "a cron expression has 5 fields (minute hour day month weekday), not %d",
                         count);
    const struct cron stars = {.any_day = *parts[DAY] == '*',
                               .any_weekday = *parts[WEEKDAY] == '*',
                               .any_time = *parts[MINUTE] == '*' || *parts[HOUR] == '*'};
    for (int i = 0; i < FIELDS; i++) {
        const int rc = parse_field(&fields[i], parts[i], &bits[i], err);
        if (rc)
            return rc;
    }
    *out = stars;
    out->minutes = bits[MINUTE];
    out->hours = (uint32_t)bits[HOUR];
    out->days = (uint32_t)bits[DAY];
    out->months = (uint32_t)bits[MONTH];
    out->weekdays = (uint32_t)bits[WEEKDAY];
    return NEAP_OK;
}

/* From here on: instants. A wall time is counted in seconds as if it were UTC. */

static bool day_matches(const struct cron *cron, struct date date, int64_t days)
{
    const bool day = cron->days >> date.day & 1;
    const bool weekday = cron->weekdays >> date_weekday(days) & 1;
    return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first matching minute of a day from `minute` on, or -1. */
static int minute_next(const struct cron *cron, int minute)
{
    int within = minute % 60;
    for (int hour = minute / 60; hour < 24; hour++, within = 0) {
        const uint64_t left = cron->minutes >> within;
        if (cron->hours >> hour & 1 && left)
            return hour * 60 + within + __builtin_ctzll(left);
    }
    return -1;
}

static int64_t next_month(struct date date)
{
    const bool december = date.month == 12;
    return date_to_days((struct date){date.year + december, december ? 1 : date.month + 1, 1});
}

/* The first matching wall time in low_s <= w < high_s, or NONE. Skips whole months and days. */
static int64_t wall_next(const struct cron *cron, int64_t low_s, int64_t high_s)
{
    const int64_t low_minute = -date_floor(-low_s, 60); /* rounded up */
    int64_t days = date_floor(low_minute, 1440);
    int minute = (int)(low_minute - days * 1440);
    while (days * DATE_DAY_S < high_s) {
        const struct date date = date_from_days(days);
        if (!(cron->months >> date.month & 1)) {
            days = next_month(date);
        } else {
            const int found = day_matches(cron, date, days) ? minute_next(cron, minute) : -1;
            if (found >= 0) {
                const int64_t wall_s = days * DATE_DAY_S + found * 60;
                return wall_s < high_s ? wall_s : NONE;
            }
            days++;
        }
        minute = 0;
    }
    return NONE;
}

static int64_t greater(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The clocks had shown, or jumped over, every wall time below this when `span` began. Two offsets
 * differ by less than three days, so spans that ended earlier cannot have shown more. */
static int64_t wall_seen(const struct zone *zone, const struct zone_span *span)
{
    const int64_t oldest_s =
        greater(span->start_s, 3 * DATE_DAY_S - ZONE_TIME_MAX) - 3 * DATE_DAY_S;
    int64_t at_s = span->start_s, seen_s = INT64_MIN;
    while (at_s > oldest_s) {
        const struct zone_span before = zone_span(zone, at_s - 1);
        seen_s = greater(seen_s, at_s + before.offset_s);
        at_s = before.start_s;
    }
    return seen_s;
}

/* The first wall time in from_s <= t < until_s of `span`, for a job of fixed hour and minute: one
 * that fell into the gap before the span is due when the gap ends, and a repeated one does not
 * count. */
static int64_t fixed_next(const struct cron *cron, const struct zone *zone,
                          const struct zone_span *span, int64_t from_s, int64_t until_s)
{
    const int64_t seen_s = wall_seen(zone, span);
    const int64_t first_s = greater(span->start_s, from_s) + span->offset_s;
    if (span->start_s >= from_s && seen_s < first_s && wall_next(cron, seen_s, first_s) != NONE)
        return -date_floor(-first_s, 60) * 60;
    return wall_next(cron, greater(first_s, seen_s), until_s + span->offset_s);
}

#define HORIZON_S (INT64_C(41) * 366 * DATE_DAY_S)

int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms)
{
    int64_t from_s = date_floor(after_ms, 1000) + 1;
    if (from_s > ZONE_TIME_MAX - HORIZON_S)
        return INT64_MAX;
    from_s = greater(from_s, HORIZON_S - ZONE_TIME_MAX);
    const int64_t limit_s = from_s + HORIZON_S;
    for (int64_t at_s = from_s; at_s < limit_s;) {
        const struct zone_span span = zone_span(zone, at_s);
        const int64_t until_s = span.end_s < limit_s ? span.end_s : limit_s;
        const int64_t wall_s = cron->any_time
                                   ? wall_next(cron, at_s + span.offset_s, until_s + span.offset_s)
                                   : fixed_next(cron, zone, &span, at_s, until_s);
        if (wall_s != NONE)
            return (wall_s - span.offset_s) * 1000;
        at_s = until_s;
    }
    return INT64_MAX;
}

bool cron_same(const struct cron *a, const struct cron *b)
{
    return a->minutes == b->minutes && a->hours == b->hours && a->days == b->days &&
           a->months == b->months && a->weekdays == b->weekdays && a->any_day == b->any_day &&
           a->any_weekday == b->any_weekday && a->any_time == b->any_time;
}
