/* What makes a turn last: the commit, a disk that is full, and what the process before this one
 * left in the store. */
#include "engine/engine_state.h"

#include "base/mem.h"
#include "engine/engine_info.h"
#include "model/id.h"
#include "parts/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL_LOOK_MS 1000 /* how often a full disk is looked at again */
#define CRASHES_MAX 3     /* of the process under a job: then it is dead */

/* --- commit -------------------------------------------------------------------------------------
 */

static bool told_of(const struct call *call, uint64_t id)
{
    const int kind = call->message.kind;
    return !call->asker && call->id == id && call->rc == NEAP_OK &&
           (kind == ENGINE_CALL_SUBMIT || kind == ENGINE_CALL_ROOM);
}

/* Who submitted it, and who was told in the same turn that it is there already. */
static bool refuse_all(struct engine *e, uint64_t id)
{
    static const char why[] = "the disk is full";
    bool any = false;
    for (struct list *at = e->answers.next; at != &e->answers; at = at->next) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (!told_of(call, id))
            continue;
        call->rc = NEAP_ENOSPC;
        call->id = 0;
        call->duplicate = false;
        call->reply.len = 0;
        buf_put(&call->reply, why, sizeof why);
        any = true;
    }
    return any;
}

/* The counters forget it, too: it was never there. */
static void withdraw(struct engine *e, uint64_t id)
{
    struct job *job = e->ops->get(e->store, id);
    if (!job || job_has_ended(job) || !refuse_all(e, id))
        return;
    struct queue *q = queue_of(e, job->gate);
    struct task_row *task = task_row(e, job->task);
    q->counters.submitted--;
    task->counters.submitted--;
    e->live--;
    q->counters.live--;
    task->counters.live--;
    gate_leave(job->gate);
    e->ops->withdraw(e->store, job);
    events_withdraw(e, id);
}

static void withdraw_all(struct engine *e)
{
    if (!e->full)
        engine_log(e, NEAP_ERROR, NULL,
                   "the disk is full: no new jobs are taken until there is room; those that run "
                   "go on");
    e->full = true;
    e->full_look_ms = e->mono_ms + FULL_LOOK_MS;
    for (size_t i = 0; i < e->n_placed; i++)
        withdraw(e, e->placed[i]);
}

static void look_for_room(struct engine *e)
{
    if (!e->full || e->mono_ms < e->full_look_ms)
        return;
    e->full = !e->ops->roomy(e->store);
    e->full_look_ms = e->mono_ms + FULL_LOOK_MS;
    if (!e->full)
        engine_log(e, NEAP_WARN, NULL, "the disk has room again: new jobs are taken");
}

static void fail(struct engine *e, const struct neap_error *err)
{
    e->failed = true;
    if (e->told)
        return;
    e->told = true;
    engine_log(e, NEAP_ERROR, NULL, "the store failed: %s", err->message);
    if (e->env.fatal)
        e->env.fatal(e->env.user, err->message);
}

static void commit(struct engine *e)
{
    struct neap_error err = {0, "no reason given"};
    int rc = e->ops->commit(e->store, &err);
    if (rc == NEAP_ENOSPC) {
        withdraw_all(e);
        rc = e->ops->commit(e->store, &err);
    }
    if (rc)
        fail(e, &err);
}

void engine_commit(struct engine *e)
{
    look_for_room(e);
    if (!e->failed && e->ops->dirty(e->store))
        commit(e);
    e->n_placed = 0;
}

/* --- what an earlier process left ---------------------------------------------------------------
 */

static void restore_count(void *user, struct gate *gate, const struct task_name *name, size_t count)
{
    struct engine *e = user;
    struct queue *q = queue_of(e, gate);
    struct task_row *task = task_row(e, name);
    gate_restore(gate, (int64_t)count);
    q->counters.submitted += count;
    task->counters.submitted += count;
    e->live += count;
    q->counters.live += count;
    task->counters.live += count;
}

/* New ids are above all that are known, whatever the clock says now. */
static void restore_ids(struct engine *e)
{
    struct store_query query = {.newest_first = true, .look = 1};
    struct job *job;
    if (e->ops->scan(e->store, &query, &job, 1))
        id_after(e->env.worker->ids, job->id);
}

static void count_crash(void *user, uint64_t id)
{
    static const char format[] = "the process died %u times while it ran";
    struct engine *e = user;
    char text[sizeof format + 8];
    struct job *job = e->ops->get(e->store, id);
    if (!job || (job_has_ended(job) && !job->owes_on_dead))
        return;
    if (job->crashes < UINT8_MAX)
        job->crashes++;
    e->ops->changed(e->store, job);
    engine_log(e, NEAP_WARN, job, "the process died while it ran (%u of %d)", job->crashes,
               CRASHES_MAX);
    if (job->crashes < CRASHES_MAX)
        return;
    if (job_has_ended(job)) { /* it was its on_dead */
        e->ops->paid(e->store, job);
        return;
    }
    const int len = snprintf(text, sizeof text, format, (unsigned)job->crashes);
    free(job_left(job)->error);
    job_left_own(job)->error =
        job_error_new("crash", (int)job->attempt + 1, text, (size_t)len, NULL, 0);
    engine_log_failure(e, NEAP_ERROR, job, 0, "dead");
    job_end_waiting(e, job, NEAP_DEAD);
}

static void run_owed(struct engine *e)
{
    uint64_t ids[64], after = 0;
    for (size_t count; (count = e->ops->owing(e->store, after, ids, 64)) > 0;) {
        after = ids[count - 1];
        for (size_t i = 0; i < count; i++) {
            struct job *job = e->ops->get(e->store, ids[i]);
            if (!job)
                continue;
            run_on_dead(e, job);
            if (!job->owes_on_dead) /* its task has none any more */
                e->ops->paid(e->store, job);
        }
    }
}

void engine_recover(struct engine *e)
{
    struct store_counts counts;
    restore_ids(e);
    e->ops->counts(e->store, &counts);
    e->has_after = counts.states[NEAP_PENDING] > 0;
    e->ops->each_live(e->store, e, restore_count);
    e->recovering = true; /* run_on_dead only notes that it is to run */
    if (e->running)
        running_each(e->running, e, count_crash);
    e->recovering = false;
    run_owed(e);
    engine_commit(e);
    if (e->running && !e->failed)
        running_clear(e->running);
}
