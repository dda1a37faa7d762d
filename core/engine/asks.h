/* What the engine keeps for neap_ask: which questions are under way, and what was set for a queue.
 */
#ifndef ENGINE_ASKS_H
#define ENGINE_ASKS_H

#include <stdbool.h>

#include "base/list.h"
#include "model/config.h"

struct ask;
struct waiters;

struct asks {                  /* the engine's thread */
    struct list steps;         /* done in several turns */
    struct list settled;       /* to be answered once what can run has been handed out */
    struct list looks;         /* that wait for what workers show */
    struct waiters *followers; /* by job: for what it prints */
    struct ask *backup;        /* the one under way, or NULL */
    size_t changes;            /* to jobs in a file, by bulk actions in this turn */
    uint64_t serial;           /* of questions to workers */
};

struct limit_set { /* which limits of a queue are meant */
    bool concurrency, rate, capacity;
};

struct queue_override { /* beats the configuration; kept in the store's notes */
    bool has_paused;
    struct limit_set sets;
    struct config_queue limits; /* those that are set, and `paused` */
};

#endif
