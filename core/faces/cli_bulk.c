/* neap cancel, retry, rm and edit: of jobs by id, or of all that a filter means. */
#include "faces/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/cli_input.h"
#include "faces/cli_value.h"
#include "faces/client_filter.h"
#include "faces/client_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct verb {
    const char *bulk;            /* the name of the route */
    const char *method, *suffix; /* of one job */
    const char *done;            /* "cancelled" */
};

struct order { /* main thread */
    struct command *c;
    const struct verb *verb;
    const char *body; /* of edit; NULL */
};

/* --- by id --------------------------------------------------------------------------------------
 */

static int order_one(struct order *o, const char *text)
{
    char id[NEAP_ID_CHARS + 1];
    if (!client_job_id_given(o->c->name, text, id))
        return CLI_USAGE;
    const bool dry = cli_has(o->c->args, "dry-run");
    char *path = mem_format("/jobs/%s%s", id, dry ? "" : o->verb->suffix);
    const struct client_request request = {
        .method = dry ? NULL : o->verb->method,
        .path = path,
        .body = dry                ? NULL
                : o->body          ? o->body
                : *o->verb->suffix ? ""
                                   : NULL,
        .body_len = !dry && o->body ? strlen(o->body) : 0,
    };
    struct client_reply reply;
    int status = client_send(o->c->client, &request, &reply);
    free(path);
    if (status == CLI_OK && reply.status / 100 != 2)
        status = client_problem(o->c->client, &reply, id);
    else if (status == CLI_OK && dry)
        buf_format(output_buf(&o->c->output), "%s would be %s\n", id, o->verb->done);
    buf_close(&reply.body);
    return status;
}

static bool goes_on(int status) /* the others may do better */
{
    return status == CLI_OK || status == CLI_NOINPUT || status == CLI_REFUSED ||
           status == CLI_USAGE;
}

static int order_each(struct order *o, size_t first)
{
    int worst = CLI_OK, status = CLI_OK;
    for (size_t i = first; i < o->c->args->n_operands && goes_on(status); i++) {
        status = order_one(o, o->c->args->operands[i]);
        worst = status ? status : worst;
    }
    return worst;
}

static int order_stdin(struct order *o)
{
    int worst = CLI_OK, status = CLI_OK;
    char *line = NULL;
    size_t cap = 0;
    while (goes_on(status) && getline(&line, &cap, stdin) >= 0) {
        line[strcspn(line, " \t\r\n")] = 0; /* the first word: a row of `neap ls` will do, too */
        if (!*line || strcmp(line, "ID") == 0)
            continue;
        status = order_one(o, line);
        worst = status ? status : worst;
    }
    free(line);
    return worst;
}

/* --- by filter ----------------------------------------------------------------------------------
 */

static int bulk(struct order *o, size_t first, bool dry, struct buf *answer)
{
    struct buf path = {0};
    buf_format(&path, "/bulk/%s", o->verb->bulk);
    int status = filter_query(o->c->args, first, &path);
    if (dry)
        client_param(&path, "dry_run", "yes");
    const struct client_request request = {
        .method = "POST",
        .path = buf_string(&path),
        .body = o->body ? o->body : "",
        .body_len = o->body ? strlen(o->body) : 0,
        .patient = true,
    };
    if (status == CLI_OK)
        status = client_ask(o->c->client, &request, answer);
    buf_close(&path);
    return status;
}

static int64_t count_of(const struct buf *answer, const char *name)
{
    json_t *document = json_read(json_text_of(answer));
    const int64_t count = json_whole(document, name);
    json_decref(document);
    return count;
}

static const char *jobs(int64_t count)
{
    return count == 1 ? "job" : "jobs";
}

