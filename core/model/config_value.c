#include "model/config_value.h"

#include "base/cpus.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/config.h"
#include "model/config_file.h"
#include "model/config_http.h"
#include "model/config_store.h"
#include "model/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SECRET_BYTES ((size_t)64 * 1024)

static const char *const yes_words[] = {"yes", "true", "on", "1"};
static const char *const no_words[] = {"no", "false", "off", "0"};
static const struct {
    const char *name;
    int64_t value;
} priorities[] = {{"low", -10}, {"normal", 0}, {"high", 10}, {"critical", 20}};
#define LENGTH(a) (sizeof(a) / sizeof *(a))

static bool fail(struct buf *why, const char *text)
{
    buf_text(why, text);
    return false;
}

/* ---- numbers */

static void store_integer(const struct option *option, void *record, int64_t value)
{
    void *field = (char *)record + option->offset;
    if (option->size == sizeof(int64_t))
        *(int64_t *)field = value;
    else if (option->size == sizeof(int))
        *(int *)field = (int)value;
    else
        *(bool *)field = value != 0;
}

int64_t value_integer(const struct option *option, const void *record, int64_t otherwise)
{
    const void *field = (const char *)record + option->offset;
    switch (option->type) {
    case OPTION_BOOL:
    case OPTION_INTEGER:
    case OPTION_DURATION:
    case OPTION_DURATION_US:
    case OPTION_SIZE:
    case OPTION_CHOICE:
    case OPTION_RATE:
    case OPTION_PRIORITY:
    case OPTION_WORKERS:
        break;
    default:
        return otherwise;
    }
    if (option->size == sizeof(int64_t))
        return *(const int64_t *)field;
    return option->size == sizeof(int) ? *(const int *)field : *(const bool *)field;
}

static bool parse_rate(const char *text, int64_t *interval_ns) /* "0.5/s" */
{
    static const struct {
        char unit;
        double ns;
    } units[] = {{'s', 1e9}, {'m', 60e9}, {'h', 3600e9}, {'d', 86400e9}};
    const char *slash = strchr(text, '/');
    if (!slash || !slash[1] || slash[2])
        return false;
    char *number = mem_format("%.*s", (int)(slash - text), text);
    double starts = 0;
    bool known = text_number(number, &starts);
    free(number);
    for (size_t i = 0; i < LENGTH(units); i++) {
        double ns = units[i].unit == slash[1] ? units[i].ns / starts : 0;
        if (known && starts > 0 && ns >= 1 && ns <= 1e18) {
            *interval_ns = llround(ns);
            return true;
        }
    }
    return false;
}

static bool parse_integer(const struct option *option, const char *text, int64_t *value)
{
    return text_integer(text, value) && *value >= option->min && *value <= option->max;
}

static bool parse_priority(const struct option *option, const char *text, int64_t *value)
{
    for (size_t i = 0; i < LENGTH(priorities); i++) {
        if (strcmp(text, priorities[i].name) == 0) {
            *value = priorities[i].value;
            return true;
        }
    }
    return parse_integer(option, text, value);
}

static bool parse_bool(const char *text, int64_t *value)
{
    for (size_t i = 0; i < LENGTH(yes_words); i++) {
        *value = strcasecmp(text, yes_words[i]) == 0;
        if (*value || strcasecmp(text, no_words[i]) == 0)
            return true;
    }
    return false;
}

static int count_cpus(const struct value_env *env)
{
    if (!env->cpus)
        return cpus_available();
    if (!*env->cpus)
        *env->cpus = cpus_available();
    return *env->cpus;
}

static bool parse_workers(const struct value_env *env, const struct option *option,
                          const char *text, int64_t *value)
{
    if (strcmp(text, "auto") != 0)
        return parse_integer(option, text, value);
    *value = count_cpus(env);
    if (*value > option->max)
        *value = option->max;
    return true;
}

static bool parse_choice(const struct option *option, const char *text, int64_t *value)
{
    for (*value = 0; option->choices[*value]; (*value)++)
        if (strcmp(text, option->choices[*value]) == 0)
            return true;
    return false;
}

static bool parse_amount(const struct option *option, const char *text, int64_t *value)
{
    const bool known = option->type == OPTION_SIZE          ? text_size(text, value)
                       : option->type == OPTION_DURATION_US ? text_duration_us(text, value)
                                                            : text_duration(text, value);
    return known && *value >= option->min && (!option->max || *value <= option->max);
}

/* Whatever ends as one number. */
static bool parse_scalar(const struct value_env *env, const struct option *option, const char *text,
                         int64_t *value)
{
    *value = 0;
    if ((option->flags & OPTION_NONE) && strcmp(text, "none") == 0)
        return true;
    switch (option->type) {
    case OPTION_BOOL:
        return parse_bool(text, value);
    case OPTION_DURATION:
    case OPTION_DURATION_US:
    case OPTION_SIZE:
        return parse_amount(option, text, value);
    case OPTION_CHOICE:
        return parse_choice(option, text, value);
    case OPTION_RATE:
        return parse_rate(text, value);
    case OPTION_PRIORITY:
        return parse_priority(option, text, value);
    case OPTION_WORKERS:
        return parse_workers(env, option, text, value);
    default:
        return parse_integer(option, text, value);
    }
}

