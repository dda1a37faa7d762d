/* neap ls: jobs that a filter means, once or as they change. */
#include "faces/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/client_events.h"
#include "faces/client_filter.h"
#include "faces/client_job.h"
#include "faces/term.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ON_TERMINAL 50 /* jobs shown there if -n does not say */
#define PAGE 500
#define DRAW_MS 250     /* no two drawings are nearer than this */
#define REFRESH_MS 2000 /* ages go on though nothing changes */
#define AGAIN_MS 1000   /* between looks for a daemon that has gone */

struct listing { /* main thread */
    struct command *c;
    struct table table;
    struct buf query; /* path with the filter */
    int64_t most;     /* -n; INT64_MAX: all */
    int64_t shown;
    bool changed; /* since the last drawing */
    bool stream;  /* each page goes out at once */
    struct screen screen;
    struct buf drawn; /* last on it */
};

static void put_page(struct listing *l, const struct buf *body)
{
    struct buf *out = output_buf(&l->c->output);
    if (client_print(out, l->c->format == FORMAT_JSON ? FORMAT_JSONL : l->c->format, body, "jobs",
                     "id"))
        return;
    json_t *page = json_read(json_text_of(body)), *job;
    const int64_t now_ms = clock_unix_ms();
    size_t i;
    json_array_foreach(json_object_get(page, "jobs"), i, job)
        client_job_row(&l->table, job, now_ms, l->c->format == FORMAT_WIDE);
    json_decref(page);
    if (l->table.n_cells || l->table.titled)
        table_put(&l->table, out);
}

/* The cursor of the next page, to free(); NULL: this was the last. */
static char *next_of(struct listing *l, const struct buf *body)
{
    struct json_text jobs, job, next;
    size_t at = 0;
    if (json_text_member(json_text_of(body), "jobs", &jobs))
        while (json_text_element(jobs, &at, &job))
            l->shown++;
    if (!json_text_member(json_text_of(body), "next", &next) || next.len < 3 || *next.text != '"')
        return NULL;
    return mem_format("%.*s", (int)next.len - 2, next.text + 1);
}

static int get_page(struct listing *l, const char *cursor, struct buf *body)
{
    struct buf path = {0}, limit = {0};
    const int64_t left = l->most - l->shown;
    buf_put(&path, l->query.data, l->query.len);
    buf_format(&limit, "%lld", (long long)(left < PAGE ? left : PAGE));
    client_param(&path, "limit", buf_string(&limit));
    if (cursor)
        client_param(&path, "cursor", cursor);
    const int status = client_get(l->c->client, buf_string(&path), body);
    buf_close(&path);
    buf_close(&limit);
    return status;
}

/* All pages up to `most`; *more: there are others. */
static int list(struct listing *l, bool *more)
{
    char *cursor = NULL;
    int status = CLI_OK;
    l->shown = 0;
    do {
        struct buf body = {0};
        status = get_page(l, cursor, &body);
        free(cursor);
        cursor = NULL;
        if (status == CLI_OK) {
            put_page(l, &body);
            cursor = next_of(l, &body);
        }
        buf_close(&body);
        if (status == CLI_OK && l->stream)
            status = command_flush(l->c);
    } while (status == CLI_OK && cursor && l->shown < l->most);
    *more = cursor != NULL;
    free(cursor);
    return status;
}

/* One document for all pages: {"jobs":[...]}. */
static int list_json(struct listing *l)
{
    struct buf *out = output_buf(&l->c->output), lines;
    bool more;
    const int status = list(l, &more);
    lines = *out;
    *out = (struct buf){0};
    if (status == CLI_OK) {
        buf_text(out, "{\"jobs\":[");
        for (size_t i = 0; i < lines.len; i++)
            if (lines.data[i] != '\n')
                buf_byte(out, (uint8_t)lines.data[i]);
            else if (i + 1 < lines.len)
                buf_byte(out, ',');
        buf_text(out, "]}\n");
    }
    buf_close(&lines);
    return status;
}

static int list_once(struct listing *l)
{
    bool more = false;
    l->stream = true;
    const int status = list(l, &more);
    if (status == CLI_OK && more && isatty(STDOUT_FILENO) && l->c->format <= FORMAT_WIDE) {
        command_flush(l->c);
        cli_fail(0, l->c->name, "there are more: -n N shows N of them");
    }
    return status;
}

/* --- watching -----------------------------------------------------------------------------------
 */

static void on_change(void *user, const char *json, size_t len)
{
    struct listing *l = user;
    (void)json, (void)len;
    l->changed = true;
}

