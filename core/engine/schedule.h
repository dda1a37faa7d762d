/* The [schedule] sections: which is due when, and what is kept of each through a restart. Pure: the
 * engine submits the jobs and stores the notes (engine_schedules.c).
 *
 * `cron` goes by the wall clock, `every` by the time that passes. A tick that was not noticed
 * within a minute of its time was missed: `catchup` says what becomes of it. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "model/config.h"

#define SCHEDULE_LATE_MS (60 * 1000)       /* more, and the tick was missed */
#define SCHEDULE_OWED_MAX 1000             /* ticks that catchup = all runs after a restart */
#define SCHEDULE_ANEW_MS (3 * 3600 * 1000) /* a clock set back by more was wrong before */

struct schedule {
    const struct config_schedule *plan; /* of the config in force */
    int64_t next_ms;   /* Unix: the next tick, maybe long past; INT64_MAX: never, or paused */
    int64_t done_ms;   /* ticks up to here are over, run or not; the phase of `every` */
    int64_t ran_ms;    /* the last tick that ran; 0: none */
    uint64_t last_job; /* submitted last; 0: none */
    uint64_t skipped;  /* ticks that did not run */
    bool paused;
    bool behind;  /* catchup = all: ticks are owed, */
    bool waiting; /* and the next one waits for the end of the last job */
    bool changed; /* its note is to be written */
};

struct schedules { /* zeroed: none */
    struct schedule *items;
    size_t count;
    int64_t seen_ms, seen_passed_ms; /* both clocks when they were seen last */
};

/* The note kept under that name, NULL: none. */
typedef const void *schedule_note_fn(void *user, const char *name, size_t *len);

/* Takes over the schedules of a config, which must live as long, as their notes say. One without a
 * note, or whose time or zone is another than its note's, begins now. */
void schedules_follow(struct schedules *schedules, const struct config *config, int64_t now_ms,
                      int64_t passed_ms, void *user, schedule_note_fn *note);
void schedule_put_note(const struct schedule *schedule, struct buf *out);

/* First of all in a turn: was a clock set? passed_ms counts the time that passes, whatever the wall
 * clock does. */
void schedules_see(struct schedules *schedules, int64_t now_ms, int64_t passed_ms);
int64_t schedules_next_ms(const struct schedules *schedules); /* INT64_MAX: none */

struct schedule_tick {
    int64_t at_ms;   /* to run: its time; 0: none */
    uint64_t missed; /* ticks left out: too late, or there were newer ones */
    bool overlaps;   /* and one more for `overlap` */
};
/* Where next_ms is not after now: moves on and says what to run. `busy`: its last job has not
 * ended. False: nothing is to be done now (it waits for that job). */
bool schedule_take(struct schedule *schedule, int64_t now_ms, bool busy, struct schedule_tick *out);
/* Leaves out what is due by now. */
void schedule_pass(struct schedule *schedule, int64_t now_ms);
void schedule_set_paused(struct schedule *schedule, bool paused, int64_t now_ms);
/* The ticks that follow as things stand; returns how many of `max` there are. */
size_t schedule_coming(const struct schedule *schedule, int64_t now_ms, int64_t *out, size_t max);

struct schedule *schedules_find(const struct schedules *schedules, const char *name);
void schedules_close(struct schedules *schedules);

#endif
