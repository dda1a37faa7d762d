#include "engine/engine_doc.h"

#include "engine/engine_info.h"
#include "engine/engine_state.h"
#include "model/doc.h"

static void put_error(const struct job_error *error, bool wide, struct buf *out)
{
    if (!error)
        return;
    doc_open(out, "error");
    doc_text(out, "code", error->code);
    doc_text(out, "message", error->message);
    if (wide)
        doc_text(out, "traceback", error->traceback);
    doc_integer(out, "attempt", error->attempt);
    doc_close(out);
}

static void put_progress(const struct claim *claim, struct buf *out)
{
    if (!claim || claim->progress < 0)
        return;
    doc_float(out, "progress", claim->progress);
    if (claim->progress_text && *claim->progress_text)
        doc_text(out, "progress_text", claim->progress_text);
}

static void put_times(const struct job *job, int state, struct buf *out)
{
    const bool later = state == NEAP_SCHEDULED || state == NEAP_RETRYABLE;
    doc_time(out, "submitted_at", job->submitted_ms);
    if (later || state == NEAP_PENDING)
        doc_time(out, "due_at", job->due.key);
    if (state_is_end(state))
        doc_time(out, "finished_at", job->finished_ms);
    doc_time(out, "expires_at", job->expires_ms);
}

void doc_job(struct engine *e, const struct job *job, int state, bool wide, struct buf *out)
{
    doc_open(out, NULL);
    doc_id(out, "id", job->id);
    doc_text(out, "task", job->task->text);
    doc_text(out, "queue", job->gate->name);
    doc_text(out, "state", neap_state_name(state));
    doc_integer(out, "priority", job->priority);
    doc_integer(out, "attempt", job->attempt - (job->claim && state != NEAP_RUNNING));
    put_times(job, state, out);
    doc_id(out, "parent", job->parent);
    if (!state_is_end(state))
        doc_text(out, "held", info_held(e, job));
    put_progress(job->claim, out);
    if (wide && job->args_len)
        doc_value(out, "args", job->args, job->args_len);
    if (wide)
        doc_value(out, "result", job->result, job->result_len);
    put_error(job->error, wide, out);
    doc_close(out);
}

struct filter_job doc_filter_job(const struct job *job)
{
    return (struct filter_job){
        .id = job->id,
        .parent = job->parent,
        .state = info_state(job),
        .priority = job->priority,
        .task = job->task->text,
        .queue = job->gate->name,
        .code = job->error ? job->error->code : NULL,
        .message = job->error ? job->error->message : NULL,
        .submitted_ms = job->submitted_ms,
    };
}
