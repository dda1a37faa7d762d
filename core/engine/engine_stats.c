#include "engine/engine_state.h"

#include "base/mem.h"
#include "model/metrics.h"
#include "model/msgpack.h"

#include <stdlib.h>
#include <string.h>

struct task_row *task_row_new(struct engine *e, const struct task_name *name)
{
    if (name->index >= e->n_tasks) {
        const size_t count = name->index + 64;
        e->tasks = mem_grow(e->tasks, count, sizeof(struct task_row *));
        memset(e->tasks + e->n_tasks, 0, (count - e->n_tasks) * sizeof(struct task_row *));
        e->n_tasks = count;
    }
    struct task_row *row = e->tasks[name->index] = mem_zero(1, sizeof *row);
    row->name = name;
    return row;
}

void task_rows_close(struct engine *e)
{
    for (size_t i = 0; i < e->n_tasks; i++)
        free(e->tasks[i]);
    free(e->tasks);
}

static struct neap_counters totals(const struct engine *e)
{
    struct neap_counters c = {0};
    for (size_t i = 0; i < e->n_queues; i++) {
        const struct queue *q = e->queues[i];
        struct neap_counters of_queue;
        counters_read(&q->counters, &of_queue);
        counters_add(&c, &of_queue);
        c.rejected += atomic_load(&q->gate->rejected); /* counted on other threads */
        c.dropped += atomic_load(&q->gate->dropped);
    }
    return c;
}

static void add_running(struct neap_counters *c)
{
    c->running++;
    c->waiting--;
}

/* What has started: it runs, also while it waits. The rest of the live jobs waits in line. */
static void count_running(const struct engine *e, struct neap_stats *out, const size_t *row_of_task)
{
    for (struct member *m = NULL; (m = member_next(e, m));) {
        for (const struct list *at = m->claims.next; at != &m->claims; at = at->next) {
            const struct job *job = LIST_ENTRY(at, struct claim, link)->job;
            if (job->flags & JOB_ON_DEAD ||
                !atomic_load_explicit(&job->started, memory_order_acquire))
                continue;
            add_running(&out->total);
            add_running(&out->queues[job->gate->index].counters);
            add_running(&out->tasks[row_of_task[job->task->index]].counters);
        }
    }
}

static size_t workers(const struct engine *e)
{
    size_t count = 0;
    for (size_t i = 0; i < e->n_pools; i++)
        count += e->pools[i].n_members;
    return count;
}

static uint64_t preemptions(const struct engine *e)
{
    uint64_t count = e->preemptions;
    for (const struct member *m = NULL; (m = member_next(e, m));)
        count += worker_preemptions(m->worker);
    return count;
}

static void fill_queue(struct neap_stats_row *row, const struct queue *q)
{
    row->name = q->gate->name;
    counters_read(&q->counters, &row->counters);
    row->counters.rejected = atomic_load(&q->gate->rejected);
    row->counters.dropped = atomic_load(&q->gate->dropped);
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
        .stuck = e->stuck,
        .preemptions = preemptions(e),
        .uptime_ms = e->mono_ms - e->started_ms,
        .owned = rows,
    };
    size_t *row_of_task = mem_zero(e->n_tasks, sizeof *row_of_task);
    for (size_t i = 0; i < e->n_queues; i++)
        fill_queue(&out->queues[i], e->queues[i]);
    for (size_t i = 0; i < e->n_tasks; i++) {
        const struct task_row *task = e->tasks[i];
        if (!task)
            continue;
        row_of_task[i] = out->n_tasks;
        struct neap_stats_row *row = &out->tasks[out->n_tasks++];
        row->name = task->name->text;
        counters_read(&task->counters, &row->counters);
    }
    count_running(e, out, row_of_task);
    free(row_of_task);
}

/* --- for neap.stats() ---------------------------------------------------------------------------
 */

static void key(struct buf *out, const char *name)
{
    msgpack_text(out, name, strlen(name));
}

static void pack_histogram(struct buf *out, const char *name, const uint64_t buckets[NEAP_BUCKETS],
                           double sum_s)
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
    msgpack_map(out, count + 4 + more);
    for (size_t i = 0; i < count; i++) {
        key(out, rows[i].name);
        msgpack_integer(out, (int64_t)rows[i].value);
    }
    pack_histogram(out, "run", c->run_us, c->run_sum_s);
    pack_histogram(out, "wait", c->wait_us, c->wait_sum_s);
    key(out, "cpu");
    msgpack_float(out, c->cpu_sum_s);
    key(out, "bytes");
    msgpack_integer(out, (int64_t)c->bytes_sum);
}

static void pack_rows(struct buf *out, const char *name, const struct neap_stats_row *rows,
                      size_t count)
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
    pack_counters(out, &stats.total, 8);
    pack_rows(out, "queues", stats.queues, stats.n_queues);
    pack_rows(out, "tasks", stats.tasks, stats.n_tasks);
    key(out, "workers");
    msgpack_integer(out, (int64_t)stats.n_workers);
    key(out, "reloads");
    msgpack_integer(out, (int64_t)stats.reloads);
    key(out, "broken");
    msgpack_integer(out, (int64_t)stats.broken);
    key(out, "stuck");
    msgpack_integer(out, (int64_t)stats.stuck);
    key(out, "preemptions");
    msgpack_integer(out, (int64_t)stats.preemptions);
    key(out, "uptime");
    msgpack_float(out, (double)stats.uptime_ms / 1000);
    free(stats.owned);
}
