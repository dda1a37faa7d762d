/* A question of neap_ask on its way: parsed and checked by neap_ask.c, the engine's from post to
 * `done`, which frees it. The document takes shape in call.reply. */
#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "model/call.h"
#include "model/filter.h"
#include "parts/store.h"

#define ASK_TIME_MAX_MS (INT64_C(1) << 52) /* sums of two are safe */

struct ask {
    struct call call; /* the first; its id, deadline_ms, reply and rc are the question's */
    int what;         /* enum neap_what */
    char *name;       /* owned; NULL: none */
    struct filter filter;
    char message[512]; /* of an error; "": the code's own text */
    char *param;       /* the name of that which is wrong; owned, or NULL */
    /* params */
    bool wide, newest_first, dry_run, all;
    uint64_t cursor, offset;
    size_t limit;
    bool has_priority, has_due;
    int priority;
    int64_t due_ms; /* 0: now */
    /* the host's */
    void *user;
    neap_reply_fn *done;
};

#endif
