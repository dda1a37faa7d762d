#include "engine/engine_state.h"

#include "base/mem.h"
#include "model/metrics.h"
#include "model/msgpack.h"

#include <stdlib.h>
#include <string.h>

static uint64_t running_of(const struct queue *q)
{
    return q->running > 0 ? (uint64_t)q->running : 0;
}

/* Counters of a queue with what its gate counts on other threads. */
static struct neap_counters queue_counters(const struct queue *q)
{
    struct neap_counters c = q->counters;
    const int64_t waiting = atomic_load(&q->gate->waiting);
    c.waiting = waiting > 0 ? (uint64_t)waiting : 0;
    c.running = running_of(q);
    c.rejected = atomic_load(&q->gate->rejected);
    c.dropped = atomic_load(&q->gate->dropped);
    return c;
}

static struct neap_counters totals(const struct engine *e)
{
    struct neap_counters c = e->total;
    c.waiting = c.running = c.rejected = c.dropped = 0;
    for (size_t i = 0; i < e->n_queues; i++) {
        const struct neap_counters q = queue_counters(e->queues[i]);
        c.waiting += q.waiting;
        c.rejected += q.rejected;
        c.dropped += q.dropped;
    }
    const int64_t running = (int64_t)e->live - (int64_t)c.waiting; /* also those that wait for jobs */
    c.running = running > 0 ? (uint64_t)running : 0;
    return c;
}

static size_t workers(const struct engine *e)
{
    size_t count = 0;
    for (size_t i = 0; i < e->n_pools; i++)
        count += e->pools[i].n_members;
    return count;
}

void stats_fill(struct engine *e, struct neap_stats *out)
{
    struct neap_stats_row *rows = mem_zero(e->n_queues + e->n_tasks, sizeof *rows);
    *out = (struct neap_stats){
        .total = totals(e),
        .n_queues = e->n_queues,
        .n_workers = workers(e),
        .queues = rows,
        .tasks = rows + e->n_queues,
        .reloads = e->publications,
        .broken = e->catalogue->broken,
        .uptime_ms = e->now_ms - e->started_ms,
        .owned = rows,
    };
    for (size_t i = 0; i < e->n_queues; i++) {
        out->queues[i].name = e->queues[i]->gate->name;
        out->queues[i].counters = queue_counters(e->queues[i]);
    }
    for (size_t i = 0; i < e->n_tasks; i++) {
        if (!e->tasks[i].name)
            continue;
        struct neap_stats_row *row = &out->tasks[out->n_tasks++];
        row->name = e->tasks[i].name->text;
        row->counters = e->tasks[i].counters;
    }
}

/* --- for neap.stats() --------------------------------------------------------------------------- */

static void key(struct buf *out, const char *name)
{
    msgpack_text(out, name, strlen(name));
}

static void pack_histogram(struct buf *out, const char *name, const uint64_t buckets[NEAP_BUCKETS], double sum_s)
{
    key(out, name);
    msgpack_map(out, 5);
    key(out, "count");
    msgpack_integer(out, (int64_t)metrics_count(buckets));
    key(out, "sum");
    msgpack_float(out, sum_s);
    key(out, "p50");
    msgpack_float(out, metrics_quantile(buckets, 0.5) / 1e6);
    key(out, "p99");
    msgpack_float(out, metrics_quantile(buckets, 0.99) / 1e6);
    key(out, "buckets");
    msgpack_array(out, NEAP_BUCKETS);
    for (size_t i = 0; i < NEAP_BUCKETS; i++)
        msgpack_integer(out, (int64_t)buckets[i]);
}

static void pack_counters(struct buf *out, const struct neap_counters *c, size_t more)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"submitted", c->submitted}, {"completed", c->completed}, {"failed", c->failed},
        {"retried", c->retried},     {"dead", c->dead},           {"cancelled", c->cancelled},
        {"dropped", c->dropped},     {"rejected", c->rejected},   {"running", c->running},
        {"waiting", c->waiting},
    };
    const size_t count = sizeof rows / sizeof *rows;
    msgpack_map(out, count + 2 + more);
    for (size_t i = 0; i < count; i++) {
        key(out, rows[i].name);
        msgpack_integer(out, (int64_t)rows[i].value);
    }
    pack_histogram(out, "run", c->run_us, c->run_sum_s);
    pack_histogram(out, "wait", c->wait_us, c->wait_sum_s);
}

static void pack_rows(struct buf *out, const char *name, const struct neap_stats_row *rows, size_t count)
{
    key(out, name);
    msgpack_map(out, count);
    for (size_t i = 0; i < count; i++) {
        key(out, rows[i].name);
        pack_counters(out, &rows[i].counters, 0);
    }
}

void stats_pack(struct engine *e, struct buf *out)
{
    struct neap_stats stats;
    stats_fill(e, &stats);
    pack_counters(out, &stats.total, 6);
    pack_rows(out, "queues", stats.queues, stats.n_queues);
    pack_rows(out, "tasks", stats.tasks, stats.n_tasks);
    key(out, "workers");
    msgpack_integer(out, (int64_t)stats.n_workers);
    key(out, "reloads");
    msgpack_integer(out, (int64_t)stats.reloads);
    key(out, "broken");
    msgpack_integer(out, (int64_t)stats.broken);
    key(out, "uptime");
    msgpack_float(out, (double)stats.uptime_ms / 1000);
    free(stats.owned);
}
