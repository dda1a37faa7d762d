#include "model/filter.h"

#include "base/mem.h"
#include "base/text.h"
#include "neap.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX (64 * 1024) /* bytes of one value */

/* --- lists --------------------------------------------------------------------------------------
 */

static void list_close(struct filter_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct filter_list){0};
}

static char *trimmed(const char *from, const char *end)
{
    while (from < end && *from == ' ')
        from++;
    while (end > from && end[-1] == ' ')
        end--;
    char *item = mem_alloc((size_t)(end - from) + 1);
    memcpy(item, from, (size_t)(end - from));
    item[end - from] = 0;
    return item;
}

/* The items between commas; false: one is empty, or there are too many. */
static bool split(const char *value, struct filter_list *list, struct buf *why)
{
    for (const char *at = value;; at++) {
        const char *end = at + strcspn(at, ",");
        if (list->count == FILTER_ITEMS_MAX) {
            buf_format(why, "more than %d items", FILTER_ITEMS_MAX);
            return false;
        }
        list->items = mem_grow(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count] = trimmed(at, end);
        if (!*list->items[list->count++]) {
            buf_text(why, "an empty item");
            return false;
        }
        at = end;
        if (!*at)
            return true;
    }
}

/* --- terms --------------------------------------------------------------------------------------
 */

static bool put_state(struct filter *f, const char *name, struct buf *why)
{
    const char *names[NEAP_STATES];
    for (int i = 0; i < NEAP_STATES; i++) {
        names[i] = neap_state_name(i);
        if (strcmp(names[i], name) == 0) {
            f->states |= 1u << i;
            return true;
        }
    }
    const char *near = text_nearest(name, names, NEAP_STATES);
    buf_format(why, "no such state: %.64s", name);
    if (near)
        buf_format(why, " (did you mean %s?)", near);
    return false;
}

static bool term_state(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    struct filter_list list = {0};
    (void)now_ms;
    bool ok = split(value, &list, why);
    for (size_t i = 0; ok && i < list.count; i++)
        ok = put_state(f, list.items[i], why);
    list_close(&list);
    return ok;
}

