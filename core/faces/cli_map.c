/* neap map: one job for each input, results as they come. The wheel: take what has ended, feed what
 * there is room for, write, wait for whichever comes first. */
#include "faces/cli.h"

#include "base/clock.h"
#include "faces/cli_value.h"
#include "faces/map_state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLOSE_MS 1000
#define ROOM_MS 10 /* how often a full queue is tried again */
#define SHOWN_INPUTS 5

static int take_modes(struct map *m)
{
    const struct cli_args *args = m->args;
    const char *halt = cli_value(args, "halt");
    m->retries = -1;
    m->jobs = 1024;
    if (!cli_integer(args, "retries", 0, 1000000, &m->retries) ||
        !cli_integer(args, "jobs", 1, 1000000, &m->jobs) ||
        !cli_timeout(args, "timeout", &m->timeout_ms))
        return CLI_USAGE;
    m->rows = cli_value(args, "output") != NULL;
    m->ordered = cli_has(args, "keep-order");
    m->tag = cli_has(args, "tag");
    m->json = cli_has(args, "jsonl");
    if (halt && !halt_parse(&m->halt, halt))
        return cli_fail(CLI_USAGE, "map", "--halt %s: write it as soon|now,fail=N or fail=N%%",
                        halt);
    if (m->tag && m->rows)
        return cli_fail(CLI_USAGE, "map",
                        "--tag is for plain output: a row of -o jsonl has its arg");
    if (args->tail && cli_has(args, "null"))
        return cli_fail(CLI_USAGE, "map", "-0 is about standard input, but ::: gives the inputs");
    return CLI_OK;
}

static int open_joblog(struct map *m)
{
    const char *path = cli_value(m->args, "joblog");
    const bool failed = cli_has(m->args, "resume-failed");
    const bool resume = failed || cli_has(m->args, "resume");
    if (resume && !path)
        return cli_fail(CLI_USAGE, "map", "--resume needs the --joblog of the run to go on with");
    return joblog_open(&m->log, path, failed ? JOBLOG_FAILED : resume ? JOBLOG_RESUME : JOBLOG_NEW);
}

static void open_input(struct map *m)
{
    if (m->args->tail) {
        map_input_list(&m->input, m->args->tail, m->args->n_tail);
        return;
    }
    const char separator = cli_has(m->args, "null") ? '\0' : '\n';
    map_input_fd(&m->input, STDIN_FILENO, separator, m->json);
    if (isatty(STDIN_FILENO))
        cli_fail(0, "map",
                 "reading inputs from the terminal, %s; end with Ctrl-D "
                 "(or give them after :::)",
                 m->json     ? "one JSON value a line"
                 : separator ? "one a line"
                             : "NUL-separated");
}

static void open_progress(struct map *m)
{
    const bool terminal = isatty(STDERR_FILENO);
    const char *no_color = getenv("NO_COLOR");
    m->bar = cli_has(m->args, "bar");
    const bool drawn = m->bar && terminal && !(no_color && *no_color);
    progress_init(&m->progress,
                  drawn                 ? PROGRESS_BAR
                  : !terminal || m->bar ? PROGRESS_LINES
                                        : PROGRESS_NONE,
                  clock_mono_ms());
    m->session.log.bar = drawn;
    m->counts.total = m->args->tail || m->bar ? map_input_count(&m->input) : -1;
}

static void stop(struct map *m, int64_t timeout_ms)
{
    stopper_begin(&m->stopper, m->session.n, timeout_ms);
}

static void stop_by_signal(struct map *m)
{
    struct buf line = {0};
    buf_format(&line,
               "neap map: SIG%s: nothing new is started; %zu in hand, what runs may end within ",
               sigabbrev_np(m->signals.first), m->in_hand);
    buf_format(&line, "%.1fs; again to stop at once\n",
               (double)neap_config_int(m->session.n, "neap", "drain", 25000) / 1000);
    cli_log_write(&m->session.log, &line);
    buf_close(&line);
    stop(m, -1);
}

