/* Schedules in the engine: ticks become jobs, and what is kept of them goes with those into one
 * transaction. For the admin's questions too. The engine's thread. */
#ifndef ENGINE_ENGINE_SCHEDULES_H
#define ENGINE_ENGINE_SCHEDULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "neap.h"

struct engine;

void engine_follow_schedules(struct engine *e); /* at the start, and after a new config */
/* In a turn: what is due. Not while it drains or the disk is full: then ticks are missed. */
void engine_run_schedules(struct engine *e);
int64_t engine_next_tick_ms(const struct engine *e); /* Unix; INT64_MAX: none */

#define SCHEDULE_COMING 5

/* One schedule as it is shown; good until the next turn. */
struct schedule_row {
    const char *name, *task;
    const char *cron, *zone; /* NULL: `every`; zone "local" where none is given */
    int64_t every_ms;        /* 0: cron */
    const char *catchup;     /* skip once all */
    bool overlap;            /* allowed */
    bool paused;
    bool no_task; /* there is no such task now */
    int64_t next_ms[SCHEDULE_COMING];
    size_t n_next;     /* 0: it is paused, or never comes */
    int64_t last_ms;   /* the tick that ran last; 0: none */
    uint64_t last_job; /* 0: none */
    uint64_t skipped;  /* ticks that did not run */
};

size_t schedules_count(const struct engine *e);
void schedules_row(const struct engine *e, size_t i, struct schedule_row *out); /* in order of the
                                                                                   config */
/* By name; NEAP_ENOENT: no such schedule (did you mean ...?). */
int schedule_find_row(const struct engine *e, const char *name, struct schedule_row *out,
                      struct neap_error *err);
/* Submits its job now, beside its ticks, also while it is paused. NEAP_ECONFLICT: the last job has
 * not ended and they may not overlap; NEAP_EFULL: its queue is; NEAP_ENOENT: or its task is gone;
 * NEAP_ECLOSED: a drain. */
int schedule_run_now(struct engine *e, const char *name, uint64_t *id, struct neap_error *err);
/* Lasts through restarts. Ticks of the pause are not made up for. Twice is fine. */
int schedule_pause(struct engine *e, const char *name, bool paused, struct neap_error *err);

#endif