static bool is_pattern_char(char c)
{
    return c == '*' || c == '.' || c == '-' || c == '_' || (c >= '0' && c <= '9') ||
           (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool patterns(struct filter_list *list, const char *value, struct buf *why)
{
    if (!split(value, list, why))
        return false;
    for (size_t i = 0; i < list->count; i++)
        for (const char *at = list->items[i]; *at; at++)
            if (!is_pattern_char(*at)) {
                buf_format(why, "%.64s is no name or pattern", list->items[i]);
                return false;
            }
    return true;
}

static bool term_queue(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    (void)now_ms;
    return patterns(&f->queues, value, why);
}

static bool term_task(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    (void)now_ms;
    return patterns(&f->tasks, value, why);
}

static bool term_error(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    (void)now_ms;
    return patterns(&f->codes, value, why);
}

static bool read_id(const char *text, uint64_t *id, struct buf *why)
{
    if (neap_id_parse(text, id) == NEAP_OK && *id) /* no job has 0, and here it would mean any */
        return true;
    buf_format(why, "%.64s is no job id", text);
    return false;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool term_id(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    struct filter_list list = {0};
    (void)now_ms;
    bool ok = split(value, &list, why);
    f->ids = mem_zero(list.count, sizeof *f->ids);
    for (size_t i = 0; ok && i < list.count; i++)
        ok = read_id(list.items[i], &f->ids[f->n_ids++], why);
    qsort(f->ids, f->n_ids, sizeof *f->ids, by_id);
    list_close(&list);
    return ok;
}

static bool term_parent(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    (void)now_ms;
    return read_id(value, &f->parent, why);
}

/* A time, or a duration: so long ago. */
static bool read_age(const char *value, int64_t now_ms, int64_t *ms, struct buf *why)
{
    int64_t ago_ms;
    if (text_duration(value, &ago_ms)) {
        *ms = ago_ms < now_ms ? now_ms - ago_ms : 1;
        return true;
    }
    if (text_time(value, ms)) {
        *ms = *ms > 0 ? *ms : 1;
        return true;
    }
    buf_format(why, "%.64s is no duration (30s, 2h, 7d) and no time (RFC 3339)", value);
    return false;
}

static bool term_older(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    return read_age(value, now_ms, &f->before_ms, why);
}

static bool term_newer(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    return read_age(value, now_ms, &f->after_ms, why);
}

static bool term_text(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    (void)now_ms;
    if (!*value) {
        buf_text(why, "an empty text");
        return false;
    }
    f->text = mem_text(value);
    return true;
}

/* "3" "=3" ">5" ">=5" "<0" "<=0" */
static bool term_priority(struct filter *f, const char *value, int64_t now_ms, struct buf *why)
{
    const char sign = *value == '<' || *value == '>' || *value == '=' ? *value : 0;
    const char *number = value + (sign != 0);
    const bool with = sign != '=' && sign && *number == '=';
    int64_t n;
    (void)now_ms;
    if (!text_integer(number + with, &n) || n < NEAP_PRIORITY_MIN || n > NEAP_PRIORITY_MAX) {
        buf_format(why, "%.64s is no priority (3, >5, <=0; from %d to %d)", value,
                   NEAP_PRIORITY_MIN, NEAP_PRIORITY_MAX);
        return false;
    }
    f->has_priority = true;
    f->priority_min = sign == '<' ? INT_MIN : (int)n + (sign == '>' && !with);
    f->priority_max = sign == '>' ? INT_MAX : (int)n - (sign == '<' && !with);
    return true;
}

const char *const filter_terms[] = {"state", "queue", "task", "id",       "parent", "error",
                                    "older", "newer", "text", "priority", NULL};

static bool (*const TERMS[])(struct filter *f, const char *value, int64_t now_ms,
                             struct buf *why) = {
    term_state, term_queue, term_task,  term_id,   term_parent,
    term_error, term_older, term_newer, term_text, term_priority,
};

static bool is_given(const struct filter *f, size_t term)
{
    const bool given[] = {
        f->states != 0,  f->queues.count > 0, f->tasks.count > 0, f->ids != NULL,
        f->parent != 0,  f->codes.count > 0,  f->before_ms != 0,  f->after_ms != 0,
        f->text != NULL, f->has_priority,
    };
    return given[term];
}

enum filter_result filter_term(struct filter *f, const char *name, const char *value,
                               int64_t now_ms, struct buf *why)
{
    size_t term = 0;
    while (filter_terms[term] && strcmp(filter_terms[term], name) != 0)
        term++;
    if (!filter_terms[term])
        return FILTER_UNKNOWN;
    if (strlen(value) > VALUE_MAX) {
        buf_format(why, "longer than %d KiB", VALUE_MAX / 1024);
        return FILTER_BAD;
    }
    if (is_given(f, term)) {
        buf_text(why, "given twice");
        return FILTER_BAD;
    }
    f->n_terms++;
    return TERMS[term](f, value, now_ms, why) ? FILTER_OK : FILTER_BAD;
}

/* --- matching -----------------------------------------------------------------------------------
 */

bool filter_glob(const char *pattern, const char *text)
{
    const char *star = NULL, *retry = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) { /* the last star takes one more */
            pattern = star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool any_of(const struct filter_list *list, const char *name)
{
    if (!list->count)
        return true;
    for (size_t i = 0; name && i < list->count; i++)
        if (filter_glob(list->items[i], name))
            return true;
    return false;
}

static bool has_id(const struct filter *f, uint64_t id)
{
    return !f->ids || bsearch(&id, f->ids, f->n_ids, sizeof *f->ids, by_id);
}

bool filter_matches(const struct filter *f, const struct filter_job *job)
{
    if (f->states && !(f->states >> job->state & 1))
        return false;
    if (f->has_priority && (job->priority < f->priority_min || job->priority > f->priority_max))
        return false;
    if ((f->before_ms && job->submitted_ms >= f->before_ms) ||
        (f->after_ms && job->submitted_ms < f->after_ms) || (f->parent && job->parent != f->parent))
        return false;
    if (f->text && (!job->message || !strstr(job->message, f->text)))
        return false;
    return has_id(f, job->id) && any_of(&f->queues, job->queue) && any_of(&f->tasks, job->task) &&
           any_of(&f->codes, job->code);
}

const char *filter_only(const struct filter_list *list)
{
    return list->count == 1 && !strchr(list->items[0], '*') ? list->items[0] : NULL;
}

void filter_close(struct filter *f)
{
    list_close(&f->tasks);
    list_close(&f->queues);
    list_close(&f->codes);
    free(f->ids);
    free(f->text);
    *f = (struct filter){0};
}