static void stop_if_due(struct map *m)
{
    if (stopper_begun(&m->stopper))
        return;
    if (m->signals.count)
        stop_by_signal(m);
    else if (m->halted)
        stop(m, m->halt.now ? 0 : STOP_PATIENTLY);
}

static bool ended(struct map *m)
{
    if (stopper_begun(&m->stopper))
        return stopper_done(&m->stopper) && !map_take(m);
    return m->want == WANT_NONE && m->in_hand == 0;
}

/* A first signal while a halt drains, or a second one, ends the run at once. */
static bool told_twice(const struct map *m)
{
    return m->signals.count > 1 || (m->signals.count && m->halted);
}

static int wait_ms(const struct map *m)
{
    int timeout_ms = progress_wait_ms(&m->progress, clock_mono_ms());
    if (m->want == WANT_TURN && !stopper_begun(&m->stopper))
        timeout_ms = 0;
    if (m->want == WANT_ROOM && (timeout_ms < 0 || timeout_ms > ROOM_MS))
        timeout_ms = ROOM_MS;
    return timeout_ms;
}

static void wait_for_news(struct map *m)
{
    const bool input = m->want == WANT_INPUT && !stopper_begun(&m->stopper);
    struct pollfd fds[] = {
        {.fd = m->signals.fd, .events = POLLIN},
        {.fd = neap_fd(m->session.n), .events = POLLIN},
        {.fd = m->session.fatal_fd, .events = POLLIN},
        {.fd = m->stopper.fd, .events = POLLIN},
        {.fd = m->output.fd}, /* for POLLERR: the reader of the pipe left */
        {.fd = input ? m->input.fd : -1, .events = POLLIN},
    };
    poll(fds, sizeof fds / sizeof *fds, wait_ms(m));
    signals_poll(&m->signals);
    if (fds[2].revents)
        m->status = CLI_INTERNAL;
    if ((fds[4].revents & POLLERR) && output_orphaned(&m->output))
        m->output.error = EPIPE;
    if (fds[5].revents)
        map_input_read(&m->input);
}

static void turn_wheel(struct map *m)
{
    while (m->status != CLI_INTERNAL) {
        map_take(m);
        stop_if_due(m);
        if (!stopper_begun(&m->stopper))
            map_feed(m);
        stop_if_due(m); /* feeding may have found a reason */
        if (!map_flush(m) || told_twice(m) || ended(m))
            break;
        progress_draw(&m->progress, &m->counts, &m->session.log, clock_mono_ms());
        wait_for_news(m);
    }
    map_take(m);
    map_flush_rest(m);
}

/* What was taken in but not run, the first few by name. */
static void say_not_run(struct map *m)
{
    struct buf out = {0};
    for (size_t i = 0, shown = 0; i < m->cap_hands; i++) {
        if (!m->hands[i].arg)
            continue;
        m->counts.not_run++;
        if (m->output.error || ++shown > SHOWN_INPUTS)
            continue;
        buf_format(&out, "neap map: not run: input %llu: ", (unsigned long long)m->hands[i].seq);
        value_shown(&out, m->hands[i].arg, m->hands[i].arg_len, 120);
        buf_byte(&out, '\n');
    }
    if (m->input.fd < 0 && m->want != WANT_NONE)
        m->counts.not_run += m->input.n_list - m->input.next;
    cli_log_write(&m->session.log, &out);
    buf_close(&out);
}

static void say_summary(struct map *m, uint64_t children)
{
    struct buf out = {0};
    const struct map_counts *c = &m->counts;
    const bool unread = m->input.fd >= 0 && m->want != WANT_NONE;
    if (!m->bar && !unread && !children &&
        !(c->failed + c->cancelled + c->bad + c->refused + c->not_run))
        return;
    buf_text(&out, "neap map: ");
    progress_summary(&m->progress, c, clock_mono_ms(), &out);
    if (unread)
        buf_text(&out, "; the input was not read to its end");
    if (children)
        buf_format(&out, "; %llu of the jobs they submitted failed", (unsigned long long)children);
    buf_byte(&out, '\n');
    cli_log_write(&m->session.log, &out);
    buf_close(&out);
}

