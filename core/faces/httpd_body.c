/* Arguments go to neap as the bytes that were sent: no number is read and written again. */
#include "faces/httpd_body.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define TIME_MAX_MS INT64_C(253402300799999) /* the year 9999 */

/* ---- text */

struct scan { /* over JSON that may be wrong: good for counting, not for judging */
    size_t deepest;
    const char *args; /* the value of "args" in the outermost object; NULL: not seen */
    size_t args_len;
};

static const char *skip_string(const char *at, const char *end) /* stands at the quote */
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : end;
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at;
}

static void end_args(struct scan *scan, const char *at)
{
    while (at > scan->args && strchr(" \t\r\n", at[-1]))
        at--;
    scan->args_len = (size_t)(at - scan->args);
}

static void scan_text(struct scan *scan, const char *text, size_t len)
{
    const char *end = text + len;
    bool key = false, inside = false; /* a key may come; in the value of "args" */
    size_t depth = 0;
    *scan = (struct scan){0};
    for (const char *at = text; at < end;) {
        const char c = *at;
        if (c == '"') {
            const char *from = at;
            at = skip_string(at, end);
            if (key && depth == 1 && at - from == 6 && memcmp(from, "\"args\"", 6) == 0 &&
                !scan->args) {
                at = skip_space(at, end);
                scan->args = skip_space(at < end ? at + 1 : at, end);
                at = scan->args;
                inside = true;
            }
            key = false;
            continue;
        }
        if (inside && depth == 1 && (c == ',' || c == '}')) {
            inside = false;
            end_args(scan, at);
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth)
            depth--;
        if (!strchr(" \t\r\n", c))
            key = depth == 1 && (c == '{' || c == ',');
        if (depth > scan->deepest)
            scan->deepest = depth;
        at++;
    }
}

static json_t *load(const char *text, size_t len, struct scan *scan, struct httpd_problem *p)
{
    json_error_t error;
    scan_text(scan, text, len);
    if (scan->deepest > HTTPD_DEPTH) {
        httpd_problem_set(p, 400, "the JSON is nested deeper than %d", HTTPD_DEPTH);
        return NULL;
    }
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!root)
        httpd_problem_set(p, 400, "bad JSON: line %d, column %d: %s", error.line, error.column,
                          error.text);
    return root;
}

json_t *httpd_body_json(const char *text, size_t len, struct httpd_problem *p)
{
    struct scan scan;
    return load(text, len, &scan, p);
}

/* ---- values: each says what is wrong and where */

static const char *text_of(const json_t *value) /* NULL: no string, or with a NUL in it */
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static void take_text(const json_t *value, const char *pointer, const char **out,
                      struct httpd_problem *p)
{
    *out = text_of(value);
    if (!*out || !**out)
        httpd_problem_add(p, PART_BODY, pointer, "is a string with something in it");
}

/* A duration as text ("5s") or a number of seconds. */
static bool duration_of(const json_t *value, int64_t *ms)
{
    if (json_is_number(value)) {
        const double seconds = json_number_value(value);
        if (!(seconds >= 0 && seconds <= (double)TIME_MAX_MS / 1000))
            return false;
        *ms = (int64_t)(seconds * 1000);
        *ms += (double)*ms < seconds * 1000;
        return true;
    }
    return text_of(value) && text_duration(text_of(value), ms) && *ms <= TIME_MAX_MS;
}

static void take_duration(const json_t *value, const char *pointer, int64_t *ms,
                          struct httpd_problem *p)
{
    if (!duration_of(value, ms))
        httpd_problem_add(p, PART_BODY, pointer,
                          "is a duration: text as \"5s\" or \"1h30m\", or a number of seconds");
}

static bool time_of(const json_t *value, int64_t *ms)
{
    if (json_is_number(value))
        return duration_of(value, ms);
    return text_of(value) && text_time(text_of(value), ms) && *ms >= 0 && *ms <= TIME_MAX_MS;
}

static void take_at(const json_t *value, const char *pointer, int64_t *ms, struct httpd_problem *p)
{
    if (!time_of(value, ms))
        httpd_problem_add(p, PART_BODY, pointer,
                          "is a time: \"2026-01-01T03:00:00Z\", or Unix seconds");
}

/* A duration from now, or a time. */
static void take_expires(const json_t *value, const char *pointer, int64_t *ms,
                         struct httpd_problem *p)
{
    if (text_of(value) && strchr(text_of(value), 'T')) {
        take_at(value, pointer, ms, p);
        return;
    }
    take_duration(value, pointer, ms, p);
    *ms += clock_unix_ms();
}

static void take_timeout(const json_t *value, const char *pointer, int64_t *ms,
                         struct httpd_problem *p)
{
    const char *text = text_of(value);
    if (!text || strcmp(text, "none") != 0)
        take_duration(value, pointer, ms, p);
    if (*ms == 0)
        *ms = -1;
}

static bool choice(const json_t *value, const char *const *words, size_t count, int *out)
{
    const char *text = text_of(value);
    for (size_t i = 0; text && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = (int)i;
            return true;
        }
    }
    return false;
}

