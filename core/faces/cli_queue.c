/* neap queue and neap schedule: a verb and a name. */
#include "faces/cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_client.h"
#include "faces/cli_value.h"
#include "faces/table.h"
#include "faces/term.h"

#include <stdlib.h>
#include <string.h>

struct noun {
    const char *plural, *word;
    const char *verbs; /* besides ls and show: POST /PLURAL/NAME/VERB */
    void (*table)(struct command *c, const json_t *document);
};

/* "/queues/NAME/VERB" (verb NULL: without), to free(). */
static char *path_of(const struct noun *noun, const char *name, const char *verb)
{
    struct buf path = {0};
    buf_format(&path, "/%s/", noun->plural);
    client_escape(&path, name, strlen(name));
    if (verb)
        buf_format(&path, "/%s", verb);
    return buf_string(&path);
}

static int show(struct command *c, const struct noun *noun)
{
    int status = CLI_OK;
    for (size_t i = 1; i < c->args->n_operands && status == CLI_OK; i++) {
        char *path = path_of(noun, c->args->operands[i], NULL);
        status = command_print(c, path, NULL, "name", noun->table);
        free(path);
    }
    return status;
}

static int post(struct command *c, const struct noun *noun, const char *verb)
{
    int worst = CLI_OK;
    for (size_t i = 1; i < c->args->n_operands; i++) {
        char *path = path_of(noun, c->args->operands[i], verb);
        struct buf answer = {0};
        const struct client_request request = {.method = "POST", .path = path, .body = ""};
        const int status = client_ask(c->client, &request, &answer);
        if (status == CLI_OK && c->format != FORMAT_TABLE)
            client_print(output_buf(&c->output), c->format, &answer, NULL, "name");
        buf_close(&answer);
        free(path);
        worst = status ? status : worst;
        if (status == CLI_UNREACHED || status > CLI_SIGNAL)
            break;
    }
    return worst;
}

static bool is_verb(const char *words, const char *word)
{
    const size_t len = strlen(word);
    const char *at = strstr(words, word);
    return len && at && (at == words || at[-1] == ' ') && (at[len] == 0 || at[len] == ' ');
}

static int unknown_verb(const struct command *c, const struct noun *noun, const char *verb)
{
    const char *words[8] = {"ls", "show"};
    char *verbs = mem_text(noun->verbs), *at = verbs;
    size_t count = 2;
    for (char *word; count < 7 && (word = strsep(&at, " "));)
        words[count++] = word;
    if (strcmp(noun->word, "queue") == 0)
        words[count++] = "set";
    const char *near = text_nearest(verb, words, count);
    if (near)
        cli_fail(0, c->name, "no such verb: %s (did you mean %s?)", verb, near);
    else
        cli_fail(0, c->name, "no such verb: %s (usage: neap %s %s)", verb, c->name,
                 c->args->command->operands);
    free(verbs);
    return CLI_USAGE;
}

static int list(struct command *c, const struct noun *noun)
{
    char *path = mem_format("/%s", noun->plural);
    const int status = command_print(c, path, noun->plural, "name", noun->table);
    free(path);
    return status;
}

static int obey(struct command *c, const struct noun *noun)
{
    const char *verb = c->args->n_operands ? c->args->operands[0] : "ls";
    const bool known = is_verb(noun->verbs, verb) || strcmp(verb, "show") == 0;
    if (strcmp(verb, "ls") == 0 && c->args->n_operands < 2)
        return list(c, noun);
    if (!known)
        return strcmp(verb, "ls") == 0
                   ? cli_fail(CLI_USAGE, c->name, "ls shows all; show NAME shows one")
                   : unknown_verb(c, noun, verb);
    if (c->args->n_operands < 2)
        return cli_fail(CLI_USAGE, c->name, "which %s? (usage: neap %s %s)", noun->word, c->name,
                        c->args->command->operands);
    return strcmp(verb, "show") == 0 ? show(c, noun) : post(c, noun, verb);
}

