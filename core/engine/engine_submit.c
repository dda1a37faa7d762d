/* Jobs on their way in: there already (unique), waiting for others (after), or in line. */
#include "engine/engine_state.h"

#include "base/mem.h"
#include "engine/engine_doc.h"
#include "engine/engine_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN_STEP 256

struct accepted {
    int rc;
    uint64_t id; /* of the job, or of the one that is in its way */
    bool duplicate;
    const char *why; /* it was refused */
};

static struct accepted refuse(struct engine *e, struct job *job, int rc, const char *why)
{
    gate_leave(job->gate);
    job_free(&e->cache, job);
    return (struct accepted){.rc = rc, .why = why};
}

/* --- unique -------------------------------------------------------------------------------------
 */

static bool same_request(const struct job *a, const struct job *b)
{
    return a->task == b->task && a->args_len == b->args_len &&
           memcmp(a->args, b->args, a->args_len) == 0;
}

/* The job that is in the way; its record may be gone, and then it has completed. 0: none is. */
static uint64_t in_the_way(struct engine *e, const struct job *job, const struct job **other)
{
    const struct job_unique *unique = job_terms(job)->unique;
    int64_t at_ms = 0;
    const uint64_t id = e->ops->find_unique(e->store, unique->key, &at_ms);
    if (!id || (unique->within_ms && at_ms + unique->within_ms <= e->now_ms))
        return 0;
    *other = e->ops->get(e->store, id);
    if (!*other && !unique->within_ms)
        return 0;
    const int state = *other ? info_state(*other) : NEAP_COMPLETED;
    return unique->states >> state & 1 ? id : 0;
}

static struct accepted duplicate(struct engine *e, struct job *job, uint64_t id,
                                 const struct job *other)
{
    if (job_terms(job)->unique->exact && other && !same_request(job, other))
        return refuse(e, job, NEAP_ECONFLICT, "the key was used for another request");
    if (gate_leave(job->gate))
        mailbox_nudge(&e->mailbox);
    job_free(&e->cache, job);
    return (struct accepted){.id = id, .duplicate = true};
}

/* --- after --------------------------------------------------------------------------------------
 */

/* How many of the parents have not ended; false: one is unknown. */
static bool look_at_parents(struct engine *e, struct job *job, bool *failed)
{
    struct job_after *after = job_terms(job)->after;
    after->waiting = 0;
    for (uint32_t i = 0; i < after->count; i++) {
        const struct job *parent = e->ops->get(e->store, after->ids[i]);
        if (!parent)
            return false;
        if (!job_has_ended(parent))
            after->waiting++;
        else if (parent->state != NEAP_COMPLETED)
            *failed = true;
    }
    return true;
}

static void cancel_child(struct engine *e, struct job *child, uint64_t parent)
{
    char id[NEAP_ID_CHARS + 1], text[64];
    neap_id_text(parent, id);
    const int len = snprintf(text, sizeof text, "job %s, which it waited for, failed", id);
    free(job_left(child)->error);
    job_left_own(child)->error = job_error_new("error", 0, text, (size_t)len, NULL, 0);
    job_end_waiting(e, child, NEAP_CANCELLED);
}

static void one_ended(struct engine *e, struct job *child, uint64_t parent, int state)
{
    struct job_after *after = job_terms(child)->after;
    if (state != NEAP_COMPLETED && after->on_failure == AFTER_CANCEL) {
        cancel_child(e, child, parent);
        return;
    }
    after->waiting--;
    if (after->waiting == 0) {
        e->ops->release(e->store, child, e->now_ms);
        event_note(e, child, child->state);
    } else {
        e->ops->changed(e->store, child);
    }
}

static void tell_child(struct engine *e, uint64_t id, const struct ended *parent)
{
    struct job *child = e->ops->get(e->store, id);
    if (child && child->state == NEAP_PENDING && job_terms(child)->after->waiting > 0)
        one_ended(e, child, parent->id, parent->state);
}

static void tell_children(struct engine *e, const struct ended *parent)
{
    uint64_t ids[CHILDREN_STEP];
    for (size_t count = CHILDREN_STEP; count == CHILDREN_STEP;) {
        count = e->ops->take_children(e->store, parent->id, ids, CHILDREN_STEP);
        for (size_t i = 0; i < count; i++)
            tell_child(e, ids[i], parent);
    }
}

