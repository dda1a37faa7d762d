#include "model/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"

#define ERROR_TEXT_MAX                                                                             \
    ((size_t)64 * 1024) /* of the message, and of the traceback: the rest is cut */

/* Two lines and the beginning of a third, which has room for small arguments. */
_Static_assert(offsetof(struct job, parent) == 64 && offsetof(struct job, started_ms) == 136 &&
                   offsetof(struct job, args) < 176,
               "the lines of a job");
_Static_assert(offsetof(struct job, due.key) >= sizeof(struct list), "a time beside a place");

const struct job_terms job_no_terms = {.timeout_ms = -1};
const struct job_left job_left_nothing = {0};

struct job *job_new(struct pool_cache *cache, const void *args, size_t args_len)
{
    uint8_t block;
    assert(args_len <= UINT32_MAX);
    struct job *job = pool_take(cache, offsetof(struct job, args) + args_len, &block);
    mem_clear(job, offsetof(struct job, args));
    if (!args)
        memset(job->args, 0, args_len);
    job->block = block;
    atomic_init(&job->refs, 1);
    job->args_len = (uint32_t)args_len;
    if (args && args_len)
        memcpy(job->args, args, args_len);
    return job;
}

struct job_terms *job_terms_own(struct job *job)
{
    if (!job->terms)
        job->terms = mem_copy(&job_no_terms, sizeof job_no_terms);
    return job->terms;
}

struct job_left *job_left_own(struct job *job)
{
    if (!job->left)
        job->left = mem_zero(1, sizeof *job->left);
    return job->left;
}

static void free_terms(struct job_terms *terms)
{
    if (!terms)
        return;
    free(terms->retry);
    free(terms->unique);
    free(terms->after);
    free(terms);
}

static void free_left(struct job_left *left)
{
    if (!left)
        return;
    free(left->past);
    free(left->error);
    free(left->result);
    free(left->log);
    free(left);
}

void job_ref(struct job *job)
{
    atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
}

void job_left_drop(struct job *job)
{
    struct job_left *left = job->left;
    free(left->result);
    free(left->error);
    left->result = NULL;
    left->error = NULL;
    left->result_len = 0;
}

/* A sole owner need not tell anybody. */
void job_free(struct pool_cache *cache, struct job *job)
{
    if (!job || (atomic_load_explicit(&job->refs, memory_order_acquire) > 1 &&
                 atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) > 1))
        return;
    free_terms(job->terms);
    free_left(job->left);
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
    const struct job_left *left = job_left(job);
    const size_t error = left->error ? sizeof *left->error + left->error->text_bytes : 0;
    return (size_t)job->args_len + left->result_len + left->log_len + left->past_len + error;
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
    if (job->left)
        job_left_drop(job);
    job->attempt = 0;
    job->crashes = 0;
    job->owes_on_dead = false;
    job->finished_ms = job->started_ms = 0;
    job->due.key = 0;
}
