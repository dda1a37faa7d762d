/* Time zones from the system's tzdata: TZif files of any version (RFC 8536) and, after their last
 * transition, their POSIX TZ footer. A zone is immutable: any thread may use it. */
#ifndef MODEL_ZONE_H
#define MODEL_ZONE_H

#include <stdint.h>

#include "neap.h"

struct zone;

/* NULL or "UTC": UTC, without tzdata; "local": the machine's (/etc/localtime; UTC if there is
 * none); else a name like "Europe/Paris", looked up in $TZDIR and /usr/share/zoneinfo. */
int zone_open(struct zone **out, const char *name, struct neap_error *err);
void zone_free(struct zone *zone); /* NULL is fine */

/* Instants (Unix seconds) that share one offset from UTC: start_s <= t < end_s. */
struct zone_span {
    int64_t start_s; /* INT64_MIN: for ever */
    int64_t end_s;   /* INT64_MAX: for ever */
    int offset_s;    /* east of UTC */
};

#define ZONE_TIME_MAX ((int64_t)1 << 45) /* a million years */

/* The span around `unix_s` (within ±ZONE_TIME_MAX). Neighbours may have the same offset. */
struct zone_span zone_span(const struct zone *zone, int64_t unix_s);

#endif
