/* neap submit: a job for the daemon. */
#include "faces/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/cli_input.h"
#include "faces/cli_schema.h"
#include "faces/cli_value.h"
#include "faces/client_job.h"
#include "faces/client_submit.h"
#include "faces/term.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct submission { /* main thread */
    struct command *c;
    const char *task;
    struct buf body, answer; /* JSON */
    char id[NEAP_ID_CHARS + 1];
};

/* --- the request --------------------------------------------------------------------------------
 */

static int put_json(struct submission *s, const char *text, size_t len, const char *where)
{
    struct neap_error err = {0};
    struct buf value = {0};
    const bool ok = value_put_json(&value, text, len, &err);
    buf_close(&value);
    if (!ok)
        return cli_fail(CLI_DATA, s->c->name, "%s: %s", where, err.message);
    buf_text(&s->body, ",\"args\":");
    buf_put(&s->body, text, len);
    return CLI_OK;
}

static int put_stdin(struct submission *s)
{
    struct buf text = {0};
    int status = cli_stdin(s->c->name, &text);
    if (status == CLI_OK)
        status = put_json(s, text.data ? text.data : "", text.len, "standard input");
    buf_close(&text);
    return status;
}

/* The daemon knows what types the task wants. */
static int put_pairs(struct submission *s)
{
    struct buf path = {0}, body = {0}, value = {0};
    struct json_text text;
    buf_text(&path, "/tasks/");
    client_escape(&path, s->task, strlen(s->task));
    int status = client_get(s->c->client, buf_string(&path), &body);
    if (status == CLI_OK) {
        const bool has = json_text_member(json_text_of(&body), "args_schema", &text) ||
                         json_text_member(json_text_of(&body), "args", &text);
        char *json = has ? mem_format("%.*s", (int)text.len, text.text) : NULL;
        struct schema *schema = schema_new(json);
        status = cli_pairs(s->c->args, schema, &value);
        schema_free(schema);
        free(json);
    }
    if (status == CLI_OK) {
        buf_text(&s->body, ",\"args\":");
        value_json(&s->body, value.data, value.len);
    }
    buf_close(&path);
    buf_close(&body);
    buf_close(&value);
    return status;
}

static int put_args(struct submission *s)
{
    const struct cli_args *args = s->c->args;
    const char *operand = args->n_operands > 1 ? args->operands[1] : NULL;
    if (operand && cli_has(args, "arg"))
        return cli_fail(CLI_USAGE, s->c->name,
                        "give the arguments as JSON or with --arg, not both");
    if (operand && strcmp(operand, "-") == 0)
        return put_stdin(s);
    if (operand)
        return put_json(s, operand, strlen(operand), "the arguments");
    return cli_has(args, "arg") ? put_pairs(s) : CLI_OK;
}

static int put_body(struct submission *s)
{
    buf_text(&s->body, "{\"task\":");
    value_json_text(&s->body, s->task, strlen(s->task));
    int status = put_args(s);
    if (status == CLI_OK)
        status = submit_options(s->c->args, &s->body);
    buf_byte(&s->body, '}');
    return status;
}

