/* What each question takes, and its parameters from text. */
#include "neap_ask.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/config_options.h"
#include "model/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define PARAMS_MAX 64

/* --- values -------------------------------------------------------------------------------------
 */

static bool read_flag(const char *value, bool *out)
{
    static const char *const yes[] = {"yes", "true", "1", "on"};
    static const char *const no[] = {"no", "false", "0", "off"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0 || strcmp(value, no[i]) == 0) {
            *out = strcmp(value, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool take_wide(struct ask *ask, const char *value, struct buf *why)
{
    buf_text(why, "yes or no");
    return read_flag(value, &ask->wide);
}

static bool take_dry_run(struct ask *ask, const char *value, struct buf *why)
{
    buf_text(why, "yes or no");
    return read_flag(value, &ask->dry_run);
}

static bool take_all(struct ask *ask, const char *value, struct buf *why)
{
    buf_text(why, "yes or no");
    return read_flag(value, &ask->all);
}

static bool take_limit(struct ask *ask, const char *value, struct buf *why)
{
    int64_t n;
    buf_format(why, "a whole number from 1 to %d", LIMIT_MAX);
    if (!text_integer(value, &n) || n < 1 || n > LIMIT_MAX)
        return false;
    ask->limit = (size_t)n;
    return true;
}

static bool take_cursor(struct ask *ask, const char *value, struct buf *why)
{
    buf_text(why, "what `next` of an answer was");
    return neap_id_parse(value, &ask->cursor) == NEAP_OK;
}

static bool take_order(struct ask *ask, const char *value, struct buf *why)
{
    buf_text(why, "newest or oldest");
    ask->newest_first = strcmp(value, "newest") == 0;
    return ask->newest_first || strcmp(value, "oldest") == 0;
}

static bool take_offset(struct ask *ask, const char *value, struct buf *why)
{
    int64_t n;
    buf_text(why, "a whole number of bytes");
    if (!text_integer(value, &n) || n < 0)
        return false;
    ask->offset = (uint64_t)n;
    return true;
}

static bool take_priority(struct ask *ask, const char *value, struct buf *why)
{
    const struct option *option = option_find(section_find("task", 4), "priority");
    const struct value_env env = {.alone = true};
    struct config_task task = {0};
    if (!value_store(&env, option, &task, "priority", value, why)) {
        why->len = 0;
        value_put_shape(why, option);
        return false;
    }
    ask->priority = task.priority;
    return ask->has_priority = true;
}

static bool take_due(struct ask *ask, const char *value, struct buf *why)
{
    int64_t ms;
    buf_text(why, "a time (RFC 3339), a duration from now, or now");
    if (strcmp(value, "now") == 0)
        ask->due_ms = 0;
    else if (text_duration(value, &ms) && ms < ASK_TIME_MAX_MS)
        ask->due_ms = clock_unix_ms() + ms;
    else if (text_time(value, &ms) && ms < ASK_TIME_MAX_MS)
        ask->due_ms = ms > 0 ? ms : 0;
    else
        return false;
    return ask->has_due = true;
}

/* Limits as the INI has them; "default": what the INI says. */
static bool take_limits(struct ask *ask, const char *key, const char *value, bool *has, bool *reset,
                        struct buf *why)
{
    static const char section[] = "queue";
    const struct option *option = option_find(section_find(section, strlen(section)), key);
    const struct value_env env = {.alone = true};
    *has = true;
    *reset = strcmp(value, "default") == 0;
    if (*reset || value_store(&env, option, &ask->limits, key, value, why))
        return true;
    why->len = 0;
    value_put_shape(why, option);
    buf_text(why, ", or default");
    return false;
}

static bool take_concurrency(struct ask *ask, const char *value, struct buf *why)
{
    return take_limits(ask, "concurrency", value, &ask->sets.concurrency, &ask->resets.concurrency,
                       why);
}

static bool take_rate(struct ask *ask, const char *value, struct buf *why)
{
    return take_limits(ask, "rate", value, &ask->sets.rate, &ask->resets.rate, why);
}

static bool take_capacity(struct ask *ask, const char *value, struct buf *why)
{
    return take_limits(ask, "capacity", value, &ask->sets.capacity, &ask->resets.capacity, why);
}

/* --- parameters ---------------------------------------------------------------------------------
 */

enum taker { /* bits: who takes it */
             LISTS = 1,
             LOGS = 2,
             EDITS = 4,
             BULKS = 8,
             BULK_EDITS = 16,
             LIMITS = 32,
};

static const struct param {
    const char *name;
    unsigned takers;
    bool (*take)(struct ask *ask, const char *value, struct buf *why);
} PARAMS[] = {
    {"limit", LISTS, take_limit},
    {"cursor", LISTS, take_cursor},
    {"order", LISTS, take_order},
    {"wide", LISTS, take_wide},
    {"offset", LOGS, take_offset},
    {"dry_run", BULKS | BULK_EDITS, take_dry_run},
    {"all", BULKS | BULK_EDITS, take_all},
    {"due", EDITS | BULK_EDITS, take_due},
    {"priority", EDITS | BULK_EDITS, take_priority},
    {"concurrency", LIMITS, take_concurrency},
    {"rate", LIMITS, take_rate},
    {"capacity", LIMITS, take_capacity},
};
#define N_PARAMS (sizeof PARAMS / sizeof *PARAMS)

enum needs { NEEDS_NOTHING, NEEDS_ID, NEEDS_NAME };

static const struct shape {
    enum needs needs;
    bool filters;
    unsigned taker;
} SHAPES[] = {
    [NEAP_ASK_JOB] = {NEEDS_ID, false, 0},
    [NEAP_ASK_WAIT] = {NEEDS_ID, false, 0},
    [NEAP_ASK_JOBS] = {NEEDS_NOTHING, true, LISTS},
    [NEAP_ASK_LOG] = {NEEDS_ID, false, LOGS},
    [NEAP_ASK_EXPLAIN] = {NEEDS_ID, false, 0},
    [NEAP_ASK_CANCEL] = {NEEDS_ID, false, 0},
    [NEAP_ASK_RETRY] = {NEEDS_ID, false, 0},
    [NEAP_ASK_DELETE] = {NEEDS_ID, false, 0},
    [NEAP_ASK_EDIT] = {NEEDS_ID, false, EDITS},
    [NEAP_ASK_BULK] = {NEEDS_NAME, true, BULKS},
    [NEAP_ASK_QUEUES] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_QUEUE] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_QUEUE_PAUSE] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_QUEUE_RESUME] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_QUEUE_LIMITS] = {NEEDS_NAME, false, LIMITS},
    [NEAP_ASK_TASKS] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_TASK] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_SCHEDULES] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_SCHEDULE] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_SCHEDULE_RUN] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_SCHEDULE_PAUSE] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_SCHEDULE_RESUME] = {NEEDS_NAME, false, 0},
    [NEAP_ASK_WORKERS] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_STATS] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_METRICS] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_STACK] = {NEEDS_NOTHING, false, 0},
    [NEAP_ASK_BACKUP] = {NEEDS_NAME, false, 0},
};
#define N_SHAPES (int)(sizeof SHAPES / sizeof *SHAPES)

