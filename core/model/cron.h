/* Cron expressions and the instants they name in a time zone. Pure: time is an argument.
 *
 * Five fields (minute hour day-of-month month day-of-week), lists, ranges, steps, names (jan, mon), 0 and 7
 * are Sunday; Vixie's rule for days: where both day fields are restricted either may match (a field that starts with
 * `*` counts as unrestricted). @hourly @daily @weekly @monthly @yearly too. Daylight saving as Vixie cron: a job of
 * fixed hour and minute in the skipped hour runs just after it, in the repeated hour once; wildcard jobs (minute or hour is *)
 * follow wall time. */
#ifndef MODEL_CRON_H
#define MODEL_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "neap.h"

struct zone; /* a time zone read from tzdata; immutable, any thread may use it */

/* NULL or "UTC": UTC; "local": the machine's (/etc/localtime). Reads TZif files (RFC 8536) with their POSIX TZ footer. */
int zone_open(struct zone **out, const char *name, struct neap_error *err);
void zone_free(struct zone *zone);

struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* bit n: n matches; days 1-31, months 1-12, weekdays 0-6 */
    bool any_day, any_weekday;              /* the field starts with * */
    bool any_time;                          /* minute or hour starts with * */
};

int cron_parse(struct cron *out, const char *text, struct neap_error *err);

/* The first instant after `after_ms` (Unix ms) that matches, at a whole minute; INT64_MAX if there is none in 28 years (Feb 30). */
int64_t cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms);

#endif
