#include "faces/cli_log.h"

#include "base/clock.h"
#include "base/text.h"
#include "faces/cli_value.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERASE_LINE "\r\033[K"

static const char *level_name(int level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return level >= NEAP_DEBUG && level <= NEAP_ERROR ? names[level] : "info";
}

static void write_all(const char *data, size_t len)
{
    while (len) {
        const ssize_t n = write(STDERR_FILENO, data, len);
        if (n <= 0)
            return; /* there is nobody left to tell */
        data += n;
        len -= (size_t)n;
    }
}

void cli_log_write(const struct cli_log *log, const struct buf *lines)
{
    struct buf out = {0};
    if (!log->bar) {
        write_all(lines->data, lines->len);
        return;
    }
    buf_text(&out, ERASE_LINE);
    buf_put(&out, lines->data, lines->len);
    write_all(out.data, out.len);
    buf_close(&out);
}

static bool wants_quotes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || strchr("\"=\\\x7f", text[i]))
            return true;
    return len == 0;
}

static void put_pair(struct buf *out, const char *key, const char *text, size_t len)
{
    buf_format(out, " %s=", key);
    if (wants_quotes(text, len))
        value_json_text(out, text, len);
    else
        text_put_utf8(out, text, len);
}

static void put_field(struct buf *out, const char *key, const json_t *value)
{
    if (json_is_string(value)) {
        put_pair(out, key, json_string_value(value), json_string_length(value));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text)
        put_pair(out, key, text, strlen(text));
    free(text);
}

static void put_fields(struct buf *out, const char *fields)
{
    json_t *object = fields ? json_loads(fields, JSON_ALLOW_NUL, NULL) : NULL;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) put_field(out, key, value);
    json_decref(object);
}

static void put_time(struct buf *out, int64_t time_ms)
{
    text_put_time(out, time_ms ? time_ms : clock_unix_ms());
}

static void render_rest(struct buf *out, const struct neap_log_record *r)
{
    char id[NEAP_ID_CHARS + 1];
    put_pair(out, r->printed ? "print" : "msg", r->text, r->text_len);
    if (r->task)
        buf_format(out, " task=%s@%u", r->task, r->generation);
    if (r->job) {
        neap_id_text(r->job, id);
        buf_format(out, " job=%s attempt=%u", id, r->attempt);
    }
    put_fields(out, r->fields);
    buf_byte(out, '\n');
}

static void render_line(struct buf *out, const struct neap_log_record *r)
{
    buf_text(out, "time=");
    put_time(out, r->time_ms);
    buf_format(out, " level=%s", level_name(r->level));
    render_rest(out, r);
}

/* See sd-daemon(3): <7> debug, <6> info, <4> warning, <3> error. */
static void render_journal(struct buf *out, const struct neap_log_record *r)
{
    static const char priorities[] = "7643";
    const bool known = r->level >= NEAP_DEBUG && r->level <= NEAP_ERROR;
    buf_format(out, "<%c>", known ? priorities[r->level] : '6');
    const size_t start = out->len;
    render_rest(out, r);
    memmove(out->data + start, out->data + start + 1, --out->len - start); /* a space goes first */
}

static void render_object(struct buf *out, const struct neap_log_record *r)
{
    char id[NEAP_ID_CHARS + 1];
    buf_text(out, "{\"time\":\"");
    put_time(out, r->time_ms);
    buf_format(out, "\",\"level\":\"%s\",\"%s\":", level_name(r->level),
               r->printed ? "print" : "msg");
    value_json_text(out, r->text, r->text_len);
    if (r->task)
        buf_format(out, ",\"task\":\"%s\",\"generation\":%u", r->task, r->generation);
    if (r->job) {
        neap_id_text(r->job, id);
        buf_format(out, ",\"job\":\"%s\",\"attempt\":%u", id, r->attempt);
    }
    if (r->fields)
        buf_format(out, ",\"fields\":%s", r->fields);
    buf_text(out, "}\n");
}

/* What a task prints goes out as it is; the rest says who speaks. */
static void render_plain(struct buf *out, const struct neap_log_record *r)
{
    if (!r->printed)
        buf_format(out, "[%s] %s: ", level_name(r->level), r->task ? r->task : "neap");
    buf_put(out, r->text, r->text_len);
    if (!r->printed)
        put_fields(out, r->fields);
    if (out->len == 0 || out->data[out->len - 1] != '\n')
        buf_byte(out, '\n');
}

/* `run` and `map` report the ends of the jobs they submit themselves; of the jobs that those submit
 * only a log line tells. */
static bool worth_saying(const struct cli_log *log, const struct neap_log_record *r)
{
    if (log->style != LOG_PLAIN || log->all || r->printed || r->scripted)
        return true;
    return r->level >= NEAP_WARN && (r->job == 0 || r->parent != 0);
}

void cli_log_record(void *user, const struct neap_log_record *record)
{
    const struct cli_log *log = user;
    const enum cli_log_style style = log->style;
    struct buf line = {0};
    if (!worth_saying(log, record))
        return;
    if (style == LOG_LINES)
        render_line(&line, record);
    else if (style == LOG_OBJECTS)
        render_object(&line, record);
    else if (style == LOG_JOURNAL)
        render_journal(&line, record);
    else
        render_plain(&line, record);
    cli_log_write(log, &line);
    buf_close(&line);
}

void cli_log_line(struct cli_log *log, int level, const char *text, const char *fields)
{
    const struct neap_log_record record = {
        .level = level, .text = text, .text_len = strlen(text), .fields = fields};
    if (level >= log->level)
        cli_log_record(log, &record);
}