static const char *near_word(const struct option *option, const char *text)
{
    const char *words[8];
    size_t count = 0;
    if (option->type == OPTION_CHOICE)
        for (; count < LENGTH(words) && option->choices[count]; count++)
            words[count] = option->choices[count];
    if (option->type == OPTION_PRIORITY)
        for (; count < LENGTH(priorities); count++)
            words[count] = priorities[count].name;
    if (option->type == OPTION_WORKERS)
        words[count++] = "auto";
    if (option->flags & OPTION_NONE)
        words[count++] = "none";
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(words[i], text) == 0)
            return words[i];
    return text_nearest(text, words, count);
}

static bool store_scalar(const struct value_env *env, const struct option *option, void *record,
                         const char *text, struct buf *why)
{
    int64_t value;
    double number;
    if (option->type == OPTION_NUMBER && text_number(text, &number) &&
        number >= (double)option->min && number <= (double)option->max) {
        *(double *)(void *)((char *)record + option->offset) = number;
        return true;
    }
    if (option->type != OPTION_NUMBER && parse_scalar(env, option, text, &value)) {
        store_integer(option, record, value);
        return true;
    }
    value_put_quoted(why, text);
    buf_text(why, " is not ");
    value_put_shape(why, option);
    const char *near = near_word(option, text);
    if (near)
        buf_format(why, " (did you mean %s?)", near);
    return false;
}

/* ---- names and lists */

bool value_is_task(const char *text)
{
    size_t first = strcspn(text, ".");
    const char *second = text[first] ? text + first + 1 : NULL;
    return strlen(text) <= NEAP_TASK_MAX && text_name(text, first, NEAP_TASK_MAX) &&
           (!second || text_name(second, strlen(second), NEAP_TASK_MAX));
}

bool value_is_pattern(const char *text)
{
    size_t first = strcspn(text, ".");
    return strcmp(text, "*") == 0 || value_is_task(text) ||
           (text_name(text, first, NEAP_TASK_MAX) && strcmp(text + first, ".*") == 0);
}

char **value_list(const char *text)
{
    char **list = mem_zero(1, sizeof *list);
    size_t count = 0;
    const char *space = " \t\r\n";
    if (!text[strspn(text, space)])
        return list;
    for (const char *p = text; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL) {
        const char *s = p + strspn(p, space);
        const char *e = p + strcspn(p, ",");
        while (e > s && strchr(space, e[-1]))
            e--;
        if (e <= s) {
            strings_free(list);
            return NULL;
        }
        list = mem_grow(list, count + 2, sizeof *list);
        list[count++] = mem_format("%.*s", (int)(e - s), s);
        list[count] = NULL;
    }
    return list;
}

static bool check_queues(char **list, struct buf *why)
{
    for (char **q = list; *q; q++) {
        bool star = strcmp(*q, "*") == 0;
        if (star && list[1])
            return fail(why, "* must stand alone: it is every queue that no other pool names");
        if (!star && !text_name(*q, strlen(*q), NEAP_TASK_MAX)) {
            value_put_quoted(why, *q);
            buf_format(why, " is not a name (letters, digits, _ and -, at most %d)", NEAP_TASK_MAX);
            return false;
        }
        for (char **other = list; other < q; other++) {
            if (strcmp(*other, *q) == 0) {
                buf_format(why, "%s stands twice", *q);
                return false;
            }
        }
    }
    return *list || fail(why, "the value is missing: name a queue, or *");
}

static bool store_list(const struct value_env *env, const struct option *option, void *record,
                       const char *text, struct buf *why)
{
    char **list = value_list(text);
    if (!list)
        return fail(why, "an empty item between commas");
    if (option->type == OPTION_QUEUES && !check_queues(list, why)) {
        strings_free(list);
        return false;
    }
    for (char **path = list; option->type == OPTION_PATHS && *path; path++) {
        char *joined = path_join(env->dir, *path);
        free(*path);
        *path = joined;
    }
    if (option->type == OPTION_PATTERNS) {
        strings_free(list);
        return true;
    }
    char ***field = (char ***)(void *)((char *)record + option->offset);
    strings_free(*field);
    *field = list;
    return true;
}

static bool store_text(const struct option *option, void *record, const char *text, struct buf *why)
{
    if (option->flags & OPTION_NONE && strcmp(text, "none") == 0) {
        text = "";
    } else if (option->type == OPTION_TASK ? !value_is_task(text)
                                           : !text_name(text, strlen(text), NEAP_TASK_MAX)) {
        value_put_quoted(why, text);
        buf_text(why, " is not ");
        value_put_shape(why, option);
        return false;
    }
    char **field = (char **)(void *)((char *)record + option->offset);
    free(*field);
    *field = mem_text(text);
    return true;
}

/* ---- what is parsed elsewhere */