static int draw(struct listing *l)
{
    struct output *out = &l->c->output;
    const int64_t rows = (int64_t)term_rows() - 3, wanted = l->most;
    bool more;
    if (l->most > rows)
        l->most = rows > 0 ? rows : 1;
    table_again(&l->table);
    l->changed = false;
    const int status = list(l, &more);
    l->most = wanted;
    struct buf text = *output_buf(out);
    *output_buf(out) = (struct buf){0};
    if (status == CLI_OK) {
        if (text.len == 0)
            buf_text(&text, "no jobs\n");
        screen_draw(&l->screen, out, text.data, text.len);
        buf_close(&l->drawn);
        l->drawn = text;
        return command_flush(l->c);
    }
    buf_close(&text);
    return status;
}

static int redraw(struct listing *l, struct events *events)
{
    int status = draw(l);
    int64_t drawn_ms = clock_mono_ms();
    while (status == CLI_OK) {
        const int64_t due_ms = drawn_ms + (l->changed ? DRAW_MS : REFRESH_MS);
        const int64_t left_ms = due_ms - clock_mono_ms();
        status = client_turn(l->c->client, left_ms > 0 ? (int)left_ms : 0);
        status = status ? status : events_status(events);
        if (status || clock_mono_ms() < drawn_ms + (l->changed ? DRAW_MS : REFRESH_MS))
            continue;
        status = draw(l);
        drawn_ms = clock_mono_ms();
    }
    return status;
}

/* The daemon has gone, maybe only to start again. */
static int say_gone(struct listing *l)
{
    const int64_t until_ms = clock_mono_ms() + AGAIN_MS;
    int status = CLI_OK;
    struct buf text = {0};
    buf_put(&text, l->drawn.data, l->drawn.len);
    buf_text(&text, "the daemon does not answer: trying again\n");
    screen_draw(&l->screen, &l->c->output, text.data, text.len);
    buf_close(&text);
    for (int64_t left_ms = AGAIN_MS; status == CLI_OK && left_ms > 0;
         left_ms = until_ms - clock_mono_ms())
        status = client_turn(l->c->client, (int)left_ms);
    return status ? status : command_flush(l->c);
}

/* Goes on through a restart of the daemon, once it was there. */
static int watch_screen(struct listing *l, const char *filter)
{
    struct events events;
    int status;
    do {
        events_open(&events, l->c->client, filter, l, on_change);
        status = events_wait(&events);
        if (status == CLI_OK) {
            client_try_again(l->c->client);
            status = redraw(l, &events);
        }
        events_close(&events);
        if (status == CLI_UNREACHED && l->drawn.len)
            status = say_gone(l);
    } while (status == CLI_OK);
    return status;
}

static void on_event(void *user, const char *json, size_t len)
{
    struct listing *l = user;
    client_event_put(output_buf(&l->c->output), l->c->format, (struct json_text){json, len});
}

/* Off a terminal: what there is, then each change as it comes. */
static int watch_lines(struct listing *l, const char *filter)
{
    struct events events;
    bool more;
    events_open(&events, l->c->client, filter, l, on_event);
    int status = events_wait(&events);
    status = status ? status : list(l, &more);
    status = status ? status : command_flush(l->c);
    while (status == CLI_OK) {
        status = client_turn(l->c->client, -1);
        status = status ? status : command_flush(l->c);
        status = status ? status : events_status(&events);
    }
    events_close(&events);
    return status;
}

static int watch(struct listing *l, const char *filter)
{
    command_hear_signals(l->c);
    client_watch_reader(l->c->client, STDOUT_FILENO);
    if (term_is(STDOUT_FILENO) && l->c->format <= FORMAT_WIDE)
        return watch_screen(l, filter);
    return watch_lines(l, filter);
}

static int ls(struct command *c)
{
    struct listing l = {.c = c, .most = INT64_MAX};
    if (isatty(STDOUT_FILENO) && c->format <= FORMAT_WIDE)
        l.most = ON_TERMINAL;
    if (!cli_integer(c->args, "number", 1, INT64_MAX, &l.most))
        return CLI_USAGE;
    struct buf filter = {0};
    int status = filter_query(c->args, 0, &filter);
    buf_format(&l.query, "/jobs%s", buf_string(&filter));
    client_param(&l.query, "order", cli_has(c->args, "oldest") ? "oldest" : "newest");
    client_job_table(&l.table, c->format == FORMAT_WIDE);
    if (status == CLI_OK && cli_has(c->args, "watch"))
        status = watch(&l, buf_string(&filter));
    else if (status == CLI_OK)
        status = c->format == FORMAT_JSON ? list_json(&l) : list_once(&l);
    table_close(&l.table);
    buf_close(&l.query);
    buf_close(&l.drawn);
    buf_close(&filter);
    return status;
}

int cli_ls(const struct cli_args *args)
{
    return command_run(args, ls);
}
