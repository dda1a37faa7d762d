#include "faces/client_filter.h"

#include "base/mem.h"
#include "faces/cli.h"
#include "faces/client.h"
#include "faces/client_job.h"
#include "faces/term.h"

#include <stdlib.h>
#include <string.h>

/* Where the value begins: name=value; name>5 and name<0 keep their sign. NULL: no term. */
static const char *value_of(const char *operand)
{
    const size_t len = strcspn(operand, "=<>");
    if (len == 0 || operand[len] == 0)
        return NULL;
    return operand + len + (operand[len] == '=');
}

bool filter_is_term(const char *operand)
{
    return value_of(operand) != NULL;
}

static int put_operand(const char *command, const char *operand, struct buf *query, struct buf *ids)
{
    char id[NEAP_ID_CHARS + 1];
    const char *value = value_of(operand);
    if (value) {
        char *name = mem_format("%.*s", (int)strcspn(operand, "=<>"), operand);
        /* In a bulk edit a bare number is the priority to set. */
        const bool bare = strcmp(name, "priority") == 0 && !strchr("<>=", *value);
        char *sent = mem_format("%s%s", bare ? "=" : "", value);
        client_param(query, name, sent);
        free(sent);
        free(name);
        return CLI_OK;
    }
    if (!client_job_id(operand, id))
        return cli_fail(CLI_USAGE, command,
                        "\"%s\" is neither a job id nor a term such as state=dead or queue=mail",
                        operand);
    buf_format(ids, "%s%s", ids->len ? "," : "", id);
    return CLI_OK;
}

int filter_query(const struct cli_args *args, size_t first, struct buf *query)
{
    struct buf ids = {0};
    int status = CLI_OK;
    for (size_t i = first; i < args->n_operands && status == CLI_OK; i++)
        status = put_operand(args->command->name, args->operands[i], query, &ids);
    if (status == CLI_OK && ids.len)
        client_param(query, "id", buf_string(&ids));
    buf_close(&ids);
    return status;
}

void client_event_put(struct buf *out, enum client_format format, struct json_text text)
{
    if (format == FORMAT_JSON || format == FORMAT_JSONL) {
        json_put_line(out, text);
        return;
    }
    json_t *event = json_read(text);
    const char *names[] = {"at", "event", "id", "state", "task", "queue", "attempt"};
    struct buf line = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const json_t *value = json_object_get(event, names[i]);
        if (format == FORMAT_NAME && strcmp(names[i], "id") != 0)
            continue;
        if (strcmp(names[i], "event") == 0 && json_is_string(value) &&
            strcmp(json_string_value(value), "job") == 0)
            continue;
        if (json_is_string(value))
            buf_format(&line, "%s%s", line.len ? " " : "", json_string_value(value));
        else if (json_is_integer(value))
            buf_format(&line, "%s%s=%lld", line.len ? " " : "", names[i],
                       (long long)json_integer_value(value));
    }
    term_text(out, buf_string(&line), line.len, TERM_LINE);
    buf_byte(out, '\n');
    buf_close(&line);
    json_decref(event);
}