static int final_status(struct map *m, uint64_t children)
{
    const struct map_counts *c = &m->counts;
    if (m->signals.count)
        return CLI_SIGNAL + m->signals.first;
    if (m->status)
        return m->status;
    if (c->bad)
        return CLI_DATA;
    if (c->refused)
        return CLI_REFUSED;
    return c->failed || c->cancelled || children ? CLI_FAILED : CLI_OK;
}

/* The jobs that jobs submitted may go on for longer. */
static void wait_for_children(struct map *m)
{
    if (stopper_begun(&m->stopper) || m->signals.count || m->status == CLI_INTERNAL ||
        session_wait_idle(&m->session, &m->signals))
        return;
    if (m->signals.count == 0) {
        m->status = CLI_INTERNAL;
        return;
    }
    stop_by_signal(m);
    stopper_wait(&m->stopper, &m->signals);
}

/* Once the wheel has come to rest. */
static int conclude(struct map *m)
{
    uint64_t children = 0;
    const int output = output_status(&m->output, "map");
    if (output && output != CLI_SIGNAL + m->signals.first)
        return output;
    wait_for_children(m);
    if (m->status != CLI_INTERNAL) {
        const uint64_t dead = session_dead(&m->session);
        children = dead > m->counts.failed ? dead - m->counts.failed : 0;
    }
    progress_erase(&m->progress, &m->session.log);
    say_not_run(m);
    say_summary(m, children);
    return final_status(m, children);
}

static int execute(struct map *m)
{
    int status = map_plan_field(m);
    if (status == CLI_OK)
        status = open_joblog(m);
    if (status)
        return status;
    signals_open(&m->signals, false);
    status = session_start(&m->session);
    if (status)
        return status;
    m->want = WANT_TURN;
    open_input(m);
    open_progress(m);
    turn_wheel(m);
    status = conclude(m);
    const int logged = joblog_close(&m->log);
    return status && status != CLI_FAILED ? status : logged ? logged : status;
}

static void close_all(struct map *m)
{
    for (size_t i = 0; i < m->cap_hands; i++)
        free(m->hands[i].arg);
    free(m->hands);
    free(m->unused);
    map_input_close(&m->input);
    map_order_close(&m->order);
    progress_close(&m->progress);
    schema_free(m->schema);
    output_close(&m->output);
    buf_close(&m->value);
    buf_close(&m->text);
    buf_close(&m->line);
}

int cli_map(const struct cli_args *args)
{
    struct map m = {.args = args, .signals = {.fd = -1}, .log = {.fd = -1}};
    if (args->n_operands == 0)
        return cli_fail(CLI_USAGE, "map", "which task? (usage: neap map %s)",
                        args->command->operands);
    int status = take_modes(&m);
    if (status)
        return status;
    output_open(&m.output, &m.signals);
    stopper_init(&m.stopper);
    const struct session_plan plan = {
        .flags = NEAP_MEMORY, .log = true, .operand = args->operands[0]};
    status = session_open(&m.session, args, &plan);
    if (status == CLI_OK)
        status = execute(&m);
    const bool early = m.signals.count || m.output.error || m.halted || m.status;
    const bool draining = stopper_begun(&m.stopper) && !stopper_done(&m.stopper);
    signals_close(&m.signals); /* from here on a signal does what it does by default */
    /* What computes and never waits cannot be stopped from outside: then only the process can end.
     */
    if (draining || !session_close(&m.session, early ? CLOSE_MS : -1))
        _exit(status);
    close_all(&m);
    return status;
}
