/* Cron expressions and the instants they name in a time zone. Pure: time is an argument.
 *
 * Five fields (minute hour day-of-month month day-of-week), lists, ranges, steps (of a range or *),
 * names (jan, mon), 0 and 7 are Sunday; Vixie's rule for days: where both day fields are restricted
 * either may match (a field that starts with `*` counts as unrestricted, and then both must match).
 * @hourly @daily (@midnight) @weekly @monthly @yearly (@annually) too. Daylight saving as Vixie
 * cron: a job of fixed hour and minute in the skipped hour runs just after it, in the repeated hour
 * once; wildcard jobs (minute or hour starts with *) follow wall time. */
#ifndef MODEL_CRON_H
#define MODEL_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "model/zone.h"
#include "neap.h"

struct cron { /* bit n: n matches; days 1-31, months 1-12, weekdays 0-6 */
    uint64_t minutes;
    uint32_t hours, days, months, weekdays;
    bool any_day, any_weekday; /* the field starts with * */
    bool any_time;             /* minute or hour starts with * */
};

/* NEAP_EINVAL says what is wrong, such as "minute 60 is out of range 0-59". */
int cron_parse(struct cron *out, const char *text, struct neap_error *err);

/* The first instant after `after_ms` (Unix ms) that matches, at a whole minute of wall time;
 * INT64_MAX if there is none in 41 years (Feb 30; a Feb 29 that is a Sunday comes after 28, 40
 * around 2100). */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms);

bool cron_same(const struct cron *a, const struct cron *b);

#endif
