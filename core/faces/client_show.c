/* All that is known of one job, in lines. */
#include "faces/client_job.h"

#include "faces/term.h"

#include <string.h>
#include <unistd.h>

#define NAME_WIDTH 12

static void put_name(struct buf *out, const char *name)
{
    buf_format(out, "%-*s", NAME_WIDTH, name);
}

static void put_clean(struct buf *out, const char *text, size_t len)
{
    term_text(out, text, len, TERM_LINES);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    put_name(out, name);
    put_clean(out, text, strlen(text));
    buf_byte(out, '\n');
}

static void put_time(struct buf *out, const json_t *job, const char *name, const char *key,
                     int64_t now_ms)
{
    const int64_t ms = json_time(job, key);
    if (!ms)
        return;
    put_name(out, name);
    buf_text(out, json_word(job, key));
    buf_text(out, ms > now_ms ? " (in " : " (");
    term_span(out, ms > now_ms ? ms - now_ms : now_ms - ms);
    buf_text(out, ms > now_ms ? ")\n" : " ago)\n");
}

static void put_number(struct buf *out, const json_t *job, const char *name, const char *key,
                       const char *unit)
{
    const json_t *value = json_object_get(job, key);
    if (!json_is_number(value))
        return;
    put_name(out, name);
    buf_format(out, "%.10g%s\n", json_number_value(value), unit);
}

/* JSON as it came: on a line of its own. */
static void put_value(struct buf *out, struct json_text document, const char *name)
{
    struct json_text value;
    if (!json_text_member(document, name, &value))
        return;
    put_name(out, name);
    put_clean(out, value.text, value.len);
    buf_byte(out, '\n');
}

static void put_after(struct buf *out, const json_t *job)
{
    const json_t *after = json_object_get(job, "after");
    size_t i;
    json_t *id;
    if (!json_array_size(after))
        return;
    put_name(out, "after");
    json_array_foreach(after, i, id)
        buf_format(out, "%s%s", i ? " " : "", json_is_string(id) ? json_string_value(id) : "?");
    buf_byte(out, '\n');
}

static void put_indented(struct buf *out, const char *text)
{
    struct buf clean = {0};
    put_clean(&clean, text, strlen(text));
    for (const char *at = buf_string(&clean); *at;) {
        const size_t len = strcspn(at, "\n");
        buf_format(out, "    %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    buf_close(&clean);
}

static void put_error(struct buf *out, const json_t *error)
{
    const char *code = json_word(error, "code"), *traceback = json_word(error, "traceback");
    const char *message = json_word(error, "message");
    if (!json_is_object(error))
        return;
    put_name(out, "error");
    if (code)
        buf_format(out, "%s: ", code);
    put_clean(out, message ? message : "", message ? strlen(message) : 0);
    buf_byte(out, '\n');
    if (traceback)
        put_indented(out, traceback);
}

static void put_attempts(struct buf *out, const json_t *attempts, int64_t now_ms)
{
    size_t i;
    json_t *attempt;
    json_array_foreach(attempts, i, attempt)
    {
        struct buf line = {0};
        const char *message = json_word(attempt, "message");
        const int64_t started_ms = json_time(attempt, "started_at");
        buf_format(&line, "%lld", (long long)json_whole(attempt, "attempt"));
        if (started_ms) {
            buf_text(&line, ", ");
            term_span(&line, now_ms - started_ms);
            buf_text(&line, " ago");
        }
        if (json_object_get(attempt, "run_ms")) {
            buf_text(&line, ", took ");
            term_span(&line, json_whole(attempt, "run_ms"));
        }
        buf_format(&line, ": %s: %s", json_word(attempt, "code") ? json_word(attempt, "code") : "?",
                   message ? message : "");
        put_text(out, i ? "" : "attempts", buf_string(&line));
        buf_close(&line);
    }
}

static void put_progress(struct buf *out, const json_t *job)
{
    const json_t *fraction = json_object_get(job, "progress");
    struct buf line = {0};
    if (json_is_number(fraction))
        buf_format(&line, "%.0f%% ", json_number_value(fraction) * 100);
    if (json_word(job, "progress_text"))
        buf_text(&line, json_word(job, "progress_text"));
    if (line.len)
        put_text(out, "progress", buf_string(&line));
    buf_close(&line);
}

void client_job_show(struct buf *out, struct json_text document, int64_t now_ms)
{
    json_t *job = json_read(document);
    if (!job) { /* nothing that C text could hold: then as it came */
        json_put_line(out, document);
        return;
    }
    put_text(out, "id", json_word(job, "id"));
    put_text(out, "task", json_word(job, "task"));
    put_text(out, "state", json_word(job, "state"));
    put_text(out, "held", json_word(job, "held"));
    put_text(out, "queue", json_word(job, "queue"));
    put_number(out, job, "priority", "priority", "");
    put_number(out, job, "attempt", "attempt", "");
    if (json_whole(job, "crashes"))
        put_number(out, job, "crashes", "crashes", "");
    put_progress(out, job);
    put_time(out, job, "submitted", "submitted_at", now_ms);
    put_time(out, job, "due", "due_at", now_ms);
    put_time(out, job, "started", "started_at", now_ms);
    put_time(out, job, "finished", "finished_at", now_ms);
    put_time(out, job, "expires", "expires_at", now_ms);
    put_text(out, "parent", json_word(job, "parent"));
    put_after(out, job);
    put_number(out, job, "generation", "generation", "");
    put_number(out, job, "run", "run_ms", " ms");
    put_number(out, job, "cpu", "cpu_ms", " ms");
    put_number(out, job, "allocated", "bytes", " bytes");
    put_value(out, document, "args");
    put_value(out, document, "result");
    put_error(out, json_object_get(job, "error"));
    put_attempts(out, json_object_get(job, "attempts"), now_ms);
    json_decref(job);
}
