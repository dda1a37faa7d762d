/* What values look like, for messages and for the reference page. */
#include "model/config_value.h"

#include "base/text.h"
#include "neap.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define QUOTED_BYTES 60

static void put_choices(struct buf *out, const char *const *choices)
{
    for (size_t i = 0; choices[i]; i++)
        buf_format(out, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

static const char *const shapes[] = {
    [OPTION_BOOL] = "yes or no",
    [OPTION_INTEGER] = "a whole number",
    [OPTION_NUMBER] = "a number",
    [OPTION_DURATION] = "a duration (such as 250ms, 1.5s, 2m, 1h30m or 1d",
    [OPTION_DURATION_US] = "a duration (such as 0.5ms, 10ms or 1s",
    [OPTION_SIZE] = "a size (such as 64K, 16M or 1G",
    [OPTION_RATE] = "a rate (such as 5/s, 100/m, 1000/h or 10/d)",
    [OPTION_PRIORITY] = "low, normal, high, critical or a whole number",
    [OPTION_WORKERS] = "auto or a whole number",
    [OPTION_PATHS] = "paths, relative to the file",
    [OPTION_PATTERNS] = "paths, relative to the file",
    [OPTION_QUEUES] = "names of queues, or *",
    [OPTION_QUEUE] = "the name of a queue (letters, digits, _ and -, at most 40)",
    [OPTION_TASK] = "the name of a task (such as mail.send; at most 40 bytes)",
    [OPTION_STORE] = "memory or sqlite:PATH",
    [OPTION_KEEP] =
        "a duration and a number (such as 24h, 100000); either may be none, 0 keeps none",
    [OPTION_SOCKET] = "a path, relative to the file",
    [OPTION_LISTEN] = "an address and port (such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080)",
    [OPTION_SECRET] = "env:NAME or file:PATH",
    [OPTION_HOSTS] = "names of hosts, without ports",
    [OPTION_CRON] = "a cron expression",
    [OPTION_ZONE] = "a time zone",
    [OPTION_JSON] = "JSON",
    [OPTION_CONFIG] = "text, env:NAME or file:PATH",
};
static_assert(NEAP_TASK_MAX == 40, "the texts above say so");

static void put_size(struct buf *out, int64_t bytes)
{
    static const char suffixes[] = "\0KMG";
    size_t i = 0;
    for (; i < 3 && bytes && bytes % 1024 == 0; i++)
        bytes /= 1024;
    buf_format(out, "%" PRId64 "%.1s", bytes, suffixes + i);
}

static void put_limit(struct buf *out, const struct option *option, const char *word, int64_t limit)
{
    if (!limit)
        return;
    buf_format(out, "; %s ", word);
    if (option->type == OPTION_SIZE)
        put_size(out, limit);
    else if (option->type == OPTION_DURATION)
        text_put_duration(out, limit);
    else if (limit % 1000 == 0)
        text_put_duration(out, limit / 1000);
    else
        buf_format(out, "%gms", (double)limit / 1000);
}

static void put_amount(struct buf *out, const struct option *option)
{
    buf_text(out, shapes[option->type]);
    put_limit(out, option, "at least", option->min);
    put_limit(out, option, "at most", option->max);
    buf_text(out, ")");
}

static bool is_amount(const struct option *option)
{
    return option->type == OPTION_DURATION || option->type == OPTION_DURATION_US ||
           option->type == OPTION_SIZE;
}

void value_put_shape(struct buf *out, const struct option *option)
{
    if (is_amount(option))
        put_amount(out, option);
    else if (option->type == OPTION_CHOICE)
        put_choices(out, option->choices);
    else
        buf_text(out, shapes[option->type]);
    if (option->max && !is_amount(option))
        buf_format(out, " from %" PRId64 " to %" PRId64, option->min, option->max);
    if (option->flags & OPTION_NONE)
        buf_text(out, ", or none");
}

void value_put_quoted(struct buf *out, const char *text)
{
    buf_format(out, "\"%.*s%s\"", QUOTED_BYTES, text, strlen(text) > QUOTED_BYTES ? "..." : "");
}
