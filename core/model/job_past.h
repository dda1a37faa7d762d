/* The attempts of a job that failed: `past` of a job holds MessagePack maps, one behind the other,
 * the oldest first: {attempt, at (Unix ms), run_ms, code, message}. The last JOB_PAST_MAX are kept,
 * of the message the first JOB_PAST_TEXT bytes. Owner: who owns the job. */
#ifndef MODEL_JOB_PAST_H
#define MODEL_JOB_PAST_H

#include "model/job.h"

#define JOB_PAST_MAX 20
#define JOB_PAST_TEXT 200

struct job_attempt {
    int64_t attempt, at_ms, run_ms;
    const char *code, *message; /* inside `past` of a job, no NUL after them */
    size_t code_len, message_len;
};

void job_past_add(struct job *job, const struct job_error *error, int64_t at_ms, int64_t run_ms);
/* Reads the one at *where (0 at first) and moves on; false: there is none, or the bytes are bad. */
bool job_past_next(const struct job *job, size_t *where, struct job_attempt *out);

#endif
