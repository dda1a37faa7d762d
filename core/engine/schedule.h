/* The [schedule] sections: which is due when. Pure; the engine submits. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"

struct schedule {
    const struct config_schedule *plan; /* of the config in force */
    int64_t next_ms;                    /* Unix; INT64_MAX: never */
    uint64_t last_job;                  /* submitted last; 0: none */
};

struct schedules { /* zeroed: none */
    struct schedule *items;
    size_t count;
    int64_t seen_ms; /* the latest time seen, since it was set back */
};

/* Takes over the schedules of a new config; those that did not change keep their next run and last
 * job. The config must live as long. */
void schedules_follow(struct schedules *schedules, const struct config *config, int64_t now_ms);
int64_t schedules_next_ms(const struct schedules *schedules); /* INT64_MAX: none */
/* One that is due, already moved on to its next run after now (missed ticks are skipped), or NULL.
 * Where the clock was set back, all begin anew from now: else they would wait for the time that
 * was. */
struct schedule *schedules_due(struct schedules *schedules, int64_t now_ms);
void schedules_close(struct schedules *schedules);

#endif