static bool store_cron(struct config_schedule *schedule, const char *text, struct buf *why)
{
    struct neap_error err;
    if (cron_parse(&schedule->cron, text, &err))
        return fail(why, err.message);
    schedule->has_cron = true;
    free(schedule->cron_text);
    schedule->cron_text = mem_text(text);
    return true;
}

static bool store_zone(struct config_schedule *schedule, const char *text, struct buf *why)
{
    struct neap_error err;
    struct zone *zone;
    if (zone_open(&zone, text, &err))
        return fail(why, err.message);
    zone_free(schedule->zone);
    schedule->zone = zone;
    free(schedule->zone_text);
    schedule->zone_text = mem_text(text);
    return true;
}

static bool store_json(struct config_schedule *schedule, const char *text, struct buf *why)
{
    struct neap_error err;
    struct buf packed = {0};
    if (json_to_msgpack(text, strlen(text), &packed, &err)) {
        buf_close(&packed);
        buf_format(why, "bad JSON: %s", err.message);
        return false;
    }
    free(schedule->args);
    schedule->args_len = packed.len;
    schedule->args = packed.data;
    return true;
}

static char *read_variable(const char *name, struct buf *why)
{
    const char *value = *name ? getenv(name) : NULL;
    if (value)
        return mem_text(value);
    buf_text(why, "the environment variable ");
    value_put_quoted(why, name);
    buf_text(why, " is not set");
    char **names = NULL;
    size_t count = 0;
    for (char **e = environ; e && *e; e++) {
        names = mem_grow(names, count + 1, sizeof *names);
        names[count++] = mem_format("%.*s", (int)strcspn(*e, "="), *e);
    }
    const char *near = text_nearest(name, (const char *const *)names, count);
    if (near)
        buf_format(why, " (did you mean %s?)", near);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return NULL;
}

static char *read_secret(const struct value_env *env, const char *name, struct buf *why)
{
    char *path = path_join(env->dir, name), *value = NULL;
    struct neap_error err;
    struct buf text = {0};
    if (env->alone || !*name) {
        buf_text(why, *name ? "no file can be read here" : "file: names no file");
    } else if (file_read(path, SECRET_BYTES, &text, NULL, &err)) {
        buf_text(why, err.message);
    } else if (text.len && memchr(text.data, 0, text.len)) {
        buf_format(why, "%s: a NUL byte inside", path);
    } else {
        if (text.len && text.data[text.len - 1] == '\n')
            text.len--;
        if (text.len && text.data[text.len - 1] == '\r')
            text.len--;
        value = buf_take(&text);
    }
    buf_close(&text);
    free(path);
    return value;
}

char *value_secret(const struct value_env *env, const char *text, struct buf *why)
{
    return strncmp(text, "env:", 4) == 0 ? read_variable(text + 4, why)
                                         : read_secret(env, text + strlen("file:"), why);
}

static bool store_config(const struct value_env *env, struct config_task *task, const char *key,
                         const char *text, struct buf *why)
{
    const char *name = key + strlen("config.");
    if (!text_name(name, strlen(name), NEAP_TASK_MAX))
        return fail(why, "a config key is config.NAME, of letters, digits, _ and -");
    bool variable = strncmp(text, "env:", 4) == 0, file = strncmp(text, "file:", 5) == 0;
    char *value = variable || file ? value_secret(env, text, why) : mem_text(text);
    if (!value)
        return false;
    size_t i = 0;
    while (i < task->n_config && strcmp(task->config[i].key, name) != 0)
        i++;
    if (i == task->n_config) {
        task->config = mem_grow(task->config, i + 1, sizeof *task->config);
        task->config[task->n_config++] = (struct config_pair){.key = mem_text(name)};
    }
    free(task->config[i].value);
    task->config[i].value = value;
    task->config[i].secret = variable || file;
    return true;
}

bool value_store(const struct value_env *env, const struct option *option, void *record,
                 const char *key, const char *text, struct buf *why)
{
    switch (option->type) {
    case OPTION_PATHS:
    case OPTION_PATTERNS:
    case OPTION_QUEUES:
        return store_list(env, option, record, text, why);
    case OPTION_CONFIG:
        return store_config(env, record, key, text, why);
    default:
        break;
    }
    if (!*text) {
        buf_text(why, "the value is missing: it is ");
        value_put_shape(why, option);
        return false;
    }
    switch (option->type) {
    case OPTION_QUEUE:
    case OPTION_TASK:
        return store_text(option, record, text, why);
    case OPTION_STORE:
        return config_store_url(env, option, record, text, why);
    case OPTION_KEEP:
        return config_store_keep(option, record, text, why);
    case OPTION_SOCKET:
    case OPTION_LISTEN:
    case OPTION_SECRET:
    case OPTION_HOSTS:
        return config_http_text(env, option, record, text, why);
    case OPTION_CRON:
        return store_cron(record, text, why);
    case OPTION_ZONE:
        return store_zone(record, text, why);
    case OPTION_JSON:
        return store_json(record, text, why);
    default:
        return store_scalar(env, option, record, text, why);
    }
}
