/* Answers that are no success, told to people; escaping for URLs. */
#include "faces/client.h"

#include "faces/cli.h"
#include "faces/term.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && *text ? text : NULL;
}

static int status_of(long http, const json_t *problem)
{
    const char *code = text_of(problem, "code");
    if (code && strcmp(code, "bad_config") == 0)
        return CLI_CONFIG;
    switch (http) {
    case 401:
    case 403:
    case 421:
        return CLI_UNREACHED;
    case 404:
        return CLI_NOINPUT;
    case 409:
    case 429:
    case 503:
    case 507:
        return CLI_REFUSED;
    default:
        break;
    }
    if (json_object_get(json_array_get(json_object_get(problem, "errors"), 0), "parameter"))
        return CLI_USAGE; /* of the query: a filter from the command line */
    return http / 100 == 4 ? CLI_DATA : CLI_INTERNAL;
}

/* Each line of the text is a message of its own. */
static void say(const char *command, const char *what, const char *where, const char *text)
{
    const bool named = where && *where && strncmp(text, where, strlen(where)) != 0;
    for (size_t len; *text; text += len + (text[len] == '\n')) {
        struct buf line = {0}, clean = {0};
        len = strcspn(text, "\n");
        if (what)
            buf_format(&line, "%s: ", what);
        if (named)
            buf_format(&line, "%s: ", where);
        buf_put(&line, text, len);
        term_text(&clean, buf_string(&line), line.len, TERM_LINE);
        cli_fail(0, command, "%s", buf_string(&clean));
        buf_close(&line);
        buf_close(&clean);
    }
}

/* The name in a JSON pointer of one step, without its slash. */
static const char *field_of(const json_t *error)
{
    const char *pointer = text_of(error, "pointer");
    if (!pointer)
        return text_of(error, "parameter");
    return *pointer == '#' ? pointer + 1 + (pointer[1] == '/') : pointer + (*pointer == '/');
}

static bool say_each(const char *command, const char *what, const json_t *errors)
{
    size_t i;
    json_t *error;
    json_array_foreach(errors, i, error)
    {
        const char *text =
            json_is_string(error) ? json_string_value(error) : text_of(error, "detail");
        say(command, what, json_is_object(error) ? field_of(error) : NULL,
            text ? text : "is wrong");
    }
    return json_array_size(errors) > 0;
}

int client_problem(const struct client *c, const struct client_reply *reply, const char *what)
{
    const char *command = client_command(c);
    json_t *problem =
        json_loadb(reply->body.data ? reply->body.data : "", reply->body.len, JSON_ALLOW_NUL, NULL);
    const char *detail = text_of(problem, "detail"), *title = text_of(problem, "title");
    const int status = status_of(reply->status, problem);
    if (say_each(command, what, json_object_get(problem, "errors")))
        ;
    else if (detail || title)
        say(command, what, NULL, detail ? detail : title);
    else
        cli_fail(0, command, "%s%sthe daemon answered with status %ld", what ? what : "",
                 what ? ": " : "", reply->status);
    json_decref(problem);
    return status;
}

void client_escape(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x80 && (isalnum(c) || strchr("-._~,", c)) && c)
            buf_byte(out, c);
        else
            buf_format(out, "%%%02X", c);
    }
}

void client_param(struct buf *path, const char *name, const char *value)
{
    buf_byte(path, path->len && memchr(path->data, '?', path->len) ? '&' : '?');
    client_escape(path, name, strlen(name));
    buf_byte(path, '=');
    client_escape(path, value, strlen(value));
}