__attribute__((format(printf, 2, 3))) static bool wrong(struct ask *ask, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ask->message, sizeof ask->message, format, args);
    va_end(args);
    return false;
}

static bool wrong_param(struct ask *ask, const char *name, const char *format, const char *why)
{
    ask->param = mem_text(name);
    return wrong(ask, format, name, why);
}

static bool unknown(struct ask *ask, const struct shape *shape, const char *name)
{
    const char *names[N_PARAMS + 32];
    size_t count = 0;
    for (size_t i = 0; i < N_PARAMS; i++)
        if (PARAMS[i].takers & shape->taker)
            names[count++] = PARAMS[i].name;
    for (size_t i = 0; shape->filters && filter_terms[i]; i++)
        names[count++] = filter_terms[i];
    const char *near = text_nearest(name, names, count);
    ask->param = mem_text(name);
    return near ? wrong(ask, "%.64s: no such parameter (did you mean %s?)", name, near)
                : wrong(ask, "%.64s: no such parameter", name);
}

/* In a bulk edit a bare number is what to set; =3, >3 and the like are the filter's. */
static bool is_filters(const struct shape *shape, const struct neap_param *param)
{
    return shape->filters && param->value[0] && strchr("<>=", param->value[0]);
}

static const struct param *param_find(const struct shape *shape, const struct neap_param *param)
{
    for (size_t i = 0; i < N_PARAMS; i++)
        if (PARAMS[i].takers & shape->taker && strcmp(PARAMS[i].name, param->name) == 0)
            return is_filters(shape, param) ? NULL : &PARAMS[i];
    return NULL;
}

static bool take_filter(struct ask *ask, const struct shape *shape, const struct neap_param *param)
{
    struct buf why = {0};
    enum filter_result rc = FILTER_UNKNOWN;
    if (shape->filters)
        rc = filter_term(&ask->filter, param->name, param->value, clock_unix_ms(), &why);
    if (rc == FILTER_UNKNOWN)
        unknown(ask, shape, param->name);
    else if (rc == FILTER_BAD)
        wrong_param(ask, param->name, "%s: %s", buf_string(&why));
    buf_close(&why);
    return rc == FILTER_OK;
}

