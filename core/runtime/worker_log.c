/* What jobs print and log: out to the executor's log at once, and the last of it kept with the job.
 */
#include "runtime/worker_run.h"

#include "base/clock.h"

#include <string.h>

#define JOB_LOG_MAX (64 * 1024)
#define LINE_MAX_BYTES (16 * 1024) /* a printed line longer than this goes out in pieces */

/* Keeps at least the last JOB_LOG_MAX bytes, at most twice that. */
static void keep(struct run *run, const char *text, size_t len)
{
    struct run_more *more = run_more(run);
    more->printed += len + 1;
    if (len >= JOB_LOG_MAX) { /* all before it has fallen out, too */
        text += len - (JOB_LOG_MAX - 1);
        len = JOB_LOG_MAX - 1;
        more->log.len = 0;
    }
    const size_t room = JOB_LOG_MAX - len - 1;
    if (more->log.len + len + 1 > 2 * JOB_LOG_MAX) {
        memmove(more->log.data, more->log.data + more->log.len - room, room);
        more->log.len = room;
    }
    buf_put(&more->log, text, len);
    buf_byte(&more->log, '\n');
}

void worker_log(struct worker *worker, struct run *run, int level, const char *text, size_t len,
                const char *fields, bool printed)
{
    const struct worker_env *env = worker_env(worker);
    if (worker_is_lost(worker))
        return;
    if (run && run->job)
        keep(run, text, len);
    if (!env->log || level < atomic_load_explicit(&env->log_level, memory_order_relaxed))
        return;
    struct neap_log_record record = {
        .level = level,
        .time_ms = clock_unix_ms(),
        .text = text,
        .text_len = len,
        .fields = fields,
        .printed = printed,
        .scripted = 1,
    };
    if (run && run->job) {
        record.job = run->job->id;
        record.parent = run->job->parent;
        record.task = run->job->task->text;
        record.attempt = run_attempt(run);
        record.generation = run->entry ? run->entry->loaded->plugin->generation : 0;
    }
    env->log(env->log_user, &record);
}

static void put_line(struct run *run)
{
    struct buf *line = &run->more->line;
    worker_log(run_worker(run), run, NEAP_INFO, buf_string(line), line->len, NULL, true);
    line->len = 0;
}

/* The next piece of a line: up to `end`, but no more than fits, and whole characters of UTF-8. */
static size_t piece(const struct run *run, const char *text, const char *end)
{
    size_t len = (size_t)(end - text);
    const size_t room = LINE_MAX_BYTES - run->more->line.len;
    if (len <= room)
        return len;
    len = room;
    for (int back = 0; back < 3 && len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80; back++)
        len--;
    return len;
}

void run_print(struct run *run, const char *text, size_t len)
{
    struct run_more *more = run_more(run);
    if (!text) {
        if (more->line.len)
            put_line(run);
        return;
    }
    for (const char *end = text + len; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        const size_t part = piece(run, text, stop);
        buf_put(&more->line, text, part);
        text += part;
        if (text < stop) { /* too long */
            put_line(run);
        } else if (newline) {
            put_line(run);
            text++;
        }
    }
}

void worker_print(struct worker *worker, const char *text, size_t len)
{
    for (const char *end = text + len; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        worker_log(worker, NULL, NEAP_INFO, text, (size_t)(stop - text), NULL, true);
        text = stop + 1;
    }
}
