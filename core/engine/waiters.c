#include "engine/waiters.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static struct list *bucket_of(const struct waiters *w, uint64_t id)
{
    return &w->buckets[(id * 0x9e3779b97f4a7c15u) >> 32 & (w->n_buckets - 1)];
}

static struct list *new_buckets(size_t count)
{
    struct list *buckets = mem_zero(count, sizeof *buckets);
    for (size_t i = 0; i < count; i++)
        list_init(&buckets[i]);
    return buckets;
}

struct waiters *waiters_new(void)
{
    struct waiters *w = mem_zero(1, sizeof *w);
    w->n_buckets = 64;
    w->buckets = new_buckets(w->n_buckets);
    return w;
}

void waiters_free(struct waiters *waiters)
{
    if (!waiters)
        return;
    assert(waiters->count == 0);
    free(waiters->buckets);
    free(waiters);
}

static void grow(struct waiters *w)
{
    struct list all;
    list_init(&all);
    for (size_t i = 0; i < w->n_buckets; i++)
        list_splice(&all, &w->buckets[i]);
    free(w->buckets);
    w->n_buckets *= 2;
    w->buckets = new_buckets(w->n_buckets);
    for (struct list *at; (at = list_shift(&all));)
        list_push(bucket_of(w, LIST_ENTRY(at, struct call, waiting)->id), at);
}

void waiters_add(struct waiters *waiters, struct call *call)
{
    if (waiters->count++ == waiters->n_buckets)
        grow(waiters);
    list_push(bucket_of(waiters, call->id), &call->waiting);
}

void waiters_remove(struct waiters *waiters, struct call *call)
{
    list_remove(&call->waiting);
    waiters->count--;
}

void waiters_take(struct waiters *waiters, uint64_t id, struct list *out)
{
    struct list *bucket = bucket_of(waiters, id);
    for (struct list *at = bucket->next, *next; at != bucket; at = next) {
        next = at->next;
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (call->id == id) {
            waiters_remove(waiters, call);
            list_push(out, &call->waiting);
        }
    }
}

void waiters_take_all(struct waiters *waiters, struct list *out)
{
    for (size_t i = 0; i < waiters->n_buckets; i++)
        list_splice(out, &waiters->buckets[i]);
    waiters->count = 0;
}