static int send_body(struct submission *s)
{
    const char *key = cli_value(s->c->args, "idempotency-key");
    for (const char *at = key; at && *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return cli_fail(CLI_USAGE, s->c->name, "--idempotency-key: it has control characters");
    char *header = key ? mem_format("Idempotency-Key: %s", key) : NULL;
    const struct client_request request = {
        .method = "POST",
        .path = "/jobs",
        .body = buf_string(&s->body),
        .body_len = s->body.len,
        .header = header,
    };
    const int status = client_ask(s->c->client, &request, &s->answer);
    free(header);
    return status;
}

/* --- the answer ---------------------------------------------------------------------------------
 */

static int take_answer(struct submission *s)
{
    json_t *answer = json_read(json_text_of(&s->answer));
    const char *id = json_word(answer, "id");
    int status = CLI_OK;
    if (!id || !client_job_id(id, s->id))
        status = cli_fail(CLI_REFUSED, s->c->name, "%s: dropped: the queue is full", s->task);
    else if (json_is_true(json_object_get(answer, "duplicate")))
        cli_fail(0, s->c->name, "%s was there already", s->id);
    json_decref(answer);
    return status;
}

/* Log lines go to standard error as they come; the result alone is the output. */
static int follow(struct submission *s)
{
    int64_t offset = 0;
    bool ended = false;
    int status = CLI_OK;
    while (status == CLI_OK && !ended) {
        struct buf text = {0}, clean = {0};
        status = client_job_log(s->c->client, s->id, true, &offset, &text, &ended);
        term_text(&clean, text.data ? text.data : "", text.len, TERM_LINES);
        if (clean.len && write(STDERR_FILENO, clean.data, clean.len) < 0)
            ended = true; /* nobody listens */
        buf_close(&text);
        buf_close(&clean);
    }
    return status;
}

static int64_t wait_until(const struct submission *s, bool *ok)
{
    const char *text = cli_value(s->c->args, "wait");
    int64_t ms = 0;
    *ok = !text || !*text || text_duration(text, &ms);
    if (!*ok)
        cli_fail(0, s->c->name, "--wait: \"%s\" is not a duration (such as 1.5s or 2m)", text);
    return text && *text ? clock_mono_ms() + ms : -1;
}

static int await(struct submission *s, int64_t until_ms)
{
    struct buf document = {0};
    int status = CLI_OK;
    command_hear_signals(s->c);
    if (cli_has(s->c->args, "follow"))
        status = follow(s);
    if (status == CLI_OK)
        status = client_job_wait(s->c->client, s->id, until_ms, &document);
    if (status == CLI_REFUSED)
        cli_fail(0, s->c->name, "%s has not ended yet; neap wait %s", s->id, s->id);
    else if (status > CLI_SIGNAL)
        cli_fail(0, s->c->name, "the job goes on: neap wait %s", s->id);
    if (status == CLI_OK && s->c->format == FORMAT_TABLE)
        status = client_job_print(s->c->client, &document, &s->c->output);
    else if (status == CLI_OK)
        status = client_job_status(&document);
    if (document.len && s->c->format != FORMAT_TABLE)
        client_print(output_buf(&s->c->output), s->c->format, &document, NULL, "id");
    buf_close(&document);
    return status;
}

static int submit_one(struct submission *s)
{
    bool ok;
    const int64_t until_ms = wait_until(s, &ok);
    const bool waits = cli_has(s->c->args, "wait") || cli_has(s->c->args, "follow");
    int status = ok ? put_body(s) : CLI_USAGE;
    status = status ? status : send_body(s);
    status = status ? status : take_answer(s);
    if (status || waits)
        return status ? status : await(s, until_ms);
    struct buf *out = output_buf(&s->c->output);
    if (!client_print(out, s->c->format, &s->answer, NULL, "id"))
        buf_format(out, "%s\n", s->id);
    return CLI_OK;
}

static int submit_many(struct submission *s)
{
    static const char *const alone[] = {"arg", "wait", "follow", "idempotency-key"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (cli_has(s->c->args, alone[i]))
            return cli_fail(CLI_USAGE, s->c->name, "--%s is for a single job", alone[i]);
    const bool whole = strcmp(s->task, "-") == 0;
    int status = submit_options(s->c->args, &s->body);
    if (status == CLI_OK && whole && s->body.len)
        status = cli_fail(CLI_USAGE, s->c->name,
                          "lines that are whole requests say their options themselves");
    return status ? status : submit_lines(s->c, whole ? NULL : s->task, &s->body);
}

static int submit(struct command *c)
{
    struct submission s = {.c = c, .task = command_operand(c, 0, "which task?")};
    int status = CLI_USAGE;
    if (!s.task)
        return status;
    if (cli_has(c->args, "jsonl") && c->args->n_operands > 1)
        status =
            cli_fail(CLI_USAGE, c->name, "with --jsonl the arguments come from standard input");
    else if (cli_has(c->args, "jsonl") || strcmp(s.task, "-") == 0)
        status = submit_many(&s);
    else
        status = submit_one(&s);
    buf_close(&s.body);
    buf_close(&s.answer);
    return status;
}

int cli_submit(const struct cli_args *args)
{
    return command_run(args, submit);
}