static const char *paused_colour(const char *text)
{
    return strcmp(text, "paused") == 0 ? "33" : NULL;
}

/* Of a list under this name, or of one thing. Closes the table. */
static void put_rows(struct command *c, struct table *t, const json_t *document, const char *plural,
                     void (*add)(struct table *t, const json_t *one))
{
    const json_t *all = json_object_get(document, plural);
    size_t i;
    json_t *one;
    json_array_foreach(all, i, one) add(t, one);
    if (!all)
        add(t, document);
    table_put(t, output_buf(&c->output));
    table_close(t);
}

/* --- queues -------------------------------------------------------------------------------------
 */

static void add_limit(struct table *t, const json_t *queue, const char *name)
{
    if (json_object_get(queue, name))
        table_number(t, json_whole(queue, name));
    else
        table_text(t, "-");
}

static void add_rate(struct table *t, const json_t *queue)
{
    const double per_s = json_number_value(json_object_get(queue, "rate_per_second"));
    struct buf text = {0};
    if (per_s >= 1)
        buf_format(&text, "%.4g/s", per_s);
    else if (per_s * 60 >= 1)
        buf_format(&text, "%.4g/m", per_s * 60);
    else if (per_s > 0)
        buf_format(&text, "%.4g/h", per_s * 3600);
    else
        buf_text(&text, "-");
    table_take(t, &text);
}

static void add_overridden(struct table *t, const json_t *queue)
{
    struct buf text = {0};
    size_t i;
    json_t *word;
    json_array_foreach(json_object_get(queue, "overridden"), i, word) buf_format(
        &text, "%s%s", i ? "," : "", json_is_string(word) ? json_string_value(word) : "");
    table_take(t, &text);
}

static void add_queue(struct table *t, const json_t *queue)
{
    table_text(t, json_word(queue, "name"));
    table_text(t, json_is_true(json_object_get(queue, "paused")) ? "paused" : "open");
    table_number(t, json_whole(queue, "running"));
    table_number(t, json_whole(queue, "waiting"));
    table_number(t, json_whole(queue, "completed"));
    table_number(t, json_whole(queue, "dead"));
    add_limit(t, queue, "concurrency");
    add_rate(t, queue);
    add_limit(t, queue, "capacity");
    table_text(t, json_word(queue, "when_full"));
    add_overridden(t, queue);
}

static void put_queues(struct command *c, const json_t *document)
{
    static const struct table_column columns[] = {
        {"QUEUE", false, NULL},      {"IS", false, paused_colour}, {"RUNNING", true, NULL},
        {"WAITING", true, NULL},     {"COMPLETED", true, NULL},    {"DEAD", true, NULL},
        {"CONCURRENCY", true, NULL}, {"RATE", true, NULL},         {"CAPACITY", true, NULL},
        {"WHEN FULL", false, NULL},  {"SET HERE", false, NULL},
    };
    struct table t;
    table_init(&t, columns, sizeof columns / sizeof *columns);
    put_rows(c, &t, document, "queues", add_queue);
}

static int put_setting(struct command *c, const char *operand, struct buf *body)
{
    static const char *const known[] = {"concurrency", "rate", "capacity"};
    const char *equals = strchr(operand, '=');
    char *name = mem_format("%.*s", (int)strcspn(operand, "="), operand);
    bool found = false;
    int status = CLI_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        found = found || strcmp(name, known[i]) == 0;
    const char *near = text_nearest(name, known, sizeof known / sizeof *known);
    if (!equals)
        status = cli_fail(CLI_USAGE, c->name, "%s: write it as concurrency=5", operand);
    else if (!found && near)
        status = cli_fail(CLI_USAGE, c->name, "no such limit: %s (did you mean %s?)", name, near);
    else if (!found)
        status = cli_fail(CLI_USAGE, c->name,
                          "no such limit: %s (there are concurrency, rate and capacity)", name);
    if (equals && status == CLI_OK) {
        buf_format(body, "%s\"%s\":", body->len > 1 ? "," : "", name);
        value_json_text(body, equals + 1, strlen(equals + 1));
    }
    free(name);
    return status;
}