static void note_ended(struct engine *e, const struct ended *ended)
{
    if (e->n_ended == e->cap_ended) {
        e->cap_ended = e->cap_ended ? e->cap_ended * 2 : 16;
        e->ended = mem_grow(e->ended, e->cap_ended, sizeof *e->ended);
    }
    e->ended[e->n_ended++] = *ended;
}

/* A child that is cancelled has ended, too: one after the other, however long the chain. */
static void tell_all(struct engine *e, uint64_t first, const struct ended *parent)
{
    e->telling = true;
    tell_child(e, first, parent);
    tell_children(e, parent);
    for (size_t i = 0; i < e->n_ended; i++) {
        const struct ended next = e->ended[i];
        tell_children(e, &next);
    }
    e->n_ended = 0;
    e->telling = false;
}

void parent_has_ended(struct engine *e, uint64_t id, int state)
{
    const struct ended parent = {id, state};
    uint64_t child;
    if (e->telling)
        note_ended(e, &parent);
    else if (e->ops->take_children(e->store, id, &child, 1)) /* most have none */
        tell_all(e, child, &parent);
}

/* --- in -----------------------------------------------------------------------------------------
 */

void job_count_in(struct engine *e, const struct job *job)
{
    struct queue *q = queue_of(e, job->gate);
    struct task_row *task = task_row(e, job->task);
    q->counters.submitted++;
    task->counters.submitted++;
    e->live++;
    q->counters.live++;
    task->counters.live++;
}

/* Nothing is in its way. */
static void take_in(struct engine *e, struct job *job)
{
    job->state = job->available_ms > e->now_ms ? NEAP_SCHEDULED : NEAP_AVAILABLE;
    e->ops->put(e->store, job, e->now_ms);
    job_count_in(e, job);
    event_note(e, job, job->state);
}

static struct accepted accept_job(struct engine *e, struct job *job)
{
    const struct job *other = NULL;
    bool failed = false;
    const uint64_t id = job->id, taken = job_terms(job)->unique ? in_the_way(e, job, &other) : 0;
    if (taken)
        return duplicate(e, job, taken, other);
    if (job_terms(job)->after) {
        e->has_after = true;
        if (!look_at_parents(e, job, &failed))
            return refuse(e, job, NEAP_ENOENT, "after: no such job");
    }
    take_in(e, job);
    if (failed && job_terms(job)->after->on_failure == AFTER_CANCEL)
        cancel_child(e, job, job_terms(job)->after->ids[0]);
    return (struct accepted){.id = id};
}

void job_accept(struct engine *e, struct job *job)
{
    if (!job->terms) { /* most */
        take_in(e, job);
        return;
    }
    const struct task_name *task = job->task;
    const struct accepted in = accept_job(e, job);
    if (in.rc)
        engine_log(e, NEAP_ERROR, NULL, "a job of %s was not taken: %s", task->text, in.why);
}

static void note_placed(struct engine *e, uint64_t id)
{
    if (e->n_placed == e->cap_placed) {
        e->cap_placed = e->cap_placed ? e->cap_placed * 2 : 64;
        e->placed = mem_grow(e->placed, e->cap_placed, sizeof *e->placed);
    }
    e->placed[e->n_placed++] = id;
}

static void put_document(struct engine *e, struct call *call)
{
    const struct job *job = e->ops->get(e->store, call->id);
    if (job) /* else it has ended and was forgotten */
        doc_job(e, job, info_state(job), true, &call->reply);
}

void submit_call(struct engine *e, struct call *call)
{
    struct accepted in;
    if (e->full && !call->asker)
        in = refuse(e, call->job, NEAP_ENOSPC, "the disk is full");
    else
        in = accept_job(e, call->job);
    call->job = NULL;
    call->id = in.id;
    call->duplicate = in.duplicate;
    if (in.why)
        buf_put(&call->reply, in.why, strlen(in.why) + 1);
    else if (!call->asker && !in.duplicate)
        note_placed(e, in.id);
    if (call->document && in.rc == NEAP_OK)
        put_document(e, call);
    call_answer(e, call, in.rc);
}
