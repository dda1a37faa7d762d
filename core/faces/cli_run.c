/* neap run: one job in this process, its result on stdout. */
#include "faces/cli.h"

#include "base/buf.h"
#include "base/mem.h"
#include "faces/cli_input.h"
#include "faces/cli_output.h"
#include "faces/cli_report.h"
#include "faces/cli_schema.h"
#include "faces/cli_session.h"
#include "faces/cli_stop.h"
#include "faces/cli_value.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_MS 1000

struct run_state { /* main thread */
    const struct cli_args *args;
    struct session session;
    struct signals signals;
    struct stopper stopper;
    struct output output;
    struct buf value;   /* the arguments, MessagePack */
    int64_t retries;    /* -1: not given */
    int64_t timeout_ms; /* as in neap_request */
    bool rows;          /* -o jsonl */
    bool ended;         /* the outcome came */
    bool failed;
    bool dead;   /* of the failed ones, as the counters know them */
    bool newest; /* nobody was given an id after it */
    bool alone;  /* it submitted nothing, and no on_dead follows: all has ended with it */
};

static int take_json(struct run_state *r, const char *text, size_t len, const char *where)
{
    struct neap_error err = {0};
    if (value_put_json(&r->value, text, len, &err))
        return CLI_OK;
    return cli_fail(CLI_DATA, "run", "%s: %s", where, err.message);
}

static int take_operand(struct run_state *r)
{
    const char *operand = r->args->operands[1];
    struct buf text = {0};
    if (strcmp(operand, "-") != 0)
        return take_json(r, operand, strlen(operand), "the arguments");
    int status = cli_stdin("run", &text);
    if (status == CLI_OK)
        status = take_json(r, text.data, text.len, "standard input");
    buf_close(&text);
    return status;
}

static int take_pairs(struct run_state *r)
{
    struct schema *schema = schema_new(r->session.schema);
    const int status = cli_pairs(r->args, schema, &r->value);
    schema_free(schema);
    return status;
}

static void print_outcome(struct run_state *r, const struct neap_outcome *outcome)
{
    struct buf line = {0};
    char *json = r->value.len ? neap_to_json(r->value.data, r->value.len) : NULL;
    const char *arg = json ? json : "{}";
    const struct report_input input = {1, arg, strlen(arg), true};
    r->failed = outcome->state != NEAP_COMPLETED;
    r->dead = outcome->state == NEAP_DEAD;
    r->newest = outcome->newest;
    if (r->rows)
        report_row(output_buf(&r->output), &input, outcome);
    else if (r->failed)
        report_failure(&line, NULL, outcome);
    else
        value_result(output_buf(&r->output), outcome->result, outcome->result_len);
    if (line.len)
        cli_log_write(&r->session.log, &line);
    output_flush(&r->output);
    buf_close(&line);
    free(json);
}

static bool take_outcome(struct run_state *r)
{
    struct neap_outcome outcome;
    if (r->ended || neap_next(r->session.n, &outcome, 0) != NEAP_OK)
        return r->ended;
    r->ended = true;
    print_outcome(r, &outcome);
    neap_outcome_free(&outcome);
    return true;
}

static int submit(struct run_state *r)
{
    struct neap_error err = {0};
    const struct neap_retry retry = {(int)r->retries, -1, -1, -1, -1};
    const struct neap_request request = {
        .task = r->session.task,
        .args = r->value.len ? r->value.data : NULL,
        .args_len = r->value.len,
        .retry = r->retries >= 0 ? &retry : NULL,
        .timeout_ms = r->timeout_ms,
        .flags = NEAP_DELIVER | NEAP_MSGPACK,
    };
    uint64_t id;
    const int rc = neap_submit(r->session.n, &request, &id, &err);
    if (rc != NEAP_OK)
        return cli_fail(cli_status_of(rc), "run", "%s: %s", r->session.task, err.message);
    if (id == 0)
        return cli_fail(CLI_REFUSED, "run", "%s: dropped: the queue is full", r->session.task);
    return CLI_OK;
}

/* SIGINT ends at once; SIGTERM lets the job finish for [neap] drain; a second signal ends at once.
 */
