#include "faces/client_job.h"

#include "base/clock.h"
#include "base/mem.h"
#include "faces/cli.h"
#include "faces/cli_report.h"
#include "faces/cli_value.h"
#include "faces/term.h"

#include <stdlib.h>
#include <string.h>

#define WAIT_S 30 /* asked for at a time */

bool client_job_id(const char *text, char id[NEAP_ID_CHARS + 1])
{
    uint64_t number;
    if (neap_id_parse(text, &number) != NEAP_OK)
        return false;
    neap_id_text(number, id);
    return true;
}

bool client_job_id_given(const char *command, const char *text, char id[NEAP_ID_CHARS + 1])
{
    if (client_job_id(text, id))
        return true;
    cli_fail(CLI_USAGE, command, "\"%s\" is no job id", text);
    return false;
}

/* --- rows ---------------------------------------------------------------------------------------
 */

static const char *state_colour(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {{"running", "32"}, {"dead", "31"},      {"retryable", "33"},
                   {"pending", "2"},  {"scheduled", "36"}, {"cancelled", "2"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
        if (strcmp(state, colours[i].state) == 0)
            return colours[i].colour;
    return NULL;
}

static const struct table_column columns[] = {
    {"ID", false, NULL},   {"STATE", false, state_colour},
    {"TASK", false, NULL}, {"QUEUE", false, NULL},
    {"PRI", true, NULL},   {"TRY", true, NULL},
    {"AGE", true, NULL},   {"NOTE", false, NULL},
};
static const struct table_column wide_columns[] = {
    {"ID", false, NULL},        {"STATE", false, state_colour},
    {"TASK", false, NULL},      {"QUEUE", false, NULL},
    {"PRI", true, NULL},        {"TRY", true, NULL},
    {"SUBMITTED", false, NULL}, {"DUE", false, NULL},
    {"FINISHED", false, NULL},  {"RUN", true, NULL},
    {"PARENT", false, NULL},    {"NOTE", false, NULL},
};

void client_job_table(struct table *t, bool wide)
{
    table_init(t, wide ? wide_columns : columns,
               wide ? sizeof wide_columns / sizeof *wide_columns
                    : sizeof columns / sizeof *columns);
    if (wide)
        t->fit = 0;
}

bool client_job_ended(const json_t *job)
{
    const char *state = json_word(job, "state");
    return state && (strcmp(state, "completed") == 0 || strcmp(state, "dead") == 0 ||
                     strcmp(state, "cancelled") == 0);
}

static void put_due(struct buf *out, const json_t *job, int64_t now_ms)
{
    const int64_t due_ms = json_time(job, "due_at");
    if (!due_ms || due_ms <= now_ms || client_job_ended(job))
        return;
    buf_text(out, "due in ");
    term_span(out, due_ms - now_ms);
}

static void put_progress(struct buf *out, const json_t *job)
{
    const json_t *fraction = json_object_get(job, "progress");
    const char *text = json_word(job, "progress_text");
    if (json_is_number(fraction))
        buf_format(out, "%.0f%%", json_number_value(fraction) * 100);
    if (text)
        buf_format(out, "%s%s", out->len ? " " : "", text);
}

/* What is most worth knowing. */
static void put_note(struct buf *out, const json_t *job, int64_t now_ms)
{
    const char *state = json_word(job, "state"), *held = json_word(job, "held");
    const char *message = json_word(json_object_get(job, "error"), "message");
    if (held)
        buf_text(out, held);
    else if (state && strcmp(state, "running") == 0)
        put_progress(out, job);
    else
        put_due(out, job, now_ms);
    if (message && (!state || strcmp(state, "completed") != 0))
        buf_format(out, "%s%s", out->len ? "; " : "", message);
}

static void add_span(struct table *t, int64_t ms, bool known)
{
    struct buf text = {0};
    if (known)
        term_span(&text, ms);
    table_take(t, &text);
}

void client_job_row(struct table *t, const json_t *job, int64_t now_ms, bool wide)
{
    struct buf note = {0};
    const int64_t submitted_ms = json_time(job, "submitted_at");
    table_text(t, json_word(job, "id"));
    table_text(t, json_word(job, "state"));
    table_text(t, json_word(job, "task"));
    table_text(t, json_word(job, "queue"));
    table_number(t, json_whole(job, "priority"));
    table_number(t, json_whole(job, "attempt"));
    if (wide) {
        table_text(t, json_word(job, "submitted_at"));
        table_text(t, json_word(job, "due_at"));
        table_text(t, json_word(job, "finished_at"));
        add_span(t, json_whole(job, "run_ms"), json_object_get(job, "run_ms"));
        table_text(t, json_word(job, "parent"));
    } else {
        add_span(t, now_ms - submitted_ms, submitted_ms);
    }
    put_note(&note, job, now_ms);
    table_take(t, &note);
}

/* --- waiting ------------------------------------------------------------------------------------
 */

static char *wait_path(const char *id, int64_t left_ms)
{
    if (left_ms > WAIT_S * 1000)
        left_ms = WAIT_S * 1000;
    return mem_format("/jobs/%s?wait=%lldms", id, (long long)left_ms);
}

int client_job_wait(struct client *c, const char *id, int64_t until_ms, struct buf *document)
{
    for (;;) {
        const int64_t left_ms = until_ms < 0 ? WAIT_S * 1000 : until_ms - clock_mono_ms();
        char *path = wait_path(id, left_ms > 0 ? left_ms : 0);
        struct client_reply reply;
        int status = client_send(c, &(struct client_request){.path = path}, &reply);
        free(path);
        if (status == CLI_OK && reply.status / 100 != 2)
            status = client_problem(c, &reply, id);
        if (status) {
            buf_close(&reply.body);
            return status;
        }
        buf_close(document);
        *document = reply.body;
        json_t *job = json_read(json_text_of(document));
        const bool ended = !job || client_job_ended(job);
        json_decref(job);
        if (ended)
            return CLI_OK;
        if (until_ms >= 0 && clock_mono_ms() >= until_ms)
            return CLI_REFUSED;
    }
}

static void put_result(struct buf *out, const struct buf *document)
{
    struct json_text result;
    struct buf value = {0};
    if (!json_text_member(json_text_of(document), "result", &result))
        return;
    if (value_put_json(&value, result.text, result.len, NULL))
        value_result(out, value.data, value.len);
    else
        json_put_line(out, result);
    buf_close(&value);
}

static void say_failure(const json_t *job)
{
    const json_t *error = json_object_get(job, "error");
    struct buf lines = {0};
    const struct neap_outcome outcome = {
        .state = strcmp(json_word(job, "state"), "cancelled") == 0 ? NEAP_CANCELLED : NEAP_DEAD,
        .attempt = (unsigned)json_whole(job, "attempt"),
        .task = json_word(job, "task"),
        .message = json_word(error, "message"),
        .traceback = json_word(error, "traceback"),
    };
    report_failure(&lines, NULL, &outcome);
    fwrite(lines.data, 1, lines.len, stderr);
    buf_close(&lines);
}

int client_job_status(const struct buf *document)
{
    struct json_text state;
    return json_text_member(json_text_of(document), "state", &state) && state.len == 11 &&
                   memcmp(state.text, "\"completed\"", 11) == 0
               ? CLI_OK
               : CLI_FAILED;
}

int client_job_print(struct client *c, const struct buf *document, struct output *out)
{
    if (client_job_status(document) == CLI_OK) {
        put_result(output_buf(out), document);
        output_flush(out);
        return CLI_OK;
    }
    json_t *job = json_read(json_text_of(document));
    if (json_word(job, "state"))
        say_failure(job);
    else
        cli_fail(0, client_command(c), "the job failed");
    json_decref(job);
    return CLI_FAILED;
}

/* --- logs ---------------------------------------------------------------------------------------
 */

int client_job_log(struct client *c, const char *id, bool wait, int64_t *offset, struct buf *text,
                   bool *ended)
{
    char *path =
        mem_format("/jobs/%s/log?offset=%lld%s", id, (long long)*offset, wait ? "&wait=30s" : "");
    struct buf body = {0};
    const int status = client_get(c, path, &body);
    free(path);
    if (status)
        return status;
    json_t *log = json_read(json_text_of(&body));
    const json_t *part = json_object_get(log, "text");
    buf_put(text, json_string_value(part), json_string_length(part));
    *offset = json_whole(log, "next");
    *ended = !log || json_is_true(json_object_get(log, "ended"));
    json_decref(log);
    buf_close(&body);
    return CLI_OK;
}
