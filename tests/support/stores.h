/* Stores for tests, one after another: a durable one is in a temporary file. Queues "q0" to "q3"
 * are served by pool 0, and each by pool 1 + its number; tasks are "t0" to "t2". Failures abort the
 * program. */
#ifndef SUPPORT_STORES_H
#define SUPPORT_STORES_H

#include "parts/gate.h"
#include "parts/index.h"
#include "parts/store.h"
#include "tree.h"

#define T0 INT64_C(1700000000000)
#define QUEUES 4
#define TASKS 3

struct backend {
    const char *name;
    const struct store_ops *ops;
    size_t window;
    struct tree tree; /* where a durable one has its file, "neap.db" */
    char path[512];
    struct names *names;
    struct gates *gates;
    struct gate *queues[QUEUES];
    const struct task_name *tasks[TASKS];
};

void backend_init(struct backend *b, const char *name, const struct store_ops *ops, size_t window);
void backend_close(struct backend *b);

struct store *backend_open(struct backend *b, const struct store_limits *limits); /* an empty one */
struct store *backend_reopen(struct backend *b, int64_t now_ms); /* what was closed last */

/* A job of task t(id % TASKS), submitted at T0. */
struct job *backend_job(const struct backend *b, uint64_t id, unsigned queue, int priority,
                        int64_t due_ms);

/* Claims one job; NULL: there is none. */
static inline struct job *store_claim(const struct store_ops *ops, struct store *s, unsigned pool,
                                      int64_t now_ms)
{
    struct job *job;
    return ops->claim(s, pool, now_ms, &job, 1) ? job : NULL;
}

#endif