static bool go_on(struct run_state *r)
{
    if (r->signals.count == 0)
        return true;
    if (r->signals.first == SIGINT || r->signals.count > 1)
        return false;
    if (!stopper_begun(&r->stopper))
        stopper_begin(&r->stopper, r->session.n, -1);
    return !stopper_done(&r->stopper);
}

/* False: the executor cannot go on. Its own job was the first: what that submitted got later ids.
 */
static bool wait_for_children(struct run_state *r)
{
    r->alone = r->ended && !r->dead && r->newest;
    if (r->alone || r->signals.count || session_wait_idle(&r->session, &r->signals))
        return true;
    if (r->signals.count && go_on(r))
        stopper_wait(&r->stopper, &r->signals);
    return r->signals.count != 0;
}

static int wait_for_end(struct run_state *r)
{
    while (go_on(r) && !take_outcome(r)) {
        struct pollfd fds[] = {
            {.fd = r->signals.fd, .events = POLLIN},
            {.fd = neap_fd(r->session.n), .events = POLLIN},
            {.fd = r->session.fatal_fd, .events = POLLIN},
            {.fd = r->stopper.fd, .events = POLLIN},
        };
        poll(fds, sizeof fds / sizeof *fds, -1);
        signals_poll(&r->signals);
        if (fds[2].revents)
            return CLI_INTERNAL;
    }
    if (stopper_begun(&r->stopper))
        stopper_wait(&r->stopper, &r->signals);
    take_outcome(r);
    if (!wait_for_children(r))
        return CLI_INTERNAL;
    if (r->signals.count)
        return cli_fail(CLI_SIGNAL + r->signals.first, "run", "%s: %s", r->session.task,
                        r->ended ? "stopped, its own result is complete"
                                 : "stopped before its end");
    return CLI_OK;
}

static int status_of_end(struct run_state *r)
{
    const int output = output_status(&r->output, "run");
    if (output)
        return output;
    const uint64_t dead = r->alone ? 0 : session_dead(&r->session), own = r->dead;
    if (dead > own)
        cli_fail(0, "run", "%llu of the jobs it submitted failed",
                 (unsigned long long)(dead - own));
    return r->failed || dead > own ? CLI_FAILED : CLI_OK;
}

static int execute(struct run_state *r)
{
    int status = r->args->n_operands > 1   ? take_operand(r)
                 : cli_has(r->args, "arg") ? take_pairs(r)
                                           : CLI_OK;
    if (status)
        return status;
    signals_open(&r->signals, false);
    status = session_start(&r->session);
    if (status == CLI_OK)
        status = submit(r);
    if (status == CLI_OK)
        status = wait_for_end(r);
    return status == CLI_OK ? status_of_end(r) : status;
}

int cli_run(const struct cli_args *args)
{
    struct run_state r = {.args = args, .retries = -1, .signals = {.fd = -1}};
    if (args->n_operands == 0)
        return cli_fail(CLI_USAGE, "run", "which task? (usage: neap run %s)",
                        args->command->operands);
    if (args->n_operands > 1 && cli_has(args, "arg"))
        return cli_fail(CLI_USAGE, "run", "give the arguments as JSON or with --arg, not both");
    if (!cli_integer(args, "retries", 0, 1000000, &r.retries) ||
        !cli_timeout(args, "timeout", &r.timeout_ms))
        return CLI_USAGE;
    r.rows = cli_value(args, "output") != NULL;
    output_open(&r.output, &r.signals);
    stopper_init(&r.stopper);
    const struct session_plan plan = {
        .flags = NEAP_MEMORY, .log = true, .operand = args->operands[0]};
    int status = session_open(&r.session, args, &plan);
    if (status == CLI_OK)
        status = execute(&r);
    signals_close(&r.signals); /* from here on a signal does what it does by default */
    /* What computes and never waits cannot be stopped from outside: then only the process can end.
     */
    if ((stopper_begun(&r.stopper) && !stopper_done(&r.stopper)) ||
        !session_close(&r.session, r.signals.count || status == CLI_INTERNAL ? CLOSE_MS : -1))
        _exit(status);
    output_close(&r.output);
    buf_close(&r.value);
    return status;
}
