/* Counters as a document. */
#include "engine/engine_ask.h"

#include "model/doc.h"
#include "model/metrics.h"

#include <stdlib.h>

static void put_histogram(const char *name, const uint64_t buckets[NEAP_BUCKETS], double sum_s,
                          struct buf *out)
{
    doc_open(out, name);
    doc_integer(out, "count", (int64_t)metrics_count(buckets));
    doc_float(out, "sum", sum_s);
    doc_float(out, "p50", metrics_quantile(buckets, 0.5) / 1e6);
    doc_float(out, "p99", metrics_quantile(buckets, 0.99) / 1e6);
    doc_close(out);
}

static void put_counters(const struct neap_counters *c, struct buf *out)
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
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        doc_integer(out, rows[i].name, (int64_t)rows[i].value);
    put_histogram("run_seconds", c->run_us, c->run_sum_s, out);
    put_histogram("wait_seconds", c->wait_us, c->wait_sum_s, out);
    doc_float(out, "cpu_seconds", c->cpu_sum_s);
    doc_integer(out, "allocated_bytes", (int64_t)c->bytes_sum);
}

static void put_rows(const char *name, const struct neap_stats_row *rows, size_t count,
                     struct buf *out)
{
    doc_open(out, name);
    for (size_t i = 0; i < count; i++) {
        doc_open(out, rows[i].name);
        put_counters(&rows[i].counters, out);
        doc_close(out);
    }
    doc_close(out);
}

static void put_states(struct engine *e, struct buf *out)
{
    struct store_counts counts;
    e->ops->counts(e->store, &counts);
    doc_open(out, "jobs");
    for (int i = 0; i < NEAP_STATES; i++)
        doc_integer(out, neap_state_name(i), (int64_t)counts.states[i]);
    doc_close(out);
}

static void put_store(struct engine *e, struct buf *out)
{
    struct store_report report = {0};
    e->ops->report(e->store, &report);
    doc_open(out, "store");
    doc_text(out, "kind", e->ops->name);
    doc_bool(out, "durable", e->ops->durable);
    doc_bool(out, "full", report.full || e->full);
    doc_integer(out, "jobs_in_memory", (int64_t)report.in_memory);
    doc_integer(out, "memory_bytes", (int64_t)report.memory_bytes);
    if (e->ops->durable) {
        doc_integer(out, "file_bytes", report.file_bytes);
        doc_integer(out, "wal_bytes", report.wal_bytes);
        doc_integer(out, "commits", (int64_t)report.commits);
        doc_float(out, "commit_seconds", (double)report.commit_ns / 1e9);
        doc_float(out, "commit_max_seconds", (double)report.commit_max_ns / 1e9);
    }
    doc_close(out);
}

void ask_stats(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    struct neap_stats stats;
    stats_fill(e, &stats);
    doc_open(out, NULL);
    doc_text(out, "version", NEAP_VERSION);
    doc_float(out, "uptime_seconds", (double)stats.uptime_ms / 1000);
    doc_bool(out, "draining", e->draining);
    put_states(e, out);
    put_store(e, out);
    doc_open(out, "total");
    put_counters(&stats.total, out);
    doc_close(out);
    put_rows("queues", stats.queues, stats.n_queues, out);
    put_rows("tasks", stats.tasks, stats.n_tasks, out);
    doc_integer(out, "workers", (int64_t)stats.n_workers);
    doc_integer(out, "reloads", (int64_t)stats.reloads);
    doc_integer(out, "broken_plugins", (int64_t)stats.broken);
    doc_integer(out, "stuck_workers", (int64_t)stats.stuck);
    doc_integer(out, "preemptions", (int64_t)stats.preemptions);
    doc_close(out);
    free(stats.owned);
    ask_answer(e, ask, NEAP_OK);
}
