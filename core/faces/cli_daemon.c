/* neap reload, backup, stack and events: about the daemon as a whole. */
#include "faces/cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/cli_value.h"
#include "faces/client_events.h"
#include "faces/client_filter.h"
#include "faces/client_job.h"
#include "faces/term.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- reload -------------------------------------------------------------------------------------
 */

static int post(struct command *c, const char *path, const char *body, struct buf *answer)
{
    const struct client_request request = {.method = "POST",
                                           .path = path,
                                           .body = body ? body : "",
                                           .body_len = body ? strlen(body) : 0,
                                           .patient = true};
    return client_ask(c->client, &request, answer);
}

static int reload(struct command *c)
{
    struct buf answer = {0};
    const int status = post(c, "/reload", NULL, &answer);
    buf_close(&answer);
    return status;
}

int cli_reload(const struct cli_args *args)
{
    return command_run(args, reload);
}

/* --- backup -------------------------------------------------------------------------------------
 */

static int backup(struct command *c)
{
    const char *file = command_operand(c, 0, "to which file?");
    struct buf body = {0}, answer = {0};
    if (!file)
        return CLI_USAGE;
    char *here = *file == '/' ? NULL : getcwd(NULL, 0); /* the daemon has a directory of its own */
    if (*file != '/' && !here)
        return cli_fail(CLI_INTERNAL, c->name, "current directory: %s", strerror(errno));
    char *path = here ? mem_format("%s/%s", here, file) : mem_text(file);
    buf_text(&body, "{\"path\":");
    value_json_text(&body, path, strlen(path));
    buf_text(&body, "}");
    const int status = post(c, "/backup", buf_string(&body), &answer);
    buf_close(&answer);
    buf_close(&body);
    free(here);
    free(path);
    return status;
}

int cli_backup(const struct cli_args *args)
{
    return command_run(args, backup);
}

/* --- stack --------------------------------------------------------------------------------------
 */

static void put_stack(struct buf *out, const json_t *job)
{
    const char *id = json_word(job, "id"), *task = json_word(job, "task");
    const char *traceback = json_word(job, "traceback");
    buf_format(out, "%s%s %s, for ", out->len ? "\n" : "", id ? id : "?", task ? task : "?");
    term_span(out, json_whole(job, "for_ms"));
    if (json_word(job, "worker"))
        buf_format(out, ", %s", json_word(job, "worker"));
    else if (json_object_get(job, "worker"))
        buf_format(out, ", worker %lld", (long long)json_whole(job, "worker"));
    buf_byte(out, '\n');
    term_text(out, traceback ? traceback : "", traceback ? strlen(traceback) : 0, TERM_LINES);
    if (out->data[out->len - 1] != '\n')
        buf_byte(out, '\n');
}

static void put_stacks(struct command *c, const json_t *document)
{
    const json_t *jobs = json_object_get(document, "jobs");
    size_t i;
    json_t *job;
    if (!json_array_size(jobs))
        cli_fail(0, c->name, "nothing is running");
    json_array_foreach(jobs, i, job) put_stack(output_buf(&c->output), job);
}

static int stack(struct command *c)
{
    char id[NEAP_ID_CHARS + 1];
    if (c->args->n_operands == 0)
        return command_print(c, "/stack", "jobs", "id", put_stacks);
    if (!client_job_id_given(c->name, c->args->operands[0], id))
        return CLI_USAGE;
    char *path = mem_format("/jobs/%s/stack", id);
    const int status = command_print(c, path, "jobs", "id", put_stacks);
    free(path);
    return status;
}

int cli_stack(const struct cli_args *args)
{
    return command_run(args, stack);
}

/* --- events -------------------------------------------------------------------------------------
 */

static void on_event(void *user, const char *json, size_t len)
{
    struct command *c = user;
    client_event_put(output_buf(&c->output), c->format, (struct json_text){json, len});
}

static int events(struct command *c)
{
    struct events events;
    struct buf query = {0};
    int status = filter_query(c->args, 0, &query);
    if (status == CLI_OK) {
        command_hear_signals(c);
        client_watch_reader(c->client, STDOUT_FILENO);
        events_open(&events, c->client, buf_string(&query), c, on_event);
        while (status == CLI_OK) {
            status = client_turn(c->client, -1);
            status = status ? status : command_flush(c);
            status = status ? status : events_status(&events);
        }
        events_close(&events);
    }
    buf_close(&query);
    return status;
}

int cli_events(const struct cli_args *args)
{
    return command_run(args, events);
}
