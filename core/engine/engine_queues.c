#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct queue *queue_of(struct engine *e, const struct gate *gate)
{
    if (gate->index >= e->n_queues)
        queues_follow(e);
    return e->queues[gate->index];
}

void queue_refresh(struct engine *e, struct queue *q)
{
    const struct config_queue *limits = q->limits;
    bool shut = false;
    if (limits) {
        shut = limits->paused ||
               (limits->concurrency && q->running + q->returning >= limits->concurrency) ||
               (limits->rate_interval_ns && rate_ready_ns(&q->rate) > clock_mono_ns());
    }
    index_shut(e->ops->index(e->store), q->gate->index, shut);
}

static bool names_queue(const struct config_pool *pool, const char *name)
{
    for (char **at = pool->queues; *at; at++)
        if (strcmp(*at, name) == 0)
            return true;
    return false;
}

/* `*` serves what no other pool names. */
static uint64_t pools_of(const struct engine *e, const char *name)
{
    uint64_t named = 0, any = 0;
    for (size_t i = 0; i < e->config->n_pools; i++) {
        if (names_queue(&e->config->pools[i], name))
            named |= UINT64_C(1) << i;
        if (names_queue(&e->config->pools[i], "*"))
            any |= UINT64_C(1) << i;
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
    e->n_queues = count;
    for (size_t i = 0; i < count; i++) {
        struct queue *q = e->queues[i];
        q->limits = (struct config_queue *)config_queue_find(e->config, q->gate->name);
        q->pools = pools_of(e, q->gate->name);
        rate_set(&q->rate, q->limits ? q->limits->rate_interval_ns : 0, clock_mono_ns());
        index_queue(index, (unsigned)i, q->limits ? q->limits->ageing_ms : 0);
        index_serve(index, (unsigned)i, q->pools);
        queue_refresh(e, q);
    }
}

int64_t queues_next_ms(const struct engine *e)
{
    const int64_t now_ns = clock_mono_ns();
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < e->n_queues; i++) {
        const struct queue *q = e->queues[i];
        const int64_t ready_ns = q->rate.interval_ns ? rate_ready_ns(&q->rate) : 0;
        if (ready_ns > now_ns && ready_ns < next_ns &&
            index_available(e->ops->index(e->store), q->gate->index))
            next_ns = ready_ns;
    }
    return next_ns == INT64_MAX ? INT64_MAX : e->now_ms + (next_ns - now_ns + 999999) / 1000000;
}

static void fill_room(struct engine *e, struct queue *q)
{
    for (struct list *at; (at = list_first(&q->room));) {
        struct call *call = LIST_ENTRY(at, struct call, waiting);
        if (!gate_enter(q->gate))
            return;
        list_remove(at);
        atomic_fetch_sub(&q->gate->blocked, 1);
        job_accept(e, call->job);
        call->job = NULL;
        call_answer(e, call, NEAP_OK);
    }
}

void queues_turn(struct engine *e)
{
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
    for (size_t i = 0; i < e->n_queues; i++)
        free(e->queues[i]);
    free(e->queues);
}
