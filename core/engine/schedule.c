#include "engine/schedule.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define SET_BACK_MS 1000 /* less is the clock being corrected a little */

static int64_t first_run(const struct config_schedule *plan, int64_t now_ms)
{
    return plan->has_cron ? cron_next(&plan->cron, plan->zone, now_ms) : now_ms + plan->every_ms;
}

/* `every` keeps its phase: ticks that were missed are skipped. */
static int64_t next_run(const struct config_schedule *plan, int64_t last_ms, int64_t now_ms)
{
    if (plan->has_cron)
        return cron_next(&plan->cron, plan->zone, now_ms);
    return last_ms + ((now_ms - last_ms) / plan->every_ms + 1) * plan->every_ms;
}

static bool same_time(const struct config_schedule *a, const struct config_schedule *b)
{
    return a->has_cron == b->has_cron && a->every_ms == b->every_ms &&
           (!a->has_cron || cron_same(&a->cron, &b->cron));
}

static struct schedule *find(const struct schedules *schedules, const char *name)
{
    for (size_t i = 0; i < schedules->count; i++)
        if (strcmp(schedules->items[i].plan->name, name) == 0)
            return &schedules->items[i];
    return NULL;
}

void schedules_follow(struct schedules *schedules, const struct config *config, int64_t now_ms)
{
    struct schedules fresh = {.count = config->n_schedules, .seen_ms = now_ms};
    fresh.items = mem_zero(fresh.count, sizeof *fresh.items);
    for (size_t i = 0; i < fresh.count; i++) {
        struct schedule *item = &fresh.items[i];
        item->plan = &config->schedules[i];
        const struct schedule *old = find(schedules, item->plan->name);
        item->last_job = old ? old->last_job : 0;
        /* a cron's next run is computed again: its zone may have changed */
        const bool keep = old && same_time(old->plan, item->plan) && !item->plan->has_cron;
        item->next_ms = keep ? old->next_ms : first_run(item->plan, now_ms);
    }
    schedules_close(schedules);
    *schedules = fresh;
}

int64_t schedules_next_ms(const struct schedules *schedules)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < schedules->count; i++)
        if (schedules->items[i].next_ms < next_ms)
            next_ms = schedules->items[i].next_ms;
    return next_ms;
}

static void see_time(struct schedules *schedules, int64_t now_ms)
{
    const bool set_back = now_ms < schedules->seen_ms - SET_BACK_MS;
    for (size_t i = 0; set_back && i < schedules->count; i++)
        schedules->items[i].next_ms = first_run(schedules->items[i].plan, now_ms);
    if (set_back || now_ms > schedules->seen_ms)
        schedules->seen_ms = now_ms;
}

struct schedule *schedules_due(struct schedules *schedules, int64_t now_ms)
{
    see_time(schedules, now_ms);
    for (size_t i = 0; i < schedules->count; i++) {
        struct schedule *item = &schedules->items[i];
        if (item->next_ms <= now_ms) {
            item->next_ms = next_run(item->plan, item->next_ms, now_ms);
            return item;
        }
    }
    return NULL;
}

void schedules_close(struct schedules *schedules)
{
    free(schedules->items);
    *schedules = (struct schedules){0};
}