static bool take_param(struct ask *ask, const struct shape *shape, const struct neap_param *param)
{
    struct buf why = {0};
    const struct param *own = param_find(shape, param);
    if (!own)
        return take_filter(ask, shape, param);
    const bool ok = own->take(ask, param->value, &why);
    if (!ok)
        wrong_param(ask, own->name, "%s: it is %s", buf_string(&why));
    buf_close(&why);
    return ok;
}

static bool repeated(struct ask *ask, const struct neap_ask *request, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(request->params[i].name, request->params[at].name) == 0 &&
            (request->what != NEAP_ASK_BULK || strcmp(request->params[at].name, "priority") != 0))
            return !wrong_param(ask, request->params[at].name, "%s: given %s", "twice");
    return false;
}

static bool read_params(struct ask *ask, const struct shape *shape, const struct neap_ask *request)
{
    if (request->n_params > PARAMS_MAX)
        return wrong(ask, "more than %d parameters", PARAMS_MAX);
    for (size_t i = 0; i < request->n_params; i++) {
        const struct neap_param *param = &request->params[i];
        if (!param->name || !param->value)
            return wrong(ask, "a parameter without name or value");
        if (repeated(ask, request, i) || !take_param(ask, shape, param))
            return false;
    }
    return true;
}

static int64_t deadline(int64_t timeout_ms)
{
    if (timeout_ms < 0 || timeout_ms > ASK_TIME_MAX_MS)
        return INT64_MAX;
    return clock_unix_ms() + timeout_ms;
}

static bool read_verb(struct ask *ask, struct shape *shape)
{
    static const char *const verbs[] = {[BULK_CANCEL] = "cancel",
                                        [BULK_RETRY] = "retry",
                                        [BULK_DELETE] = "delete",
                                        [BULK_EDIT] = "edit"};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i], ask->name) == 0) {
            ask->verb = (int)i;
            shape->taker = i == BULK_EDIT ? BULK_EDITS : BULKS;
            return true;
        }
    }
    const char *near = text_nearest(ask->name, verbs, sizeof verbs / sizeof *verbs);
    return wrong(ask, "no such verb: %.64s (%s)", ask->name,
                 near ? near : "cancel, retry, delete, edit");
}

/* What no single parameter can tell. */
static bool is_whole(struct ask *ask, const struct shape *shape)
{
    const bool edits = shape->taker & (EDITS | BULK_EDITS);
    const bool bulk = ask->what == NEAP_ASK_BULK;
    if (edits && !ask->has_priority && !ask->has_due)
        return wrong(ask, "nothing to change: give priority or due");
    if (shape->taker & LIMITS && !ask->sets.concurrency && !ask->sets.rate && !ask->sets.capacity)
        return wrong(ask, "nothing to change: give concurrency, rate or capacity");
    if (bulk && !ask->filter.n_terms && !ask->all)
        return wrong(ask, "a filter is missing (state=..., queue=...), or all=yes");
    return true;
}

int filter_read(struct filter *filter, const struct neap_param *params, size_t n_params,
                struct neap_error *err)
{
    static const struct shape shape = {.filters = true};
    const struct neap_ask request = {.params = params, .n_params = n_params};
    struct ask *ask = mem_zero(1, sizeof *ask);
    int rc = NEAP_OK;
    if (!read_params(ask, &shape, &request))
        rc = error_set(err, NEAP_EINVAL, "%s", ask->message);
    *filter = ask->filter;
    ask->filter = (struct filter){0};
    ask_free(ask);
    return rc;
}

bool ask_read(struct ask *ask, const struct neap_ask *request)
{
    if (request->what < 0 || request->what >= N_SHAPES)
        return wrong(ask, "no such question: %d", request->what);
    struct shape shape = SHAPES[request->what];
    ask->what = request->what;
    ask->call.id = request->id;
    ask->call.deadline_ms = deadline(request->timeout_ms);
    ask->name = mem_text(request->name);
    ask->limit = LIMIT_DEFAULT;
    ask->newest_first = true;
    if (shape.needs == NEEDS_ID && !request->id)
        return wrong(ask, "no job id given");
    if (shape.needs == NEEDS_NAME && (!request->name || !*request->name))
        return wrong(ask, "no name given");
    if (ask->what == NEAP_ASK_BULK && !read_verb(ask, &shape))
        return false;
    return read_params(ask, &shape, request) && is_whole(ask, &shape);
}

void ask_free(struct ask *ask)
{
    filter_close(&ask->filter);
    ask_steps_free(ask->steps);
    free(ask->workers);
    buf_close(&ask->call.reply);
    free(ask->name);
    free(ask->param);
    free(ask);
}
