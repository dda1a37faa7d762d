/* What may be done to a job from outside: run again, be forgotten, get another priority or due
 * time. `err` may be NULL. */
#include "engine/engine_ask.h"

#include "base/error.h"
#include "engine/engine_info.h"
#include "model/doc.h"

static bool is_running(const struct job *job)
{
    return info_state(job) == NEAP_RUNNING;
}

/* A job in a worker's line that has not started leaves it. False: it has started. */
static bool call_back(struct engine *e, struct job *job)
{
    if (job->claim && !is_running(job))
        dispatch_recall(e, job->claim->member);
    return !job->claim;
}

/* --- retry --------------------------------------------------------------------------------------
 */

/* Another job that stands where this one would. */
static uint64_t rival(struct engine *e, const struct job *job)
{
    int64_t at_ms;
    const uint64_t id = job_terms(job)->unique
                            ? e->ops->find_unique(e->store, job_terms(job)->unique->key, &at_ms)
                            : 0;
    const struct job *other = id && id != job->id ? e->ops->get(e->store, id) : NULL;
    return other && job_terms(job)->unique->states >> info_state(other) & 1 ? id : 0;
}

int order_may_retry(struct engine *e, const struct job *job, struct neap_error *err)
{
    char id[NEAP_ID_CHARS + 1];
    if (job->state == NEAP_RETRYABLE && !job->claim)
        return NEAP_OK;
    if (!job_has_ended(job))
        return error_set(err, NEAP_ECONFLICT, "it has not ended: %s",
                         neap_state_name(info_state(job)));
    if (job->pins)
        return error_set(err, NEAP_ECONFLICT,
                         "it is still read: by the job that submitted it, or as a log");
    if (job->owes_on_dead)
        return error_set(err, NEAP_ECONFLICT, "its on_dead has not ended yet");
    if (job_terms(job)->expires_ms && job_terms(job)->expires_ms <= e->now_ms)
        return error_set(err, NEAP_ECONFLICT, "it has expired");
    const uint64_t other = rival(e, job);
    if (!other)
        return NEAP_OK;
    neap_id_text(other, id);
    return error_set(err, NEAP_ECONFLICT, "job %s with the same unique key is in its way", id);
}

int order_retry(struct engine *e, struct job *job, struct neap_error *err)
{
    const int rc = order_may_retry(e, job, err);
    if (rc)
        return rc;
    if (job->state == NEAP_RETRYABLE) {
        e->ops->edit(e->store, job, job->priority, 0, e->now_ms);
        return NEAP_OK;
    }
    gate_force(job->gate);
    e->ops->revive(e->store, job, e->now_ms);
    job_count_in(e, job);
    event_note(e, job, job->state);
    return NEAP_OK;
}

/* --- delete -------------------------------------------------------------------------------------
 */

int order_may_delete(struct engine *e, const struct job *job, struct neap_error *err)
{
    (void)e;
    if (!job_has_ended(job))
        return error_set(err, NEAP_ECONFLICT, "it has not ended: %s; cancel it first",
                         neap_state_name(info_state(job)));
    if (job->pins)
        return error_set(err, NEAP_ECONFLICT,
                         "it is still read: by the job that submitted it, or as a log");
    if (job->owes_on_dead)
        return error_set(err, NEAP_ECONFLICT, "its on_dead has not ended yet");
    return NEAP_OK;
}

int order_delete(struct engine *e, struct job *job, struct neap_error *err)
{
    const int rc = order_may_delete(e, job, err);
    if (rc == NEAP_OK)
        e->ops->forget(e->store, job);
    return rc;
}

/* --- edit ---------------------------------------------------------------------------------------
 */

int order_may_edit(struct engine *e, const struct job *job, struct neap_error *err)
{
    (void)e;
    if (job_has_ended(job) || is_running(job))
        return error_set(err, NEAP_ECONFLICT, "it %s: %s", job->claim ? "runs" : "has ended",
                         neap_state_name(info_state(job)));
    return NEAP_OK;
}

int order_edit(struct engine *e, struct job *job, const struct ask *ask, struct neap_error *err)
{
    const int rc = order_may_edit(e, job, err);
    if (rc)
        return rc;
    if (!call_back(e, job))
        return error_set(err, NEAP_ECONFLICT, "a worker is about to start it");
    e->ops->edit(e->store, job, ask->has_priority ? ask->priority : job->priority,
                 ask->has_due ? ask->due_ms : job_due_ms(job), e->now_ms);
    return NEAP_OK;
}

/* --- asked --------------------------------------------------------------------------------------
 */

static void answer_deleted(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    doc_open(out, NULL);
    doc_id(out, "id", ask->call.id);
    doc_bool(out, "deleted", true);
    doc_close(out);
    ask_answer(e, ask, NEAP_OK);
}

void ask_order(struct engine *e, struct ask *ask)
{
    struct job *job = ask_job(e, ask);
    struct neap_error err;
    int rc;
    if (!job)
        return;
    if (ask->what == NEAP_ASK_RETRY)
        rc = order_retry(e, job, &err);
    else if (ask->what == NEAP_ASK_DELETE)
        rc = order_delete(e, job, &err);
    else
        rc = order_edit(e, job, ask, &err);
    if (rc)
        ask_refuse(e, ask, rc, "%s", err.message);
    else if (ask->what == NEAP_ASK_DELETE)
        answer_deleted(e, ask);
    else
        ask_with_job(e, ask, job, NEAP_OK);
}
