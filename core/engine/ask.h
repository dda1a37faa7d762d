/* A question of neap_ask on its way: parsed and checked by neap_ask.c, the engine's from post to
 * `done`, which frees it. The document takes shape in call.reply. */
#ifndef ENGINE_ASK_H
#define ENGINE_ASK_H

#include "base/procfs.h"
#include "model/call.h"
#include "model/config.h"
#include "engine/asks.h"
#include "model/filter.h"
#include "parts/store.h"

struct ask_steps;

#define ASK_TIME_MAX_MS (INT64_C(1) << 52) /* sums of two are safe */

enum bulk_verb { BULK_CANCEL, BULK_RETRY, BULK_DELETE, BULK_EDIT };

enum ask_place { /* where it waits in the engine */
                 ASK_NOWHERE,
                 ASK_WAITS,   /* among the waiters for a job's end */
                 ASK_FOLLOWS, /* among those for what a job prints */
                 ASK_STEPS,   /* in e->asks.steps: done in several turns */
                 ASK_SETTLED, /* in e->asks.settled */
                 ASK_LOOKS,   /* in e->asks.looks: for what workers show */
};

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
    int verb; /* enum bulk_verb */
    bool has_priority, has_due;
    int priority;
    int64_t due_ms; /* 0: now */
    struct config_queue limits;
    struct limit_set sets, resets; /* which of them are given; which as "default" */
    /* the engine's */
    enum ask_place place;
    uint64_t serial; /* of what it asked workers */
    void **workers;  /* that have not answered; owned */
    size_t n_workers, n_more;
    bool now; /* LOG: it does not wait for more */
    struct ask_steps *steps;
    struct procfs process; /* METRICS */
    /* the host's */
    void *user;
    neap_reply_fn *done;
};

void ask_steps_free(struct ask_steps *steps); /* NULL is fine */

#endif