static void take_priority(const json_t *value, struct neap_request *r, struct httpd_problem *p)
{
    static const char *const words[] = {"low", "normal", "high", "critical"};
    static const int levels[] = {-10, 0, 10, 20};
    int word;
    r->priority_set = 1;
    if (choice(value, words, LENGTH(words), &word))
        r->priority = levels[word];
    else if (json_is_integer(value) && json_integer_value(value) >= NEAP_PRIORITY_MIN &&
             json_integer_value(value) <= NEAP_PRIORITY_MAX)
        r->priority = (int)json_integer_value(value);
    else
        httpd_problem_add(p, PART_BODY, "/priority",
                          "is a whole number from %d to %d, or low, normal, high or critical",
                          NEAP_PRIORITY_MIN, NEAP_PRIORITY_MAX);
}

static void no_such_member(struct httpd_problem *p, const char *above, const char *name,
                           const char *const *known, size_t count)
{
    char *pointer = mem_format("%s/%.64s", above, name);
    const char *near = strlen(name) <= 64 ? text_nearest(name, known, count) : NULL;
    if (near)
        httpd_problem_add(p, PART_BODY, pointer, "no such member (did you mean %s?)", near);
    else
        httpd_problem_add(p, PART_BODY, pointer, "no such member");
    free(pointer);
}

/* ---- retry, unique, after */

static void take_max(const json_t *value, const char *pointer, int *max, struct httpd_problem *p)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= 1000000)
        *max = (int)json_integer_value(value);
    else
        httpd_problem_add(p, PART_BODY, pointer, "is a whole number from 0 to 1000000");
}

static void take_retry_member(struct neap_retry *retry, const char *name, const json_t *value,
                              struct httpd_problem *p)
{
    static const char *const backoffs[] = {"exponential", "linear", "fixed"};
    static const char *const known[] = {"max", "backoff", "base", "cap", "jitter"};
    if (strcmp(name, "max") == 0) {
        take_max(value, "/retry/max", &retry->max, p);
    } else if (strcmp(name, "backoff") == 0) {
        if (!choice(value, backoffs, LENGTH(backoffs), &retry->backoff))
            httpd_problem_add(p, PART_BODY, "/retry/backoff", "is exponential, linear or fixed");
    } else if (strcmp(name, "base") == 0) {
        take_duration(value, "/retry/base", &retry->base_ms, p);
    } else if (strcmp(name, "cap") == 0) {
        take_duration(value, "/retry/cap", &retry->cap_ms, p);
    } else if (strcmp(name, "jitter") == 0) {
        retry->jitter = json_number_value(value);
        if (!json_is_number(value) || !(retry->jitter >= 0 && retry->jitter <= 1))
            httpd_problem_add(p, PART_BODY, "/retry/jitter", "is a number from 0 to 1");
    } else {
        no_such_member(p, "/retry", name, known, LENGTH(known));
    }
}

static void take_retry(struct httpd_submission *s, const json_t *value, struct httpd_problem *p)
{
    const char *name;
    json_t *member;
    s->retry = (struct neap_retry){-1, -1, -1, -1, -1};
    s->request.retry = &s->retry;
    if (json_is_object(value))
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
            take_retry_member(&s->retry, name, member, p);
    else
        take_max(value, "/retry", &s->retry.max, p);
}

static void take_by(struct httpd_submission *s, const json_t *value, struct httpd_problem *p)
{
    const size_t count = json_array_size(value);
    s->by = mem_zero(count + 1, sizeof *s->by);
    bool sound = count > 0;
    for (size_t i = 0; i < count; i++) {
        s->by[i] = text_of(json_array_get(value, i));
        sound &= s->by[i] != NULL;
    }
    if (!sound)
        httpd_problem_add(p, PART_BODY, "/unique/by", "is an array of names of arguments");
    s->unique.by = s->by;
    s->unique.n_by = count;
}

static void take_states(struct httpd_submission *s, const json_t *value, struct httpd_problem *p)
{
    const char *names[NEAP_STATES];
    bool sound = json_array_size(value) > 0;
    for (int n = 0; n < NEAP_STATES; n++)
        names[n] = neap_state_name(n);
    for (size_t i = 0; i < json_array_size(value); i++) {
        int state;
        if (choice(json_array_get(value, i), names, NEAP_STATES, &state))
            s->unique.states |= 1u << state;
        else
            sound = false;
    }
    if (!sound)
        httpd_problem_add(p, PART_BODY, "/unique/states", "is an array of states of jobs");
}

static void take_unique(struct httpd_submission *s, const json_t *value, struct httpd_problem *p)
{
    static const char *const known[] = {"key", "by", "within", "states"};
    const char *name;
    json_t *member;
    if (json_is_false(value))
        return;
    s->request.unique = &s->unique;
    if (!json_is_object(value) && !json_is_true(value))
        httpd_problem_add(p, PART_BODY, "/unique", "is true, or an object");
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        if (strcmp(name, "key") == 0)
            take_text(member, "/unique/key", &s->unique.key, p);
        else if (strcmp(name, "by") == 0)
            take_by(s, member, p);
        else if (strcmp(name, "within") == 0)
            take_duration(member, "/unique/within", &s->unique.within_ms, p);
        else if (strcmp(name, "states") == 0)
            take_states(s, member, p);
        else
            no_such_member(p, "/unique", name, known, LENGTH(known));
    }
    if (s->unique.key && s->unique.n_by)
        httpd_problem_add(p, PART_BODY, "/unique", "has either a key or by");
}

