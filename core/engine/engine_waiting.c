/* Jobs in line that will not run: expired, or without a task. */
#include "engine/engine_state.h"

#include "base/mem.h"

#include <stdlib.h>

#define EXPIRED_STEP 64

static void expire(struct engine *e, uint64_t id)
{
    struct job *job = e->ops->get(e->store, id);
    if (!job || job_has_ended(job))
        return;
    if (job->claim && !atomic_load_explicit(&job->started, memory_order_acquire))
        dispatch_recall(e, job->claim->member);
    if (!job->claim)
        job_end_waiting(e, job, NEAP_CANCELLED);
}

void jobs_expire(struct engine *e)
{
    uint64_t ids[EXPIRED_STEP];
    size_t count = EXPIRED_STEP;
    while (count == EXPIRED_STEP && e->ops->next_expiry_ms(e->store) <= e->now_ms) {
        count = e->ops->expired(e->store, e->now_ms, ids, EXPIRED_STEP);
        for (size_t i = 0; i < count; i++)
            expire(e, ids[i]);
    }
}

void job_hold(struct engine *e, struct job *job)
{
    engine_log(e, NEAP_WARN, job, "held: no such task");
    e->ops->hold(e->store, job);
}

struct held_tasks {
    const struct engine *engine;
    const struct task_name **back;
    size_t count;
};

static void look_at_held(void *user, const struct task_name *task)
{
    struct held_tasks *held = user;
    if (!catalogue_task(held->engine->catalogue, task))
        return;
    for (size_t i = 0; i < held->count; i++)
        if (held->back[i] == task)
            return;
    held->back = mem_grow(held->back, held->count + 1, sizeof *held->back);
    held->back[held->count++] = task;
}

void jobs_unhold(struct engine *e)
{
    struct held_tasks held = {.engine = e};
    e->ops->each_held(e->store, &held, look_at_held);
    for (size_t i = 0; i < held.count; i++)
        e->ops->unhold(e->store, held.back[i], e->now_ms);
    free(held.back);
}
