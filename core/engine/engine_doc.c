#include "engine/engine_doc.h"

#include "engine/engine_info.h"
#include "engine/engine_state.h"
#include "model/doc.h"
#include "model/job_past.h"

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
    const struct claim_more *more = claim ? claim->more : NULL;
    if (!more || !more->progressed)
        return;
    doc_float(out, "progress", more->progress);
    if (more->progress_text && *more->progress_text)
        doc_text(out, "progress_text", more->progress_text);
}

static void put_times(const struct job *job, int state, struct buf *out)
{
    const bool later = state == NEAP_SCHEDULED || state == NEAP_RETRYABLE;
    doc_time(out, "submitted_at", job->submitted_ms);
    if (later || state == NEAP_PENDING)
        doc_time(out, "due_at", job->due.key);
    doc_time(out, "started_at", state == NEAP_RUNNING ? job->running_since_ms : job->started_ms);
    if (state_is_end(state))
        doc_time(out, "finished_at", job->finished_ms);
    doc_time(out, "expires_at", job_terms(job)->expires_ms);
}

/* Of the last attempt that ended. */
static void put_cost(const struct job *job, int state, struct buf *out)
{
    if (!job->started_ms || state == NEAP_RUNNING)
        return;
    doc_integer(out, "run_ms", job->run_ms);
    doc_integer(out, "cpu_ms", job->cpu_ms);
    doc_integer(out, "bytes", (int64_t)job->bytes);
    doc_integer(out, "generation", job->generation);
}

static void put_after(const struct job_after *after, struct buf *out)
{
    if (!after)
        return;
    doc_array(out, "after");
    for (uint32_t i = 0; i < after->count; i++)
        doc_id(out, NULL, after->ids[i]);
    doc_array_close(out);
}

static void put_past(const struct job *job, struct buf *out)
{
    struct job_attempt past;
    size_t where = 0;
    if (!job_left(job)->past_len)
        return;
    doc_array(out, "attempts");
    while (job_past_next(job, &where, &past)) {
        doc_open(out, NULL);
        doc_integer(out, "attempt", past.attempt);
        doc_time(out, "started_at", past.at_ms);
        doc_integer(out, "run_ms", past.run_ms);
        doc_text_n(out, "code", past.code, past.code_len);
        doc_text_n(out, "message", past.message, past.message_len);
        doc_close(out);
    }
    doc_array_close(out);
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
    if (job->crashes)
        doc_integer(out, "crashes", job->crashes);
    put_times(job, state, out);
    doc_id(out, "parent", job->parent);
    if (!state_is_end(state))
        doc_text(out, "held",
                 e                        ? info_held(e, job)
                 : job->where == JOB_HELD ? "no such task"
                                          : NULL);
    put_progress(job->claim, out);
    put_cost(job, state, out);
    put_error(job_left(job)->error, wide, out);
    if (wide) {
        put_after(job_terms(job)->after, out);
        doc_value(out, "args", job->args, job->args_len);
        doc_value(out, "result", job_left(job)->result, job_left(job)->result_len);
        put_past(job, out);
    }
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
        .code = job_left(job)->error ? job_left(job)->error->code : NULL,
        .message = job_left(job)->error ? job_left(job)->error->message : NULL,
        .submitted_ms = job->submitted_ms,
    };
}
