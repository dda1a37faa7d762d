#include "engine/engine_schedules.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/engine_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTE_PREFIX "schedule."
#define KEY_MAX (sizeof NOTE_PREFIX + NEAP_TASK_MAX)

/* Goes on while the machine sleeps, so that waking up is no step of the clock. */
static int64_t passed_ms(void)
{
    return clock_read_ns(CLOCK_BOOTTIME) / 1000000;
}

/* ---- notes */

static void note_key(char *out, const char *name)
{
    snprintf(out, KEY_MAX, NOTE_PREFIX "%s", name);
}

static const void *read_note(void *user, const char *name, size_t *len)
{
    struct engine *e = user;
    char key[KEY_MAX];
    note_key(key, name);
    return e->ops->note(e->store, key, len);
}

static void keep_notes(struct engine *e)
{
    struct buf text = {0};
    char key[KEY_MAX];
    for (size_t i = 0; i < e->schedules.count; i++) {
        struct schedule *s = &e->schedules.items[i];
        if (!s->changed)
            continue;
        text.len = 0;
        schedule_put_note(s, &text);
        note_key(key, s->plan->name);
        e->ops->set_note(e->store, key, text.data, text.len);
        s->changed = false;
    }
    buf_close(&text);
}

struct stale {
    const struct schedules *schedules;
    char **keys;
    size_t count;
};

static void find_stale(void *user, const char *key, const void *data, size_t len)
{
    struct stale *stale = user;
    (void)data;
    (void)len;
    if (schedules_find(stale->schedules, key + strlen(NOTE_PREFIX)))
        return;
    stale->keys = mem_grow(stale->keys, stale->count + 1, sizeof *stale->keys);
    stale->keys[stale->count++] = mem_text(key);
}

/* Those that the config no longer has are forgotten. */
static void drop_stale(struct engine *e)
{
    struct stale stale = {.schedules = &e->schedules};
    e->ops->each_note(e->store, NOTE_PREFIX, &stale, find_stale);
    for (size_t i = 0; i < stale.count; i++) {
        e->ops->set_note(e->store, stale.keys[i], NULL, 0);
        free(stale.keys[i]);
    }
    free(stale.keys);
}

void engine_follow_schedules(struct engine *e)
{
    if (!e->env.standing)
        return;
    schedules_follow(&e->schedules, e->config, e->now_ms, passed_ms(), e, read_note);
    drop_stale(e);
    keep_notes(e);
}

/* ---- ticks */

static const struct task_info *task_of(const struct engine *e, const struct config_schedule *plan)
{
    const struct task_name *name = names_find(e->env.worker->names, plan->task);
    return name ? catalogue_task(e->catalogue, name) : NULL;
}

static bool is_busy(const struct engine *e, const struct schedule *s)
{
    const struct job *last = s->last_job ? e->ops->get(e->store, s->last_job) : NULL;
    return last && !job_has_ended(last);
}

/* `tick_ms`: its time; 0: none, it was asked for. False: its queue is full. */
static bool submit(struct engine *e, struct schedule *s, const struct task_info *info,
                   int64_t tick_ms)
{
    if (!gate_enter(info->gate)) {
        gate_refuse(info->gate);
        return false;
    }
    struct job *job = job_new(&e->cache, s->plan->args, s->plan->args_len);
    job->id = id_next(e->env.worker->ids, e->now_ms);
    job->task = info->name;
    job->gate = info->gate;
    job->priority = info->priority;
    job->submitted_ms = e->now_ms;
    if (tick_ms) {
        job->flags = JOB_TICK;
        job_terms_own(job)->tag = (uint64_t)tick_ms;
    }
    s->last_job = job->id;
    s->changed = true;
    job_accept(e, job);
    return true;
}

/* `first_ms`: the oldest tick that was due. */
static void log_missed(struct engine *e, const struct schedule *s, int64_t first_ms,
                       const struct schedule_tick *tick)
{
    static const char *const runs[] = {"", ", the newest runs", ", those after them run"};
    const bool late = e->now_ms - first_ms > SCHEDULE_LATE_MS; /* else they just were many */
    engine_log(e, late ? NEAP_WARN : NEAP_DEBUG, NULL,
               "schedule %s: %" PRIu64 " ticks missed and left out%s", s->plan->name, tick->missed,
               runs[s->plan->catchup == CATCHUP_ALL ? 2 : tick->at_ms != 0]);
}

static void run_tick(struct engine *e, struct schedule *s, const struct task_info *info,
                     const struct schedule_tick *tick)
{
    const char *name = s->plan->name;
    if (tick->overlaps)
        engine_log(e, NEAP_WARN, NULL, "schedule %s: skipped, its last job has not ended", name);
    if (tick->at_ms && !submit(e, s, info, tick->at_ms)) {
        engine_log(e, NEAP_ERROR, NULL, "schedule %s: skipped, queue %s is full", name,
                   info->gate->name);
        s->skipped++;
    }
}