static void take_after(struct httpd_submission *s, const json_t *value, struct httpd_problem *p)
{
    const size_t count = json_array_size(value);
    if (!json_is_array(value))
        httpd_problem_add(p, PART_BODY, "/after", "is an array of ids of jobs");
    s->after = mem_zero(count + 1, sizeof *s->after);
    bool sound = true;
    for (size_t i = 0; i < count && sound; i++) {
        const char *id = text_of(json_array_get(value, i));
        char *pointer = mem_format("/after/%zu", i);
        sound = id && neap_id_parse(id, &s->after[i]) == NEAP_OK;
        if (!sound)
            httpd_problem_add(p, PART_BODY, pointer, "is no id of a job");
        free(pointer);
    }
    s->request.after = s->after;
    s->request.n_after = count;
}

/* ---- the whole */

static void take_args(struct httpd_submission *s, const struct scan *scan, const json_t *value)
{
    if (scan->args) {
        s->request.args = scan->args;
        s->request.args_len = scan->args_len;
        return;
    }
    s->packed = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT); /* the key has escapes in it */
    s->request.args = s->packed;
    s->request.args_len = s->packed ? strlen(s->packed) : 0;
}

static void take_member(struct httpd_submission *s, const struct scan *scan, const char *name,
                        const json_t *value, struct httpd_problem *p)
{
    static const char *const policies[] = {"cancel", "run"};
    static const char *const known[] = {"task",  "args",   "queue",   "priority",
                                        "delay", "at",     "expires", "timeout",
                                        "retry", "unique", "after",   "after_failed"};
    struct neap_request *r = &s->request;
    if (strcmp(name, "task") == 0)
        take_text(value, "/task", &r->task, p);
    else if (strcmp(name, "args") == 0)
        take_args(s, scan, value);
    else if (strcmp(name, "queue") == 0)
        take_text(value, "/queue", &r->queue, p);
    else if (strcmp(name, "priority") == 0)
        take_priority(value, r, p);
    else if (strcmp(name, "delay") == 0)
        take_duration(value, "/delay", &r->delay_ms, p);
    else if (strcmp(name, "at") == 0)
        take_at(value, "/at", &r->at_ms, p);
    else if (strcmp(name, "expires") == 0)
        take_expires(value, "/expires", &r->expires_ms, p);
    else if (strcmp(name, "timeout") == 0)
        take_timeout(value, "/timeout", &r->timeout_ms, p);
    else if (strcmp(name, "retry") == 0)
        take_retry(s, value, p);
    else if (strcmp(name, "unique") == 0)
        take_unique(s, value, p);
    else if (strcmp(name, "after") == 0)
        take_after(s, value, p);
    else if (strcmp(name, "after_failed") != 0)
        no_such_member(p, "", name, known, LENGTH(known));
    else if (!choice(value, policies, LENGTH(policies), &r->after_failed))
        httpd_problem_add(p, PART_BODY, "/after_failed", "is cancel or run");
}

bool httpd_submission_read(struct httpd_submission *s, const char *text, size_t len,
                           struct httpd_problem *p)
{
    struct scan scan;
    const char *name;
    json_t *value;
    *s = (struct httpd_submission){.root = load(text, len, &scan, p)};
    if (!s->root)
        return false;
    if (!json_is_object(s->root)) {
        httpd_problem_add(p, PART_BODY, "", "a submission is an object");
        return false;
    }
    json_object_foreach(s->root, name, value) take_member(s, &scan, name, value, p);
    if (!s->request.task && !json_object_get(s->root, "task"))
        httpd_problem_add(p, PART_BODY, "/task", "is needed");
    if (s->request.delay_ms && s->request.at_ms)
        httpd_problem_add(p, PART_BODY, "/at", "cannot stand beside delay");
    return !httpd_problem_any(p);
}

void httpd_submission_close(struct httpd_submission *s)
{
    json_decref(s->root);
    free(s->packed);
    free(s->by);
    free(s->after);
}

const char *httpd_submission_pointer(const char *message)
{
    static const struct {
        const char *begin, *pointer;
    } map[] = {
        {"no such task", "/task"},    {"no such queue", "/queue"}, {"args", "/args"},
        {"line ", "/args"},           {"bad JSON", "/args"},       {"after", "/after"},
        {"no such job", "/after"},    {"priority", "/priority"},   {"unique", "/unique"},
        {"a time is too far", "/at"}, {"retry", "/retry"},         {"timeout", "/timeout"},
    };
    for (size_t i = 0; message && i < LENGTH(map); i++)
        if (strncmp(message, map[i].begin, strlen(map[i].begin)) == 0)
            return map[i].pointer;
    return NULL;
}
