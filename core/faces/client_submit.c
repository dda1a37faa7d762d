#include "faces/client_submit.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_input.h"
#include "faces/cli_value.h"
#include "faces/client_job.h"

#include <stdlib.h>
#include <string.h>

static void put_name(struct buf *out, const char *name)
{
    buf_format(out, "%s\"%s\":", out->len && out->data[out->len - 1] == '{' ? "" : ",", name);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    put_name(out, name);
    value_json_text(out, text, strlen(text));
}

/* A time that is written wrong is a mistake of the command line, so it is said here. */
static bool good_times(const struct cli_args *args)
{
    static const char *const durations[] = {"delay", "within"};
    static const char *const times[] = {"at", "expires"};
    int64_t ms;
    for (size_t i = 0; i < 2; i++) {
        const char *text = cli_value(args, durations[i]);
        if (text && !text_duration(text, &ms)) {
            cli_fail(0, args->command->name, "--%s: \"%s\" is not a duration (such as 1.5s or 2m)",
                     durations[i], text);
            return false;
        }
    }
    for (size_t i = 0; i < 2; i++) {
        const char *text = cli_value(args, times[i]);
        if (text && !text_time(text, &ms) && !(i == 1 && text_duration(text, &ms))) {
            cli_fail(0, args->command->name,
                     "--%s: \"%s\" is no time (such as 2026-01-01T03:00:00Z)", times[i], text);
            return false;
        }
    }
    return cli_timeout(args, "timeout", &ms);
}

/* Words between commas as an array of texts. */
static void put_words(struct buf *out, const char *name, const char *text)
{
    put_name(out, name);
    buf_byte(out, '[');
    for (bool first = true; *text; first = false) {
        const size_t len = strcspn(text, ",");
        if (!first)
            buf_byte(out, ',');
        value_json_text(out, text, len);
        text += len + (text[len] == ',');
    }
    buf_byte(out, ']');
}

static int put_unique(const struct cli_args *args, struct buf *out)
{
    const char *key = cli_value(args, "unique"), *by = cli_value(args, "unique-by");
    const char *within = cli_value(args, "within");
    if (key && by)
        return cli_fail(CLI_USAGE, args->command->name, "give --unique or --unique-by, not both");
    if (!key && !by && !within)
        return CLI_OK;
    put_name(out, "unique");
    buf_byte(out, '{');
    put_text(out, "key", key);
    if (by)
        put_words(out, "by", by);
    put_text(out, "within", within);
    buf_byte(out, '}');
    return CLI_OK;
}

static int put_after(const struct cli_args *args, struct buf *out)
{
    size_t count;
    const char **given = cli_values(args, "after", &count);
    struct buf ids = {0};
    int status = CLI_OK;
    for (size_t i = 0; i < count && status == CLI_OK; i++) {
        char *text = mem_text(given[i]), id[NEAP_ID_CHARS + 1];
        for (char *at = text, *word; status == CLI_OK && (word = strsep(&at, ","));) {
            if (!client_job_id_given(args->command->name, word, id))
                status = CLI_USAGE;
            else
                buf_format(&ids, "%s\"%s\"", ids.len ? "," : "", id);
        }
        free(text);
    }
    if (count && status == CLI_OK) {
        put_name(out, "after");
        buf_format(out, "[%s]", buf_string(&ids));
    }
    buf_close(&ids);
    free(given);
    return status;
}

int submit_options(const struct cli_args *args, struct buf *out)
{
    int64_t priority = 0, retries = -1;
    if (!good_times(args) || !cli_priority(args, &priority) ||
        !cli_integer(args, "retries", 0, 1000000, &retries))
        return CLI_USAGE;
    put_text(out, "queue", cli_value(args, "queue"));
    if (cli_has(args, "priority")) {
        put_name(out, "priority");
        buf_format(out, "%lld", (long long)priority);
    }
    put_text(out, "delay", cli_value(args, "delay"));
    put_text(out, "at", cli_value(args, "at"));
    put_text(out, "expires", cli_value(args, "expires"));
    put_text(out, "timeout", cli_value(args, "timeout"));
    if (retries >= 0) {
        put_name(out, "retry");
        buf_format(out, "%lld", (long long)retries);
    }
    put_text(out, "after_failed", cli_value(args, "after-failed"));
    const int status = put_unique(args, out);
    return status ? status : put_after(args, out);
}
