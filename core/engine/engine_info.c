#include "engine/engine_info.h"

#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"

#include <string.h>

int info_state(const struct job *job)
{
    if (job->claim && atomic_load_explicit(&job->started, memory_order_acquire))
        return NEAP_RUNNING;
    return job->state;
}

void info_fill(const struct job *job, struct neap_job *out)
{
    *out = (struct neap_job){
        .id = job->id,
        .parent = job->parent,
        .state = info_state(job),
        .priority = job->priority,
        .attempt = job->attempt,
        .submitted_ms = job->submitted_ms,
        .due_ms = job->where == JOB_DUE ? job->due.key : 0,
        .held = job->where == JOB_HELD ? "no such task" : NULL,
    };
    strcpy(out->task, job->task->text);
    strcpy(out->queue, job->gate->name);
    if (job->error)
        out->message = out->owned = mem_text(job->error->message);
}
