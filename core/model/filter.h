/* Which jobs are meant: the terms of `neap ls`, of the HTTP query and of bulk actions. All terms of
 * a filter must match. Pure; time is an argument. Owned by who parsed it. */
#ifndef MODEL_FILTER_H
#define MODEL_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define FILTER_ITEMS_MAX 1000 /* of one list */

struct filter_list {
    char **items;
    size_t count;
};

struct filter {                       /* zeroed: every job */
    unsigned states;                  /* bit n: enum neap_state n; 0: any */
    struct filter_list tasks, queues; /* names, or patterns with `*`; none: any */
    struct filter_list codes;         /* of the last error */
    uint64_t *ids;                    /* sorted; none: any */
    size_t n_ids;
    uint64_t parent;             /* 0: any */
    int64_t before_ms, after_ms; /* submitted before, not before; 0: any time */
    char *text;                  /* in the message of the last error; NULL: any */
    bool has_priority;
    int priority_min, priority_max;
    unsigned n_terms; /* given so far */
};

/* What of a job a filter looks at. `code` and `message` are NULL without an error. */
struct filter_job {
    uint64_t id, parent;
    int state, priority;
    const char *task, *queue, *code, *message;
    int64_t submitted_ms;
};

enum filter_result { FILTER_OK, FILTER_UNKNOWN /* no term of that name */, FILTER_BAD };

/* Adds one term. FILTER_BAD: `why` says what is wrong with the value. A term given twice:
 * FILTER_BAD.
 */
enum filter_result filter_term(struct filter *filter, const char *name, const char *value,
                               int64_t now_ms, struct buf *why);
extern const char *const filter_terms[]; /* the names, NULL at the end */

bool filter_matches(const struct filter *filter, const struct filter_job *job);
/* The one name that the list allows, where that is no pattern; else NULL. */
const char *filter_only(const struct filter_list *list);
void filter_close(struct filter *filter); /* leaves it empty */

/* `*` stands for any characters, also none. */
bool filter_glob(const char *pattern, const char *text);

#endif
