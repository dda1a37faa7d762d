#include "engine/schedule.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 1000     /* less is a clock being corrected a little */
#define COUNT_MAX 100000 /* of a cron: looking for more would keep the engine */

/* ---- ticks of a plan */

static int64_t tick_after(const struct config_schedule *plan, int64_t at_ms)
{
    if (plan->has_cron)
        return cron_next(&plan->cron, plan->zone, at_ms);
    return at_ms > INT64_MAX - plan->every_ms ? INT64_MAX : at_ms + plan->every_ms;
}

/* The smallest time from `low_ms` on after which at most `most` ticks come by `now_ms`. */
static int64_t before_last(const struct config_schedule *plan, int64_t low_ms, int64_t now_ms,
                           size_t most)
{
    int64_t high_ms = now_ms;
    while (low_ms < high_ms) {
        const int64_t middle_ms = low_ms + (high_ms - low_ms) / 2;
        int64_t at_ms = middle_ms;
        size_t count = 0;
        while (count <= most && (at_ms = tick_after(plan, at_ms)) <= now_ms)
            count++;
        if (count > most)
            low_ms = middle_ms + 1;
        else
            high_ms = middle_ms;
    }
    return low_ms;
}

/* Of the ticks from `first_ms` to `now_ms`, the first of the last `most`. */
static int64_t first_of_last(const struct config_schedule *plan, int64_t first_ms, int64_t now_ms,
                             size_t most)
{
    if (plan->has_cron)
        return tick_after(plan, before_last(plan, first_ms - 1, now_ms, most));
    const int64_t later = (now_ms - first_ms) / plan->every_ms;
    const int64_t over = later - (int64_t)most + 1;
    return first_ms + (over > 0 ? over : 0) * plan->every_ms;
}

/* Ticks from `first_ms` on that come before `end_ms`. */
static uint64_t count_ticks(const struct config_schedule *plan, int64_t first_ms, int64_t end_ms)
{
    uint64_t count = 0;
    if (!plan->has_cron)
        return (uint64_t)((end_ms - first_ms + plan->every_ms - 1) / plan->every_ms);
    for (int64_t at_ms = first_ms; at_ms < end_ms && count < COUNT_MAX; count++)
        at_ms = tick_after(plan, at_ms);
    return count;
}

/* ---- its state */

static void move_on(struct schedule *s, int64_t done_ms)
{
    s->done_ms = done_ms;
    s->next_ms = s->paused ? INT64_MAX : tick_after(s->plan, done_ms);
    s->waiting = false;
    s->changed = true;
}

static void put_time(const struct config_schedule *plan, struct buf *out)
{
    if (plan->has_cron)
        buf_format(out, "cron %s tz %s", plan->cron_text, plan->zone_text ? plan->zone_text : "");
    else
        buf_format(out, "every %" PRId64, plan->every_ms);
}

void schedule_put_note(const struct schedule *s, struct buf *out)
{
    buf_format(out, "1 %" PRId64 " %" PRId64 " %" PRIu64 " %" PRIu64 " %d ", s->done_ms, s->ran_ms,
               s->last_job, s->skipped, (int)s->paused);
    put_time(s->plan, out);
}

/* False: there is nothing in it that we could read. *same_time: it is of this plan. */
static bool read_note(struct schedule *s, const void *note, size_t len, bool *same_time)
{
    struct buf text = {0}, time = {0};
    int paused = 0, end = 0;
    buf_put(&text, note, len);
    const bool fine =
        sscanf(buf_string(&text), "1 %" SCNd64 " %" SCNd64 " %" SCNu64 " %" SCNu64 " %d %n",
               &s->done_ms, &s->ran_ms, &s->last_job, &s->skipped, &paused, &end) == 5 &&
        end > 0 && s->done_ms > 0;
    put_time(s->plan, &time);
    s->paused = paused;
    *same_time = fine && strcmp(text.data + end, buf_string(&time)) == 0;
    buf_close(&text);
    buf_close(&time);
    return fine;
}

/* The clock shows a time before what is done. What ran does not run again, unless the clock had
 * been wrong by hours: then it would wait for the time that was. */
static void set_back(struct schedule *s, int64_t now_ms)
{
    const bool near = s->ran_ms > now_ms && s->ran_ms - now_ms <= SCHEDULE_ANEW_MS;
    move_on(s, s->plan->has_cron && near ? s->ran_ms : now_ms);
}

static void begin(struct schedule *s, const void *note, size_t len, int64_t now_ms)
{
    bool same_time = false;
    if (!note || !read_note(s, note, len, &same_time))
        *s = (struct schedule){.plan = s->plan};
    if (!same_time)
        s->done_ms = now_ms;
    const bool early = s->done_ms > now_ms + STEP_MS;
    if (early)
        set_back(s, now_ms);
    else
        move_on(s, s->done_ms);
    s->changed = !same_time || early;
}

void schedules_follow(struct schedules *schedules, const struct config *config, int64_t now_ms,
                      int64_t passed_ms, void *user, schedule_note_fn *note)
{
    struct schedules fresh = {
        .count = config->n_schedules, .seen_ms = now_ms, .seen_passed_ms = passed_ms};
    fresh.items = mem_zero(fresh.count, sizeof *fresh.items);
    for (size_t i = 0; i < fresh.count; i++) {
        size_t len = 0;
        fresh.items[i].plan = &config->schedules[i];
        const void *text = note(user, config->schedules[i].name, &len);
        begin(&fresh.items[i], text, len, now_ms);
    }
    schedules_close(schedules);
    *schedules = fresh;
}

