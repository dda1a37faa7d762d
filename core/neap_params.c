/* What each question takes, and its parameters from text. */
#include "neap_ask.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

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
    int64_t n;
    buf_format(why, "a whole number from %d to %d", NEAP_PRIORITY_MIN, NEAP_PRIORITY_MAX);
    if (!text_integer(value, &n) || n < NEAP_PRIORITY_MIN || n > NEAP_PRIORITY_MAX)
        return false;
    ask->priority = (int)n;
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

/* --- parameters ---------------------------------------------------------------------------------
 */

enum taker { /* bits: who takes it */
             LISTS = 1,
             LOGS = 2,
             EDITS = 4,
             BULKS = 8,
             BULK_EDITS = 16,
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
};
#define N_PARAMS (sizeof PARAMS / sizeof *PARAMS)

enum needs { NEEDS_NOTHING, NEEDS_ID, NEEDS_NAME, MAY_ID };

static const struct shape {
    enum needs needs;
    bool filters;
    unsigned taker;
} SHAPES[] = {
    [NEAP_ASK_JOB] = {.needs = NEEDS_ID},
    [NEAP_ASK_WAIT] = {.needs = NEEDS_ID},
    [NEAP_ASK_CANCEL] = {.needs = NEEDS_ID},
    [NEAP_ASK_STATS] = {.needs = NEEDS_NOTHING},
};

static bool known(int what)
{
    return what == NEAP_ASK_JOB || what == NEAP_ASK_WAIT || what == NEAP_ASK_CANCEL ||
           what == NEAP_ASK_STATS;
}

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

bool ask_read(struct ask *ask, const struct neap_ask *request)
{
    if (!known(request->what))
        return wrong(ask, "no such question: %d", request->what);
    const struct shape *shape = &SHAPES[request->what];
    ask->what = request->what;
    ask->call.id = request->id;
    ask->call.deadline_ms = deadline(request->timeout_ms);
    ask->name = mem_text(request->name);
    ask->limit = LIMIT_DEFAULT;
    ask->newest_first = true;
    if (shape->needs == NEEDS_ID && !request->id)
        return wrong(ask, "no job id given");
    if (shape->needs == NEEDS_NAME && (!request->name || !*request->name))
        return wrong(ask, "no name given");
    return read_params(ask, shape, request);
}

void ask_free(struct ask *ask)
{
    filter_close(&ask->filter);
    buf_close(&ask->call.reply);
    free(ask->name);
    free(ask->param);
    free(ask);
}
