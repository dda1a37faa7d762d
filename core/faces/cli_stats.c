/* neap stats: what the daemon has done and does. */
#include "faces/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "faces/cli_client.h"
#include "faces/table.h"
#include "faces/term.h"

#include <string.h>
#include <unistd.h>

#define EVERY_MS 2000

static void put_name(struct buf *out, const char *name)
{
    buf_format(out, "%-12s", name);
}

/* What is a number, in the order in which it came. */
static void put_numbers(struct buf *out, const char *name, const json_t *object)
{
    const char *key;
    json_t *value;
    bool first = true;
    put_name(out, name);
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (!json_is_integer(value) || json_integer_value(value) == 0)
            continue;
        buf_format(out, "%s%lld %s", first ? "" : ", ", (long long)json_integer_value(value), key);
        first = false;
    }
    buf_text(out, first ? "none\n" : "\n");
}

static void put_seconds(struct buf *out, double s)
{
    if (s < 0.001)
        buf_format(out, "%.0fus", s * 1e6);
    else if (s < 1)
        buf_format(out, "%.3gms", s * 1e3);
    else
        buf_format(out, "%.3gs", s);
}

static double number(const json_t *object, const char *group, const char *name)
{
    if (group)
        object = json_object_get(object, group);
    return json_number_value(json_object_get(object, name));
}

static void add_seconds(struct table *t, double s)
{
    struct buf text = {0};
    put_seconds(&text, s);
    table_take(t, &text);
}

static void add_row(struct table *t, const char *name, const json_t *row)
{
    table_text(t, name);
    table_number(t, json_whole(row, "running"));
    table_number(t, json_whole(row, "waiting"));
    table_number(t, json_whole(row, "completed"));
    table_number(t, json_whole(row, "failed"));
    table_number(t, json_whole(row, "dead"));
    add_seconds(t, number(row, "run_seconds", "p50"));
    add_seconds(t, number(row, "run_seconds", "p99"));
    add_seconds(t, number(row, "wait_seconds", "p99"));
}

static void put_rows(struct buf *out, const char *title, const json_t *rows)
{
    const struct table_column columns[] = {
        {title, false, NULL},      {"RUNNING", true, NULL}, {"WAITING", true, NULL},
        {"COMPLETED", true, NULL}, {"FAILED", true, NULL},  {"DEAD", true, NULL},
        {"RUN P50", true, NULL},   {"RUN P99", true, NULL}, {"WAIT P99", true, NULL},
    };
    struct table t;
    const char *name;
    json_t *row;
    if (!json_object_size(rows))
        return;
    table_init(&t, columns, sizeof columns / sizeof *columns);
    json_object_foreach((json_t *)(uintptr_t)rows, name, row) add_row(&t, name, row);
    buf_byte(out, '\n');
    table_put(&t, out);
    table_close(&t);
}

static void put_store(struct buf *out, const json_t *store)
{
    const char *key;
    json_t *value;
    bool first = true;
    if (!json_is_object(store))
        return;
    put_name(out, "store");
    json_object_foreach((json_t *)(uintptr_t)store, key, value)
    {
        if (json_is_string(value)) {
            buf_format(out, "%s%s ", first ? "" : ", ", key);
            term_text(out, json_string_value(value), json_string_length(value), TERM_LINE);
        } else if (json_is_integer(value))
            buf_format(out, "%s%s %lld", first ? "" : ", ", key,
                       (long long)json_integer_value(value));
        else if (json_is_true(value))
            buf_format(out, "%s%s", first ? "" : ", ", key);
        else
            continue;
        first = false;
    }
    buf_byte(out, '\n');
}

static void put_stats(struct command *c, const json_t *stats)
{
    struct buf *out = output_buf(&c->output);
    put_name(out, "neap");
    buf_format(out, "%s, up ", json_word(stats, "version") ? json_word(stats, "version") : "?");
    term_span(out, (int64_t)(number(stats, NULL, "uptime_seconds") * 1000));
    buf_format(out, ", %lld workers%s\n", (long long)json_whole(stats, "workers"),
               json_is_true(json_object_get(stats, "draining")) ? ", draining" : "");
    put_numbers(out, "jobs", json_object_get(stats, "jobs"));
    put_numbers(out, "since start", json_object_get(stats, "total"));
    put_store(out, json_object_get(stats, "store"));
    if (json_whole(stats, "broken_plugins"))
        buf_format(out, "%-12s%lld cannot be loaded: neap check says why\n", "plugins",
                   (long long)json_whole(stats, "broken_plugins"));
    if (json_whole(stats, "stuck_workers"))
        buf_format(out, "%-12s%lld were given up, stuck in C\n", "workers",
                   (long long)json_whole(stats, "stuck_workers"));
    put_rows(out, "QUEUE", json_object_get(stats, "queues"));
    put_rows(out, "TASK", json_object_get(stats, "tasks"));
}

static int print(struct command *c)
{
    return command_print(c, "/stats", NULL, "version", put_stats);
}

static int draw(struct command *c, struct screen *screen)
{
    struct buf *out = output_buf(&c->output);
    const int status = print(c);
    struct buf text = *out;
    *out = (struct buf){0};
    if (status == CLI_OK)
        screen_draw(screen, &c->output, text.data, text.len);
    buf_close(&text);
    return status;
}

static int pause_ms(struct command *c, int64_t ms)
{
    const int64_t until_ms = clock_mono_ms() + ms;
    int status = CLI_OK;
    for (int64_t left_ms = ms; status == CLI_OK && left_ms > 0;
         left_ms = until_ms - clock_mono_ms())
        status = client_turn(c->client, (int)left_ms);
    return status;
}

static int watch(struct command *c)
{
    struct screen screen = {0};
    const bool drawn = term_is(STDOUT_FILENO) && c->format <= FORMAT_WIDE;
    int status = CLI_OK;
    command_hear_signals(c);
    client_watch_reader(c->client, STDOUT_FILENO);
    for (bool first = true; status == CLI_OK; first = false) {
        if (!drawn && !first && c->format <= FORMAT_WIDE)
            buf_byte(output_buf(&c->output), '\n');
        status = drawn ? draw(c, &screen) : print(c);
        status = status ? status : command_flush(c);
        status = status ? status : pause_ms(c, EVERY_MS);
    }
    return status;
}

static int stats(struct command *c)
{
    return cli_has(c->args, "watch") ? watch(c) : print(c);
}

int cli_stats(const struct cli_args *args)
{
    return command_run(args, stats);
}