void schedules_see(struct schedules *schedules, int64_t now_ms, int64_t passed_ms)
{
    const int64_t step_ms = now_ms - schedules->seen_ms - (passed_ms - schedules->seen_passed_ms);
    const bool stepped = step_ms > STEP_MS || step_ms < -STEP_MS;
    for (size_t i = 0; stepped && i < schedules->count; i++) {
        struct schedule *s = &schedules->items[i];
        if (!s->plan->has_cron)
            move_on(s, s->done_ms + step_ms);
        else if (s->done_ms > now_ms)
            set_back(s, now_ms);
    }
    schedules->seen_ms = now_ms;
    schedules->seen_passed_ms = passed_ms;
}

int64_t schedules_next_ms(const struct schedules *schedules)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < schedules->count; i++) {
        const struct schedule *s = &schedules->items[i];
        if (!s->waiting && s->next_ms < next_ms)
            next_ms = s->next_ms;
    }
    return next_ms;
}

/* ---- what is due */

static void run_at(struct schedule *s, int64_t at_ms, struct schedule_tick *out)
{
    out->at_ms = s->ran_ms = at_ms;
    move_on(s, at_ms);
}

static void overlap(struct schedule *s, int64_t at_ms, struct schedule_tick *out)
{
    out->overlaps = true;
    s->skipped++;
    move_on(s, at_ms);
}

/* skip and once: one tick stands for all that are due. */
static void take_newest(struct schedule *s, int64_t now_ms, bool busy, struct schedule_tick *out)
{
    const int64_t first_ms = s->next_ms;
    const int64_t newest_ms = first_of_last(s->plan, first_ms, now_ms, 1);
    const bool too_late = s->plan->catchup == CATCHUP_SKIP && now_ms - newest_ms > SCHEDULE_LATE_MS;
    out->missed = count_ticks(s->plan, first_ms, newest_ms) + too_late;
    s->skipped += out->missed;
    if (too_late)
        move_on(s, newest_ms);
    else if (busy)
        overlap(s, newest_ms, out);
    else
        run_at(s, newest_ms, out);
}

static void fall_behind(struct schedule *s, int64_t now_ms, struct schedule_tick *out)
{
    const int64_t first_ms = first_of_last(s->plan, s->next_ms, now_ms, SCHEDULE_OWED_MAX);
    out->missed = count_ticks(s->plan, s->next_ms, first_ms);
    s->skipped += out->missed;
    s->next_ms = first_ms;
    s->behind = true;
}

/* all: each tick; those owed one after another where they may not overlap. */
static bool take_each(struct schedule *s, int64_t now_ms, bool busy, struct schedule_tick *out)
{
    if (!s->behind &&
        (now_ms - s->next_ms > SCHEDULE_LATE_MS || tick_after(s->plan, s->next_ms) <= now_ms))
        fall_behind(s, now_ms, out);
    if (s->behind && busy) {
        s->waiting = true;
        return out->missed > 0;
    }
    if (busy)
        overlap(s, s->next_ms, out);
    else
        run_at(s, s->next_ms, out);
    if (s->next_ms > now_ms)
        s->behind = false;
    return true;
}

bool schedule_take(struct schedule *schedule, int64_t now_ms, bool busy, struct schedule_tick *out)
{
    *out = (struct schedule_tick){0};
    busy = busy && !schedule->plan->overlap;
    if (schedule->plan->catchup == CATCHUP_ALL)
        return take_each(schedule, now_ms, busy, out);
    take_newest(schedule, now_ms, busy, out);
    return true;
}

void schedule_pass(struct schedule *schedule, int64_t now_ms)
{
    struct schedule *s = schedule;
    const int64_t newest_ms = first_of_last(s->plan, s->next_ms, now_ms, 1);
    s->skipped += count_ticks(s->plan, s->next_ms, newest_ms) + 1;
    s->behind = false;
    move_on(s, newest_ms);
}

void schedule_set_paused(struct schedule *schedule, bool paused, int64_t now_ms)
{
    struct schedule *s = schedule;
    if (s->paused == paused)
        return;
    s->paused = paused;
    s->behind = false;
    /* `every` keeps its phase, a cron what it has run although the clock was set back */
    const bool over = !paused && s->done_ms < now_ms;
    int64_t done_ms = s->done_ms;
    if (over && s->plan->has_cron)
        done_ms = now_ms;
    else if (over)
        done_ms += (now_ms - done_ms) / s->plan->every_ms * s->plan->every_ms;
    move_on(s, done_ms);
}

size_t schedule_coming(const struct schedule *schedule, int64_t now_ms, int64_t *out, size_t max)
{
    size_t count = 0;
    int64_t at_ms = schedule->next_ms;
    if (at_ms != INT64_MAX && at_ms <= now_ms && schedule->plan->catchup != CATCHUP_ALL)
        at_ms = first_of_last(schedule->plan, at_ms, now_ms, 1);
    for (; count < max && at_ms != INT64_MAX; at_ms = tick_after(schedule->plan, at_ms))
        out[count++] = at_ms;
    return count;
}

struct schedule *schedules_find(const struct schedules *schedules, const char *name)
{
    for (size_t i = 0; i < schedules->count; i++)
        if (strcmp(schedules->items[i].plan->name, name) == 0)
            return &schedules->items[i];
    return NULL;
}

void schedules_close(struct schedules *schedules)
{
    free(schedules->items);
    *schedules = (struct schedules){0};
}