static void run_schedule(struct engine *e, struct schedule *s)
{
    const struct task_info *info = task_of(e, s->plan);
    if (!info) {
        engine_log(e, NEAP_ERROR, NULL, "schedule %s: no such task: %s", s->plan->name,
                   s->plan->task);
        schedule_pass(s, e->now_ms);
        return;
    }
    struct schedule_tick tick;
    for (int64_t first_ms; (first_ms = s->next_ms) <= e->now_ms &&
                           schedule_take(s, e->now_ms, is_busy(e, s), &tick);) {
        if (tick.missed)
            log_missed(e, s, first_ms, &tick);
        run_tick(e, s, info, &tick);
        if (s->waiting)
            break;
    }
}

static bool rests(const struct engine *e)
{
    return e->draining || e->full || e->failed;
}

int64_t engine_next_tick_ms(const struct engine *e)
{
    return rests(e) ? INT64_MAX : schedules_next_ms(&e->schedules);
}

void engine_run_schedules(struct engine *e)
{
    if (e->schedules.count == 0)
        return;
    schedules_see(&e->schedules, e->now_ms, passed_ms());
    for (size_t i = 0; !rests(e) && i < e->schedules.count; i++)
        if (e->schedules.items[i].next_ms <= e->now_ms)
            run_schedule(e, &e->schedules.items[i]);
    keep_notes(e);
}

/* ---- asked for */

size_t schedules_count(const struct engine *e)
{
    return e->schedules.count;
}

static void fill_row(const struct engine *e, const struct schedule *s, struct schedule_row *out)
{
    static const char *const catchups[] = {"skip", "once", "all"};
    const struct config_schedule *plan = s->plan;
    *out = (struct schedule_row){
        .name = plan->name,
        .task = plan->task,
        .cron = plan->has_cron ? plan->cron_text : NULL,
        .zone = !plan->has_cron   ? NULL
                : plan->zone_text ? plan->zone_text
                                  : "local",
        .every_ms = plan->has_cron ? 0 : plan->every_ms,
        .catchup = catchups[plan->catchup],
        .overlap = plan->overlap,
        .paused = s->paused,
        .no_task = !task_of(e, plan),
        .last_ms = s->ran_ms,
        .last_job = s->last_job,
        .skipped = s->skipped,
    };
    out->n_next = schedule_coming(s, e->now_ms, out->next_ms, SCHEDULE_COMING);
}

void schedules_row(const struct engine *e, size_t i, struct schedule_row *out)
{
    fill_row(e, &e->schedules.items[i], out);
}

static int find(const struct engine *e, const char *name, struct schedule **out,
                struct neap_error *err)
{
    const struct schedules *all = &e->schedules;
    *out = schedules_find(all, name);
    if (*out)
        return NEAP_OK;
    const char **names = mem_zero(all->count + 1, sizeof *names);
    for (size_t i = 0; i < all->count; i++)
        names[i] = all->items[i].plan->name;
    const char *near = text_nearest(name, names, all->count);
    free(names);
    if (near)
        return error_set(err, NEAP_ENOENT, "no such schedule: %s (did you mean %s?)", name, near);
    return error_set(err, NEAP_ENOENT, "no such schedule: %s", name);
}

int schedule_find_row(const struct engine *e, const char *name, struct schedule_row *out,
                      struct neap_error *err)
{
    struct schedule *s;
    const int rc = find(e, name, &s, err);
    if (rc == NEAP_OK)
        fill_row(e, s, out);
    return rc;
}

int schedule_run_now(struct engine *e, const char *name, uint64_t *id, struct neap_error *err)
{
    struct schedule *s;
    const int rc = find(e, name, &s, err);
    if (rc)
        return rc;
    const struct task_info *info = task_of(e, s->plan);
    if (!info)
        return error_set(err, NEAP_ENOENT, "no such task: %s", s->plan->task);
    if (e->draining)
        return error_set(err, NEAP_ECLOSED, "neap is draining");
    if (!s->plan->overlap && is_busy(e, s))
        return error_set(err, NEAP_ECONFLICT, "the last job of schedule %s has not ended", name);
    if (!submit(e, s, info, 0))
        return error_set(err, NEAP_EFULL, "queue %s is full", info->gate->name);
    *id = s->last_job;
    keep_notes(e);
    return NEAP_OK;
}

int schedule_pause(struct engine *e, const char *name, bool paused, struct neap_error *err)
{
    struct schedule *s;
    const int rc = find(e, name, &s, err);
    if (rc)
        return rc;
    schedule_set_paused(s, paused, e->now_ms);
    keep_notes(e);
    return NEAP_OK;
}