/* Asks at the terminal; off one there is nobody to ask. */
static int confirm(struct order *o, int64_t matched)
{
    char answer[8] = "";
    if (!isatty(STDIN_FILENO))
        return cli_fail(CLI_USAGE, o->c->name,
                        "%lld %s would be %s: --yes does it, --dry-run only counts",
                        (long long)matched, jobs(matched), o->verb->done);
    fprintf(stderr, "neap %s: %lld %s will be %s. Go on? [y/N] ", o->c->name, (long long)matched,
            jobs(matched), o->verb->done);
    const bool yes = fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
    return yes ? CLI_OK : cli_fail(CLI_FAILED, o->c->name, "nothing was done");
}

static int order_filter(struct order *o, size_t first)
{
    const bool dry = cli_has(o->c->args, "dry-run"), sure = cli_has(o->c->args, "yes");
    struct buf answer = {0};
    int status = CLI_OK;
    if (dry || !sure)
        status = bulk(o, first, true, &answer);
    const int64_t matched = count_of(&answer, "matched");
    if (status == CLI_OK && !dry && !sure && matched)
        status = confirm(o, matched);
    if (status == CLI_OK && !dry)
        status = bulk(o, first, false, &answer);
    if (status == CLI_OK) {
        const int64_t count = count_of(&answer, dry ? "matched" : "changed");
        const int64_t skipped = dry ? 0 : count_of(&answer, "skipped");
        buf_format(output_buf(&o->c->output), "%lld %s %s%s", (long long)count, jobs(count),
                   dry ? "would be " : "", o->verb->done);
        if (skipped)
            buf_format(output_buf(&o->c->output), ", %lld left alone", (long long)skipped);
        buf_byte(output_buf(&o->c->output), '\n');
    }
    buf_close(&answer);
    return status;
}

/* --- commands -----------------------------------------------------------------------------------
 */

static int give_order(struct command *c, const struct verb *verb, const char *body)
{
    struct order o = {c, verb, body};
    const struct cli_args *args = c->args;
    size_t terms = 0;
    for (size_t i = 0; i < args->n_operands; i++)
        terms += filter_is_term(args->operands[i]);
    if (!command_operand(c, 0, "which jobs?"))
        return CLI_USAGE;
    if (args->n_operands == 1 && strcmp(args->operands[0], "-") == 0)
        return order_stdin(&o);
    return terms ? order_filter(&o, 0) : order_each(&o, 0);
}

static int cancel(struct command *c)
{
    static const struct verb verb = {"cancel", "POST", "/cancel", "cancelled"};
    return give_order(c, &verb, NULL);
}

int cli_cancel(const struct cli_args *args)
{
    return command_run(args, cancel);
}

static int retry(struct command *c)
{
    static const struct verb verb = {"retry", "POST", "/retry", "tried again"};
    return give_order(c, &verb, NULL);
}

int cli_retry(const struct cli_args *args)
{
    return command_run(args, retry);
}

static int forget(struct command *c)
{
    static const struct verb verb = {"delete", "DELETE", "", "deleted"};
    return give_order(c, &verb, NULL);
}

int cli_rm(const struct cli_args *args)
{
    return command_run(args, forget);
}

static int edit(struct command *c)
{
    static const struct verb verb = {"edit", "PATCH", "", "changed"};
    const char *due = cli_value(c->args, "due");
    int64_t priority = 0;
    struct buf body = {0};
    if (!cli_has(c->args, "priority") && !due)
        return cli_fail(CLI_USAGE, c->name, "what is to change? Give --priority or --due");
    if (!cli_priority(c->args, &priority))
        return CLI_USAGE;
    buf_byte(&body, '{');
    if (cli_has(c->args, "priority"))
        buf_format(&body, "\"priority\":%lld%s", (long long)priority, due ? "," : "");
    if (due) {
        buf_text(&body, "\"due\":");
        value_json_text(&body, due, strlen(due));
    }
    buf_byte(&body, '}');
    const int status = give_order(c, &verb, buf_string(&body));
    buf_close(&body);
    return status;
}

int cli_edit(const struct cli_args *args)
{
    return command_run(args, edit);
}
