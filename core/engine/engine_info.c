#include "engine/engine_info.h"

#include "base/mem.h"
#include "engine/engine_state.h"
#include "model/name.h"
#include "parts/gate.h"

#include <string.h>

int info_state(const struct job *job)
{
    if (job->claim && atomic_load_explicit(&job->started, memory_order_acquire))
        return NEAP_RUNNING;
    return job->state;
}

const char *info_held(struct engine *e, const struct job *job)
{
    const struct queue *q = queue_of(e, job->gate);
    if (job->claim || job_has_ended(job))
        return NULL;
    if (job->where == JOB_HELD)
        return "no such task";
    if (!q->pools)
        return "no pool serves its queue";
    return q->limits && q->limits->paused ? "its queue is paused" : NULL;
}

/* Both texts in one allocation. */
static void fill_texts(const struct job *job, struct neap_job *out)
{
    const char *message = job_left(job)->error ? job_left(job)->error->message : NULL;
    const struct claim_more *more = job->claim ? job->claim->more : NULL;
    const char *progress = more ? more->progress_text : NULL;
    const size_t message_size = message ? strlen(message) + 1 : 0;
    const size_t progress_size = progress ? strlen(progress) + 1 : 0;
    if (message_size + progress_size == 0)
        return;
    char *texts = out->owned = mem_alloc(message_size + progress_size);
    if (message)
        out->message = memcpy(texts, message, message_size);
    if (progress)
        out->progress_text = memcpy(texts + message_size, progress, progress_size);
}

void info_fill(struct engine *e, const struct job *job, struct neap_job *out)
{
    const struct claim_more *more = job->claim ? job->claim->more : NULL;
    *out = (struct neap_job){
        .id = job->id,
        .parent = job->parent,
        .state = info_state(job),
        .priority = job->priority,
        .attempt = job->attempt,
        .submitted_ms = job->submitted_ms,
        .due_ms = job_due_ms(job),
        .held = info_held(e, job),
        .progress = more && more->progressed ? more->progress : -1,
    };
    memcpy(out->task, job->task->text, strlen(job->task->text) + 1);
    memcpy(out->queue, job->gate->name, strlen(job->gate->name) + 1);
    fill_texts(job, out);
}
