/* Who waits for which job: calls by job id. Pure bookkeeping of the engine. */
#ifndef ENGINE_WAITERS_H
#define ENGINE_WAITERS_H

#include "model/call.h"

struct waiters {
    struct list *buckets;
    size_t n_buckets, count;
};

struct waiters *waiters_new(void);
void waiters_free(struct waiters *waiters); /* must be empty */
void waiters_add(struct waiters *waiters,
                 struct call *call); /* by call->id, linked by call->waiting */
void waiters_remove(struct waiters *waiters, struct call *call);
static inline bool waiters_any(const struct waiters *waiters)
{
    return waiters->count > 0;
}
/* Moves all calls that wait for `id` to the end of `out`. */
void waiters_take(struct waiters *waiters, uint64_t id, struct list *out);
/* Moves every call to `out`. */
void waiters_take_all(struct waiters *waiters, struct list *out);

#endif
