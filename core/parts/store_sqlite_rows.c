/* A job as a row: what the file must sort or search by are columns, all else is one body of bytes:
 * numbers of seven bits a byte, the low ones first, and texts behind their length. A sum at its end
 * finds what the disk has damaged. Fields may be added at the end of a part that has a count. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/index_levels.h"
#include "parts/store_sqlite.h"

#define BODY_VERSION 1
#define SUM_BYTES 4
#define TIME_MAX ((INT64_C(1) << 48) - 1)

enum parts { /* of a body: which are there */
             HAS_RETRY = 1,
             HAS_UNIQUE = 2,
             HAS_AFTER = 4,
             HAS_ERROR = 8,
             HAS_RESULT = 16,
             HAS_LOG = 32,
             HAS_PAST = 64,
             HAS_ATTEMPT = 128, /* something of the last one */
};

static void put_number(struct buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_byte(out, (uint8_t)(n | 0x80));
    buf_byte(out, (uint8_t)n);
}

static void put_signed(struct buf *out, int64_t n)
{
    put_number(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

static void put_bytes(struct buf *out, const void *data, size_t len)
{
    put_number(out, len);
    buf_put(out, data, len);
}

static uint32_t sum_of(const void *data, size_t len)
{
    const uint64_t hash = hash_bytes(HASH_START, data, len);
    return (uint32_t)(hash ^ hash >> 32);
}

static void put_retry(struct buf *out, const struct retry *retry)
{
    put_signed(out, retry->max);
    put_signed(out, retry->backoff);
    put_signed(out, retry->base_ms);
    put_signed(out, retry->cap_ms);
    buf_put(out, &retry->jitter, sizeof retry->jitter);
}

static void put_after(struct buf *out, const struct job_after *after)
{
    put_number(out, after->count);
    put_number(out, after->waiting);
    put_number(out, after->on_failure);
    for (uint32_t i = 0; i < after->count; i++)
        put_number(out, after->ids[i]);
}

static void put_error(struct buf *out, const struct job_error *error)
{
    put_bytes(out, error->code, strlen(error->code));
    put_signed(out, error->attempt);
    put_bytes(out, error->message, strlen(error->message));
    buf_byte(out, error->traceback != NULL);
    if (error->traceback)
        put_bytes(out, error->traceback, strlen(error->traceback));
}

static int64_t finished_ms(const struct job *job)
{
    return store_ended(job) ? job->finished_ms : 0;
}

static void put_attempt(struct buf *out, const struct job *job)
{
    put_number(out, job->attempt);
    put_number(out, job->crashes);
    put_number(out, job->token);
    put_signed(out, job->started_ms);
    put_signed(out, finished_ms(job));
    put_number(out, job->run_ms);
    put_number(out, job->cpu_ms);
    put_number(out, job->generation);
    put_number(out, job->bytes);
    buf_byte(out, job->owes_on_dead);
}

static unsigned parts_of(const struct job *job)
{
    const bool attempt = job->attempt || job->crashes || job->token || job->started_ms ||
                         finished_ms(job) || job->owes_on_dead || job->bytes || job->generation;
    return (job_terms(job)->retry ? HAS_RETRY : 0u) | (job_terms(job)->unique ? HAS_UNIQUE : 0u) |
           (job_terms(job)->after ? HAS_AFTER : 0u) | (job_left(job)->error ? HAS_ERROR : 0u) |
           (job_left(job)->result ? HAS_RESULT : 0u) | (job_left(job)->log ? HAS_LOG : 0u) |
           (job_left(job)->past ? HAS_PAST : 0u) | (attempt ? HAS_ATTEMPT : 0u);
}

static bool knows_due(const struct job *job)
{
    return job->state == NEAP_SCHEDULED || job->state == NEAP_RETRYABLE ||
           job->state == NEAP_PENDING;
}

void row_encode(struct buf *out, const struct job *job, uint32_t session)
{
    const unsigned parts = parts_of(job);
    const size_t start = out->len;
    buf_byte(out, BODY_VERSION);
    put_number(out, job->args_len);
    buf_byte(out, (uint8_t)parts);
    buf_byte(out, job->flags);
    buf_byte(out, (uint8_t)job->priority);
    put_signed(out, job->submitted_ms);
    put_signed(out, (int64_t)((uint64_t)job->available_ms - (uint64_t)job->submitted_ms));
    put_signed(out, knows_due(job) ? job->due.key : 0);
    put_signed(out, job_terms(job)->timeout_ms);
    put_signed(out, job_terms(job)->expires_ms);
    put_number(out, job->parent);
    if (job->flags & JOB_DELIVER) {
        put_number(out, session);
        put_number(out, job_terms(job)->tag);
    }
    if (job->flags & JOB_TICK)
        put_number(out, job_terms(job)->tag);
    if (parts & HAS_ATTEMPT)
        put_attempt(out, job);
    if (parts & HAS_RETRY)
        put_retry(out, job_terms(job)->retry);
    if (parts & HAS_UNIQUE) {
        buf_put(out, job_terms(job)->unique->key, JOB_KEY_BYTES);
        buf_byte(out, job_terms(job)->unique->states);
        buf_byte(out, job_terms(job)->unique->exact);
        put_signed(out, job_terms(job)->unique->within_ms);
    }
    if (parts & HAS_AFTER)
        put_after(out, job_terms(job)->after);
    if (parts & HAS_ERROR)
        put_error(out, job_left(job)->error);
    if (parts & HAS_RESULT)
        put_bytes(out, job_left(job)->result, job_left(job)->result_len);
    if (parts & HAS_LOG) {
        put_number(out, job_left(job)->log_end);
        put_bytes(out, job_left(job)->log, job_left(job)->log_len);
    }
    if (parts & HAS_PAST)
        put_bytes(out, job_left(job)->past, job_left(job)->past_len);
    buf_put(out, job->args, job->args_len);
    const uint32_t sum = sum_of(out->data + start, out->len - start);
    buf_put(out, &sum, SUM_BYTES);
}

/* --- reading ------------------------------------------------------------------------------------
 */

struct reader {
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t get_number(struct reader *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        const unsigned char byte = *r->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return n;
    }
    r->bad = true;
    return 0;
}

static int64_t get_signed(struct reader *r)
{
    const uint64_t n = get_number(r);
    return (int64_t)(n >> 1 ^ -(n & 1));
}

static unsigned get_byte(struct reader *r)
{
    if (r->at && r->at < r->end)
        return *r->at++;
    r->bad = true;
    return 0;
}

static const void *get_raw(struct reader *r, size_t len)
{
    if (r->bad || (size_t)(r->end - r->at) < len) {
        r->bad = true;
        return NULL;
    }
    const void *data = r->at;
    r->at += len;
    return data;
}

static const void *get_bytes(struct reader *r, size_t *len)
{
    const uint64_t n = get_number(r);
    *len = n <= (size_t)(r->end - r->at) ? (size_t)n : SIZE_MAX;
    const void *data = get_raw(r, *len);
    *len = data ? *len : 0;
    return data;
}

static void *get_copy(struct reader *r, uint32_t *out_len)
{
    size_t len;
    const void *data = get_bytes(r, &len);
    *out_len = (uint32_t)len;
    return data ? mem_copy(data, len ? len : 1) : NULL;
}

static struct retry *get_retry(struct reader *r)
{
    struct retry *retry = mem_zero(1, sizeof *retry);
    retry->max = (int)get_signed(r);
    retry->backoff = (int)get_signed(r);
    retry->base_ms = get_signed(r);
    retry->cap_ms = get_signed(r);
    const void *jitter = get_raw(r, sizeof retry->jitter);
    if (jitter)
        memcpy(&retry->jitter, jitter, sizeof retry->jitter);
    return retry;
}

static struct job_unique *get_unique(struct reader *r)
{
    struct job_unique *unique = mem_zero(1, sizeof *unique);
    const void *key = get_raw(r, JOB_KEY_BYTES);
    if (key)
        memcpy(unique->key, key, JOB_KEY_BYTES);
    unique->states = (uint8_t)get_byte(r);
    unique->exact = get_byte(r) != 0;
    unique->within_ms = get_signed(r);
    return unique;
}

static struct job_after *get_after(struct reader *r)
{
    const uint64_t count = get_number(r);
    if (count > JOB_AFTER_MAX || count > (size_t)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    struct job_after *after = mem_zero(1, sizeof *after + (size_t)count * sizeof *after->ids);
    after->count = (uint32_t)count;
    after->waiting = (uint32_t)get_number(r);
    after->on_failure = (uint8_t)get_number(r);
    for (uint32_t i = 0; i < after->count; i++)
        after->ids[i] = get_number(r);
    return after;
}

static struct job_error *get_error(struct reader *r)
{
    size_t code_len, message_len, traceback_len = 0;
    const char *code = get_bytes(r, &code_len);
    const int attempt = (int)get_signed(r);
    const char *message = get_bytes(r, &message_len);
    const char *traceback = get_byte(r) ? get_bytes(r, &traceback_len) : NULL;
    if (r->bad)
        return NULL;
    char text[JOB_CODE_MAX + 1] = "";
    memcpy(text, code, code_len < JOB_CODE_MAX ? code_len : JOB_CODE_MAX);
    return job_error_new(text, attempt, message, message_len, traceback, traceback_len);
}

static void get_attempt(struct reader *r, struct job *job)
{
    job->attempt = (uint32_t)get_number(r);
    job->crashes = (uint8_t)get_number(r);
    job->token = (uint32_t)get_number(r);
    job->started_ms = get_signed(r);
    job->finished_ms = get_signed(r);
    job->run_ms = (uint32_t)get_number(r);
    job->cpu_ms = (uint32_t)get_number(r);
    job->generation = (uint32_t)get_number(r);
    job->bytes = get_number(r);
    job->owes_on_dead = get_byte(r) != 0;
}

static void get_fields(struct reader *r, struct job *job, uint32_t session)
{
    const unsigned parts = get_byte(r);
    job->flags = (uint8_t)get_byte(r);
    job->priority = (int8_t)get_byte(r);
    job->submitted_ms = get_signed(r);
    job->available_ms = (int64_t)((uint64_t)job->submitted_ms + (uint64_t)get_signed(r));
    job->due.key = get_signed(r);
    const int64_t timeout_ms = get_signed(r), expires_ms = get_signed(r);
    if (timeout_ms != -1 || expires_ms) {
        job_terms_own(job)->timeout_ms = timeout_ms;
        job_terms_own(job)->expires_ms = expires_ms;
    }
    job->parent = get_number(r);
    if (job->flags & JOB_DELIVER) {
        if (get_number(r) != session) /* whoever waited for it is gone */
            job->flags &= (uint8_t)~JOB_DELIVER;
        job_terms_own(job)->tag = get_number(r);
    }
    if (job->flags & JOB_TICK)
        job_terms_own(job)->tag = get_number(r);
    if (parts & HAS_ATTEMPT)
        get_attempt(r, job);
    if (parts & HAS_RETRY)
        job_terms_own(job)->retry = get_retry(r);
    if (parts & HAS_UNIQUE)
        job_terms_own(job)->unique = get_unique(r);
    if (parts & HAS_AFTER)
        job_terms_own(job)->after = get_after(r);
    if (parts & HAS_ERROR)
        job_left_own(job)->error = get_error(r);
    if (parts & HAS_RESULT)
        job_left_own(job)->result = get_copy(r, &job_left_own(job)->result_len);
    if (parts & HAS_LOG) {
        job_left_own(job)->log_end = get_number(r);
        job_left_own(job)->log = get_copy(r, &job_left_own(job)->log_len);
    }
    if (parts & HAS_PAST)
        job_left_own(job)->past = get_copy(r, &job_left_own(job)->past_len);
}

static struct job *decode(struct store *s, const unsigned char *data, size_t len)
{
    uint32_t sum;
    if (!data || len < SUM_BYTES + 2 || data[0] != BODY_VERSION)
        return NULL;
    memcpy(&sum, data + len - SUM_BYTES, SUM_BYTES);
    if (sum != sum_of(data, len - SUM_BYTES))
        return NULL;
    struct reader r = {.at = data + 1, .end = data + len - SUM_BYTES};
    const uint64_t args_len = get_number(&r);
    if (r.bad || args_len > (size_t)(r.end - r.at))
        return NULL;
    struct job *job = job_new(s->cache, NULL, (size_t)args_len);
    get_fields(&r, job, s->file.session);
    const void *args = r.bad ? NULL : get_raw(&r, (size_t)args_len);
    if (!args || r.at != r.end) {
        job_free(s->cache, job);
        return NULL;
    }
    memcpy(job->args, args, (size_t)args_len);
    return job;
}

/* The state of a row of the line by now: what is behind the edge of the delayed is one of them, all
 * else has become available. */
static void settle(const struct store *s, struct job *job, bool in_line)
{
    const bool delayed = job->state == NEAP_SCHEDULED || job->state == NEAP_RETRYABLE;
    if (!in_line || !delayed)
        return;
    const struct edge *edge = &s->delayed;
    if (!edge->all &&
        (job->due.key > edge->key || (job->due.key == edge->key && job->id > edge->id)))
        return;
    job->state = NEAP_AVAILABLE;
    job->available_ms = job->due.key;
    job->due.key = 0;
}

struct job *row_decode(struct store *s, sqlite3_stmt *row, bool ended)
{
    const void *data = sqlite3_column_blob(row, ROW_BODY);
    const int64_t state = sqlite3_column_int64(row, ROW_STATE);
    const size_t len = (size_t)sqlite3_column_bytes(row, ROW_BODY);
    struct job *job = decode(s, data, len);
    if (!job)
        return NULL;
    job->id = id_of_row(sqlite3_column_int64(row, ROW_ID));
    job->gate = (struct gate *)sqlite_names_thing(&s->queues, sqlite3_column_int64(row, ROW_QUEUE));
    job->task = sqlite_names_thing(&s->tasks, sqlite3_column_int64(row, ROW_TASK));
    if (!job->gate || !job->task || state < 0 || state >= NEAP_STATES) {
        job_free(s->cache, job);
        return NULL;
    }
    const bool held = sqlite3_column_type(row, ROW_HELD) != SQLITE_NULL;
    job->state = (uint8_t)state;
    job->row = (uint8_t)(state + 1);
    if (!ended)
        settle(s, job, !held && state != NEAP_PENDING);
    return job;
}

int64_t row_due(const struct job *job)
{
    return job->state == NEAP_SCHEDULED || job->state == NEAP_RETRYABLE ? job->due.key : 0;
}

int64_t row_sort(const struct job *job)
{
    const int64_t due = row_due(job), time = due ? due : job->available_ms;
    const int64_t within = time < 0 ? 0 : time < TIME_MAX ? time : TIME_MAX;
    return ((int64_t)level_of(job->priority) << 48) + within;
}
