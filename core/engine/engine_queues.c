#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool queue_has_place(const struct queue *q)
{
    return !q->limits || !q->limits->concurrency || q->running < q->limits->concurrency;
}

void queue_look(struct engine *e, struct queue *q)
{
    const struct config_queue *limits = q->limits;
    bool shut = false;
    if (limits) {
        const int64_t taken = q->running + (int64_t)q->wanting.len;
        shut = limits->paused || (limits->concurrency && taken >= limits->concurrency);
    }
    q->too_early = q->rate.interval_ns && rate_ready_ns(&q->rate) > clock_mono_ns();
    shut |= q->too_early;
    index_shut(e->ops->index(e->store), q->gate->index, shut);
}

int queue_aged(const struct engine *e, const struct queue *q, const struct job *job)
{
    if (e->latest_ms <= job->available_ms)
        return job->priority;
    const int64_t periods = (e->latest_ms - job->available_ms) / q->limits->ageing_ms;
    const int most = NEAP_PRIORITY_MAX - job->priority;
    return periods < most ? job->priority + (int)periods : NEAP_PRIORITY_MAX;
}

/* Else queue_look would open it, whatever it holds. */
static bool is_limited(const struct queue *q)
{
    const struct config_queue *limits = q->limits;
    return (limits && (limits->paused || limits->concurrency)) || q->rate.interval_ns;
}

static bool names_queue(const struct config_pool *pool, const char *name)
{
    for (char **at = pool->queues; *at; at++)
        if (strcmp(*at, name) == 0)
            return true;
    return false;
}

static uint64_t bit_of(const struct engine *e, const char *pool)
{
    for (size_t i = 0; i < e->n_pools; i++)
        if (strcmp(e->pools[i].name, pool) == 0)
            return UINT64_C(1) << i;
    return 0;
}

/* `*` serves what no other pool names. */
static uint64_t pools_of(const struct engine *e, const char *name)
{
    uint64_t named = 0, any = 0;
    for (size_t i = 0; i < e->config->n_pools; i++) {
        const struct config_pool *pool = &e->config->pools[i];
        if (names_queue(pool, name))
            named |= bit_of(e, pool->name);
        if (names_queue(pool, "*"))
            any |= bit_of(e, pool->name);
    }
    return named ? named : any;
}

static struct queue *queue_new(struct gate *gate)
{
    struct queue *q = mem_zero(1, sizeof *q);
    q->gate = gate;
    list_init(&q->room);
    return q;
}

void queues_follow(struct engine *e)
{
    struct gates *gates = e->env.worker->gates;
    struct index *index = e->ops->index(e->store);
    const size_t count = gates_count(gates);
    if (count > e->n_queues)
        e->queues = mem_grow(e->queues, count, sizeof(struct queue *));
    for (size_t i = e->n_queues; i < count; i++)
        e->queues[i] = queue_new(gates_at(gates, (unsigned)i));
    for (size_t i = e->n_queues; i < count; i++)
        queue_recall(e, e->queues[i]);
    e->n_queues = count;
    e->n_rated = 0;
    for (size_t i = 0; i < count; i++) {
        struct queue *q = e->queues[i];
        queue_override_apply(e, q);
        q->pools = pools_of(e, q->gate->name);
        rate_set(&q->rate, q->limits ? q->limits->rate_interval_ns : 0, clock_mono_ns());
        e->n_rated += q->rate.interval_ns != 0;
        e->ops->set_ageing(e->store, (unsigned)i, q->limits ? q->limits->ageing_ms : 0);
        index_serve(index, (unsigned)i, q->pools);
        q->limited = is_limited(q);
        index_limit(index, (unsigned)i, q->limited);
        queue_look(e, q);
    }
}

int64_t queues_next_ns(const struct engine *e)
{
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; e->n_rated && i < e->n_queues; i++) {
        const struct queue *q = e->queues[i];
        const int64_t ready_ns = rate_ready_ns(&q->rate);
        if (q->too_early && ready_ns < next_ns && /* it may have passed since, and then is now */
            index_available(e->ops->index(e->store), q->gate->index))
            next_ns = ready_ns;
    }
    return next_ns;
}

static void fill_room(struct engine *e, struct queue *q)
{
    for (struct list *at; (at = list_first(&q->room));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (!gate_enter(q->gate))
            return;
        list_remove(at);
        e->n_rooms--;
        atomic_fetch_sub(&q->gate->blocked, 1);
        submit_call(e, call);
    }
}

void queues_turn(struct engine *e)
{
    if (!e->n_rated && !e->n_rooms)
        return;
    for (size_t i = 0; i < e->n_queues; i++) {
        struct queue *q = e->queues[i];
        if (q->rate.interval_ns)
            queue_refresh(e, q);
        if (!list_empty(&q->room))
            fill_room(e, q);
    }
}

void queues_close(struct engine *e)
{
    for (size_t i = 0; i < e->n_queues; i++) {
        heap_close(&e->queues[i]->wanting);
        free(e->queues[i]);
    }
    free(e->queues);
}