static int set_limits(struct command *c, const struct noun *noun)
{
    struct buf body = {0}, answer = {0};
    int status = CLI_OK;
    if (c->args->n_operands < 3)
        return cli_fail(CLI_USAGE, c->name,
                        "which limit? (neap queue set NAME concurrency=5 rate=10/s "
                        "capacity=default)");
    buf_byte(&body, '{');
    for (size_t i = 2; i < c->args->n_operands && status == CLI_OK; i++)
        status = put_setting(c, c->args->operands[i], &body);
    buf_byte(&body, '}');
    char *path = path_of(noun, c->args->operands[1], NULL);
    const struct client_request request = {
        .method = "PATCH", .path = path, .body = buf_string(&body), .body_len = body.len};
    if (status == CLI_OK)
        status = client_ask(c->client, &request, &answer);
    if (status == CLI_OK && c->format != FORMAT_TABLE)
        client_print(output_buf(&c->output), c->format, &answer, NULL, "name");
    free(path);
    buf_close(&body);
    buf_close(&answer);
    return status;
}

static int queue(struct command *c)
{
    static const struct noun noun = {"queues", "queue", "pause resume", put_queues};
    if (c->args->n_operands && strcmp(c->args->operands[0], "set") == 0)
        return set_limits(c, &noun);
    return obey(c, &noun);
}

int cli_queue(const struct cli_args *args)
{
    return command_run(args, queue);
}

/* --- schedules ----------------------------------------------------------------------------------
 */

static void add_time(struct table *t, const json_t *schedule, const char *name, int64_t now_ms)
{
    const int64_t ms = json_time(schedule, name);
    struct buf text = {0};
    if (ms > now_ms)
        buf_text(&text, "in ");
    if (ms)
        term_span(&text, ms > now_ms ? ms - now_ms : now_ms - ms);
    if (ms && ms <= now_ms)
        buf_text(&text, " ago");
    table_take(t, &text);
}

static void add_rhythm(struct table *t, const json_t *schedule)
{
    const char *cron = json_word(schedule, "cron"), *zone = json_word(schedule, "tz");
    struct buf text = {0};
    if (cron)
        buf_text(&text, cron);
    else if (json_word(schedule, "every"))
        buf_format(&text, "every %s", json_word(schedule, "every"));
    else if (json_object_get(schedule, "every_ms")) {
        buf_text(&text, "every ");
        text_put_duration(&text, json_whole(schedule, "every_ms"));
    }
    if (zone)
        buf_format(&text, " (%s)", zone);
    table_take(t, &text);
}

static void add_schedule(struct table *t, const json_t *schedule)
{
    const int64_t now_ms = clock_unix_ms();
    table_text(t, json_word(schedule, "name"));
    table_text(t, json_is_true(json_object_get(schedule, "paused")) ? "paused" : "open");
    table_text(t, json_word(schedule, "task"));
    add_rhythm(t, schedule);
    add_time(t, schedule, "next_at", now_ms);
    add_time(t, schedule, "last_at", now_ms);
    table_text(t, json_word(schedule, "last_job"));
}

static void put_schedules(struct command *c, const json_t *document)
{
    static const struct table_column columns[] = {
        {"SCHEDULE", false, NULL}, {"IS", false, paused_colour}, {"TASK", false, NULL},
        {"WHEN", false, NULL},     {"NEXT", false, NULL},        {"LAST", false, NULL},
        {"LAST JOB", false, NULL},
    };
    struct table t;
    table_init(&t, columns, sizeof columns / sizeof *columns);
    put_rows(c, &t, document, "schedules", add_schedule);
}

static int schedule(struct command *c)
{
    static const struct noun noun = {"schedules", "schedule", "run pause resume", put_schedules};
    return obey(c, &noun);
}

int cli_schedule(const struct cli_args *args)
{
    return command_run(args, schedule);
}
