/* neap show, logs, wait and explain: one job, or a few. */
#include "faces/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/client_job.h"
#include "faces/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- show ---------------------------------------------------------------------------------------
 */

static int show_one(struct command *c, const char *operand)
{
    char id[NEAP_ID_CHARS + 1];
    struct buf body = {0};
    if (!client_job_id_given(c->name, operand, id))
        return CLI_USAGE;
    char *path = mem_format("/jobs/%s", id);
    const int status = client_get(c->client, path, &body);
    struct buf *out = output_buf(&c->output);
    free(path);
    if (status)
        return status;
    if (!client_print(out, c->format, &body, NULL, "id"))
        client_job_show(out, json_text_of(&body), clock_unix_ms());
    buf_close(&body);
    return CLI_OK;
}

static int show(struct command *c)
{
    int status = CLI_OK;
    if (!command_operand(c, 0, "which job?"))
        return CLI_USAGE;
    for (size_t i = 0; i < c->args->n_operands; i++) {
        if (i && c->format <= FORMAT_WIDE)
            buf_byte(output_buf(&c->output), '\n');
        const int rc = show_one(c, c->args->operands[i]);
        status = status ? status : rc;
        if (rc != CLI_OK && rc != CLI_NOINPUT)
            return rc;
    }
    return status;
}

int cli_show(const struct cli_args *args)
{
    return command_run(args, show);
}

/* --- logs ---------------------------------------------------------------------------------------
 */

static int logs(struct command *c)
{
    char id[NEAP_ID_CHARS + 1];
    const bool follow = cli_has(c->args, "follow"), safe = isatty(STDOUT_FILENO);
    const char *operand = command_operand(c, 0, "of which job?");
    int64_t offset = 0;
    bool ended = false, first = true;
    if (!operand || !client_job_id_given(c->name, operand, id))
        return CLI_USAGE;
    command_hear_signals(c);
    client_watch_reader(c->client, STDOUT_FILENO);
    do {
        struct buf text = {0};
        const int64_t before = offset;
        int status = client_job_log(c->client, id, follow && !first, &offset, &text, &ended);
        first = false;
        if (safe)
            term_text(output_buf(&c->output), text.data, text.len, TERM_LINES);
        else
            buf_put(output_buf(&c->output), text.data, text.len);
        buf_close(&text);
        status = status ? status : command_flush(c);
        if (status)
            return status;
        ended = ended || (!follow && offset == before);
    } while (!ended);
    return CLI_OK;
}

int cli_logs(const struct cli_args *args)
{
    return command_run(args, logs);
}

/* --- wait ---------------------------------------------------------------------------------------
 */

static int wait_one(struct command *c, const char *operand, int64_t until_ms)
{
    char id[NEAP_ID_CHARS + 1];
    struct buf document = {0};
    if (!client_job_id_given(c->name, operand, id))
        return CLI_USAGE;
    int status = client_job_wait(c->client, id, until_ms, &document);
    if (status == CLI_REFUSED && document.len)
        cli_fail(0, c->name, "%s has not ended", id);
    if (status == CLI_OK) {
        json_t *job = json_read(json_text_of(&document));
        const char *state = json_word(job, "state");
        if (state && strcmp(state, "completed") != 0)
            status = cli_fail(CLI_FAILED, c->name, "%s is %s", id, state);
        json_decref(job);
    }
    buf_close(&document);
    return status;
}

static int wait_for(struct command *c)
{
    const char *timeout = cli_value(c->args, "timeout");
    int64_t timeout_ms = 0;
    int status = CLI_OK;
    if (!cli_timeout(c->args, "timeout", &timeout_ms) || !command_operand(c, 0, "for which job?"))
        return CLI_USAGE;
    command_hear_signals(c);
    /* 0 is no time here, not no limit: it only asks. */
    const bool limited = timeout && strcmp(timeout, "none") != 0;
    const int64_t until_ms = limited ? clock_mono_ms() + (timeout_ms > 0 ? timeout_ms : 0) : -1;
    for (size_t i = 0; i < c->args->n_operands; i++) {
        const int rc = wait_one(c, c->args->operands[i], until_ms);
        if (rc != CLI_OK && rc != CLI_FAILED)
            return rc;
        status = status ? status : rc;
    }
    return status;
}

int cli_wait(const struct cli_args *args)
{
    return command_run(args, wait_for);
}

/* --- explain ------------------------------------------------------------------------------------
 */

static void put_detail(struct buf *out, const char *name, const json_t *value)
{
    char *text = json_is_string(value)
                     ? mem_text(json_string_value(value))
                     : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    buf_format(out, "    %s: ", name);
    term_text(out, text ? text : "", text ? strlen(text) : 0, TERM_LINE);
    buf_byte(out, '\n');
    free(text);
}

static void put_reason(struct buf *out, const json_t *reason)
{
    const char *text = json_word(reason, "text"), *name;
    json_t *value;
    buf_text(out, "  ");
    term_text(out, text ? text : "?", text ? strlen(text) : 1, TERM_LINE);
    buf_byte(out, '\n');
    json_object_foreach((json_t *)(uintptr_t)reason, name,
                        value) if (strcmp(name, "text") != 0 && strcmp(name, "reason") != 0)
        put_detail(out, name, value);
}

static void put_explanation(struct command *c, const json_t *document)
{
    struct buf *out = output_buf(&c->output);
    const char *names[] = {"id", "task", "state"};
    const json_t *reasons = json_object_get(document, "reasons");
    size_t i;
    json_t *reason;
    for (i = 0; i < sizeof names / sizeof *names; i++)
        buf_format(out, "%s%s", i ? " " : "",
                   json_word(document, names[i]) ? json_word(document, names[i]) : "?");
    buf_byte(out, '\n');
    json_array_foreach(reasons, i, reason) put_reason(out, reason);
}

static int explain(struct command *c)
{
    char id[NEAP_ID_CHARS + 1];
    const char *operand = command_operand(c, 0, "which job?");
    if (!operand || !client_job_id_given(c->name, operand, id))
        return CLI_USAGE;
    char *path = mem_format("/jobs/%s/explain", id);
    const int status = command_print(c, path, NULL, "id", put_explanation);
    free(path);
    return status;
}

int cli_explain(const struct cli_args *args)
{
    return command_run(args, explain);
}
