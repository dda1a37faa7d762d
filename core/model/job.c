#include "model/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

#define ERROR_TEXT_MAX                                                                             \
    ((size_t)64 * 1024) /* of the message, and of the traceback: the rest is cut */

struct job *job_new(struct pool_cache *cache, const void *args, size_t args_len)
{
    uint8_t block;
    assert(args_len <= UINT32_MAX);
    struct job *job = pool_take(cache, sizeof *job + args_len, &block);
    memset(job, 0, sizeof *job + (args ? 0 : args_len));
    job->block = block;
    atomic_init(&job->refs, 1);
    job->args_len = (uint32_t)args_len;
    job->timeout_ms = -1;
    if (args && args_len)
        memcpy(job->args, args, args_len);
    return job;
}

void job_ref(struct job *job)
{
    atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
}

/* A sole owner need not tell anybody. */
void job_free(struct pool_cache *cache, struct job *job)
{
    if (!job || (atomic_load_explicit(&job->refs, memory_order_acquire) > 1 &&
                 atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) > 1))
        return;
    free(job->retry);
    free(job->unique);
    free(job->after);
    free(job->past);
    free(job->error);
    free(job->result);
    free(job->log);
    pool_give(cache, job, job->block);
}

static char *put_text(char *at, const char *text, size_t len)
{
    if (len)
        memcpy(at, text, len);
    at[len] = '\0';
    return at + len + 1;
}

struct job_error *job_error_new(const char *code, int attempt, const char *message,
                                size_t message_len, const char *traceback, size_t traceback_len)
{
    message_len = message_len < ERROR_TEXT_MAX ? message_len : ERROR_TEXT_MAX;
    traceback_len = traceback_len < ERROR_TEXT_MAX ? traceback_len : ERROR_TEXT_MAX;
    const size_t bytes = message_len + 1 + (traceback ? traceback_len + 1 : 0);
    assert(bytes <= UINT32_MAX);
    struct job_error *error = mem_alloc(sizeof *error + bytes);
    *error = (struct job_error){.attempt = attempt, .text_bytes = (uint32_t)bytes};
    snprintf(error->code, sizeof error->code, "%s", code);
    error->message = error->text;
    char *const end = put_text(error->text, message, message_len);
    if (traceback) {
        put_text(end, traceback, traceback_len);
        error->traceback = end;
    }
    return error;
}

struct job_error *job_error_copy(const struct job_error *error)
{
    const char *traceback = error->traceback;
    return job_error_new(error->code, error->attempt, error->message, strlen(error->message),
                         traceback, traceback ? strlen(traceback) : 0);
}

size_t job_extra_bytes(const struct job *job)
{
    const size_t error = job->error ? sizeof *job->error + job->error->text_bytes : 0;
    return (size_t)job->args_len + job->result_len + job->log_len + job->past_len + error;
}

struct job_after *job_after_new(const uint64_t *ids, size_t count, int on_failure)
{
    assert(count <= JOB_AFTER_MAX);
    struct job_after *after = mem_alloc(sizeof *after + count * sizeof *ids);
    *after = (struct job_after){.count = (uint32_t)count, .on_failure = (uint8_t)on_failure};
    memcpy(after->ids, ids, count * sizeof *ids);
    return after;
}

void job_reset(struct job *job)
{
    free(job->result);
    free(job->error);
    job->result = NULL;
    job->error = NULL;
    job->result_len = 0;
    job->attempt = 0;
    job->crashes = 0;
    job->owes_on_dead = false;
    job->finished_ms = job->started_ms = 0;
    job->due.key = 0;
}
