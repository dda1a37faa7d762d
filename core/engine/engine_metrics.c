/* Metrics in Prometheus' text format: base units, counters in _total, histograms cumulative. What
 * is labelled by queue or task counts the same jobs twice, so the names differ. */
#include "engine/engine_ask.h"
#include "engine/engine_schedules.h"

#include "base/mem.h"
#include "model/json.h"
#include "model/metrics.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 200 /* queues, and tasks, with a series of their own; the rest is one */
#define OTHER "_other"

/* Every other power of two from 256 us to 73 min: enough to tell, few enough to keep. */
#define BUCKET_FIRST 8
#define BUCKET_LAST 32
#define BUCKET_STEP 2

struct rows {
    const char *label; /* "queue" or "task" */
    struct neap_stats_row *items;
    size_t count;
    struct neap_stats_row other;
};

static void family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(struct buf *out, double value)
{
    if (value == (double)(int64_t)value && value < 1e15 && value > -1e15)
        buf_format(out, "%lld", (long long)value);
    else
        json_put_float(out, value);
    buf_byte(out, '\n');
}

static void single(struct buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    if (value < 0)
        return; /* not known */
    family(out, name, type, help);
    buf_format(out, "%s ", name);
    put_number(out, value);
}

/* --- by queue and by task -----------------------------------------------------------------------
 */

static void fold(struct rows *rows)
{
    if (rows->count <= ROWS_MAX)
        return;
    rows->other.name = OTHER;
    for (size_t i = ROWS_MAX - 1; i < rows->count; i++)
        counters_add(&rows->other.counters, &rows->items[i].counters);
    rows->items[ROWS_MAX - 1] = rows->other;
    rows->count = ROWS_MAX;
}

static void labelled(struct buf *out, const struct rows *rows, const char *name, const char *help,
                     size_t offset, const char *type)
{
    family(out, name, type, help);
    for (size_t i = 0; i < rows->count; i++) {
        const char *counters = (const char *)&rows->items[i].counters;
        buf_format(out, "%s{%s=\"%s\"} %llu\n", name, rows->label, rows->items[i].name,
                   (unsigned long long)*(const uint64_t *)(const void *)(counters + offset));
    }
}

static void ended(struct buf *out, const struct rows *rows, const char *name)
{
    static const struct {
        const char *state;
        size_t offset;
    } states[] = {{"completed", offsetof(struct neap_counters, completed)},
                  {"dead", offsetof(struct neap_counters, dead)},
                  {"cancelled", offsetof(struct neap_counters, cancelled)}};
    family(out, name, "counter", "Jobs that have ended, by how.");
    for (size_t i = 0; i < rows->count; i++) {
        const char *counters = (const char *)&rows->items[i].counters;
        for (size_t s = 0; s < 3; s++)
            buf_format(
                out, "%s{%s=\"%s\",state=\"%s\"} %llu\n", name, rows->label, rows->items[i].name,
                states[s].state,
                (unsigned long long)*(const uint64_t *)(const void *)(counters + states[s].offset));
    }
}

static void histogram(struct buf *out, const char *name, const char *label, const char *value,
                      const uint64_t buckets[NEAP_BUCKETS], double sum_s)
{
    uint64_t count = 0;
    unsigned next = 0;
    for (unsigned b = BUCKET_FIRST; b <= BUCKET_LAST; b += BUCKET_STEP) {
        while (next <= b)
            count += buckets[next++];
        buf_format(out, "%s_bucket{%s=\"%s\",le=\"", name, label, value);
        json_put_float(out, (double)(UINT64_C(1) << b) / 1e6);
        buf_format(out, "\"} %llu\n", (unsigned long long)count);
    }
    const unsigned long long all = metrics_count(buckets);
    buf_format(out, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %llu\n", name, label, value, all);
    buf_format(out, "%s_sum{%s=\"%s\"} ", name, label, value);
    put_number(out, sum_s);
    buf_format(out, "%s_count{%s=\"%s\"} %llu\n", name, label, value, all);
}

static void histograms(struct buf *out, const struct rows *rows, const char *run, const char *wait)
{
    family(out, run, "histogram", "How long attempts took, waiting included.");
    for (size_t i = 0; i < rows->count; i++)
        histogram(out, run, rows->label, rows->items[i].name, rows->items[i].counters.run_us,
                  rows->items[i].counters.run_sum_s);
    family(out, wait, "histogram", "How long jobs that could run had not started.");
    for (size_t i = 0; i < rows->count; i++)
        histogram(out, wait, rows->label, rows->items[i].name, rows->items[i].counters.wait_us,
                  rows->items[i].counters.wait_sum_s);
}

static void seconds(struct buf *out, const struct rows *rows, const char *name)
{
    family(out, name, "counter", "CPU time of attempts that have ended.");
    for (size_t i = 0; i < rows->count; i++) {
        buf_format(out, "%s{%s=\"%s\"} ", name, rows->label, rows->items[i].name);
        put_number(out, rows->items[i].counters.cpu_sum_s);
    }
}

#define COLUMN(field) offsetof(struct neap_counters, field)

static void by_queue(struct buf *out, const struct rows *rows)
{
    labelled(out, rows, "neap_jobs_submitted_total", "Jobs submitted, by queue.", COLUMN(submitted),
             "counter");
    ended(out, rows, "neap_jobs_total");
    labelled(out, rows, "neap_jobs_rejected_total", "Jobs refused as their queue was full.",
             COLUMN(rejected), "counter");
    labelled(out, rows, "neap_jobs_dropped_total", "Jobs dropped as their queue was full.",
             COLUMN(dropped), "counter");
    labelled(out, rows, "neap_attempts_failed_total", "Attempts that failed.", COLUMN(failed),
             "counter");
    labelled(out, rows, "neap_attempts_retried_total", "Failed attempts followed by another.",
             COLUMN(retried), "counter");
    labelled(out, rows, "neap_jobs_running", "Jobs that have started.", COLUMN(running), "gauge");
    labelled(out, rows, "neap_jobs_waiting", "Jobs that have not started.", COLUMN(waiting),
             "gauge");
    seconds(out, rows, "neap_jobs_cpu_seconds_total");
    labelled(out, rows, "neap_jobs_allocated_bytes_total", "Memory that attempts allocated in Lua.",
             COLUMN(bytes_sum), "counter");
    histograms(out, rows, "neap_job_run_seconds", "neap_job_wait_seconds");
}

static void by_task(struct buf *out, const struct rows *rows)
{
    labelled(out, rows, "neap_task_jobs_submitted_total", "Jobs submitted, by task.",
             COLUMN(submitted), "counter");
    ended(out, rows, "neap_task_jobs_total");
    labelled(out, rows, "neap_task_attempts_failed_total", "Attempts that failed, by task.",
             COLUMN(failed), "counter");
    labelled(out, rows, "neap_task_jobs_running", "Jobs that have started, by task.",
             COLUMN(running), "gauge");
    labelled(out, rows, "neap_task_jobs_waiting", "Jobs that have not started, by task.",
             COLUMN(waiting), "gauge");
    seconds(out, rows, "neap_task_jobs_cpu_seconds_total");
    histograms(out, rows, "neap_task_run_seconds", "neap_task_wait_seconds");
}

/* --- the whole ----------------------------------------------------------------------------------
 */

static void of_store(struct engine *e, struct buf *out)
{
    struct store_counts counts;
    struct store_report report = {0};
    e->ops->counts(e->store, &counts);
    family(out, "neap_jobs", "gauge", "Jobs in the store, by state.");
    for (int i = 0; i < NEAP_STATES; i++)
        buf_format(out, "neap_jobs{state=\"%s\"} %zu\n", neap_state_name(i), counts.states[i]);
    e->ops->report(e->store, &report);
    single(out, "neap_store_jobs_in_memory", "gauge", "Jobs whose record is in memory.",
           (double)report.in_memory);
    single(out, "neap_store_memory_bytes", "gauge", "What those records take.",
           (double)report.memory_bytes);
    single(out, "neap_store_full", "gauge", "1 while the disk is full and new jobs are refused.",
           report.full);
    if (!e->ops->durable)
        return;
    single(out, "neap_store_file_bytes", "gauge", "Size of the store's file.",
           (double)report.file_bytes);
    single(out, "neap_store_wal_bytes", "gauge", "Size of its write-ahead log.",
           (double)report.wal_bytes);
    single(out, "neap_store_commits_total", "counter", "Transactions written.",
           (double)report.commits);
    single(out, "neap_store_commit_seconds_total", "counter", "Time they took.",
           (double)report.commit_ns / 1e9);
    single(out, "neap_store_commit_max_seconds", "gauge", "The longest of them.",
           (double)report.commit_max_ns / 1e9);
}

static void of_queues(const struct engine *e, struct buf *out)
{
    family(out, "neap_queue_paused", "gauge", "1 while the queue is paused.");
    for (size_t i = 0; i < e->n_queues && i < ROWS_MAX; i++)
        buf_format(out, "neap_queue_paused{queue=\"%s\"} %d\n", e->queues[i]->gate->name,
                   e->queues[i]->limits && e->queues[i]->limits->paused);
    family(out, "neap_workers", "gauge", "Worker threads, by pool.");
    for (size_t i = 0; i < e->n_pools; i++)
        buf_format(out, "neap_workers{pool=\"%s\"} %zu\n", e->pools[i].name, e->pools[i].n_members);
}

enum schedule_figure { LAST_RUN, NEXT_RUN, SKIPPED, PAUSED };

static void of_schedule(struct buf *out, const char *name, enum schedule_figure figure,
                        const struct schedule_row *row)
{
    const int64_t at_ms = figure == LAST_RUN ? row->last_ms : row->n_next ? row->next_ms[0] : 0;
    const bool is_time = figure == LAST_RUN || figure == NEXT_RUN;
    if (is_time && !at_ms)
        return; /* never */
    buf_format(out, "%s{schedule=\"%s\"} ", name, row->name);
    put_number(out, is_time             ? (double)at_ms / 1000
                    : figure == SKIPPED ? (double)row->skipped
                                        : row->paused);
}

static void of_schedules(const struct engine *e, struct buf *out)
{
    static const struct {
        const char *name, *type, *help;
    } figures[] = {
        {"neap_schedule_last_run_timestamp_seconds", "gauge", "Time of the tick that ran last."},
        {"neap_schedule_next_run_timestamp_seconds", "gauge", "Time of the next tick."},
        {"neap_schedule_skipped_total", "counter", "Ticks that did not run."},
        {"neap_schedule_paused", "gauge", "1 while the schedule is paused."},
    };
    struct schedule_row row;
    const size_t count = schedules_count(e);
    for (int figure = LAST_RUN; count && figure <= PAUSED; figure++) {
        family(out, figures[figure].name, figures[figure].type, figures[figure].help);
        for (size_t i = 0; i < count && i < ROWS_MAX; i++) {
            schedules_row(e, i, &row);
            of_schedule(out, figures[figure].name, (enum schedule_figure)figure, &row);
        }
    }
}

static void of_executor(const struct neap_stats *stats, struct buf *out)
{
    family(out, "neap_build_info", "gauge", "The version, as a label.");
    buf_format(out, "neap_build_info{version=\"%s\"} 1\n", NEAP_VERSION);
    single(out, "neap_uptime_seconds", "gauge", "Since the executor started.",
           (double)stats->uptime_ms / 1000);
    single(out, "neap_reloads_total", "counter", "Catalogues of tasks published.",
           (double)stats->reloads);
    single(out, "neap_plugins_broken", "gauge", "Plugins whose newest version cannot be loaded.",
           (double)stats->broken);
    single(out, "neap_workers_stuck_total", "counter", "Workers given up as stuck in C.",
           (double)stats->stuck);
    single(out, "neap_preemptions_total", "counter", "Slices that ended before their job did.",
           (double)stats->preemptions);
}

static void of_process(const struct procfs *p, struct buf *out)
{
    single(out, "process_cpu_seconds_total", "counter", "User and system CPU time.", p->cpu_s);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
           (double)p->resident_bytes);
    single(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
           (double)p->virtual_bytes);
    single(out, "process_open_fds", "gauge", "Open file descriptors.", (double)p->open_fds);
    single(out, "process_max_fds", "gauge", "The limit of open file descriptors.",
           (double)p->max_fds);
    single(out, "process_threads", "gauge", "Threads.", (double)p->threads);
    single(out, "process_start_time_seconds", "gauge", "When the process started, Unix time.",
           p->started_s);
}

void ask_metrics(struct engine *e, struct ask *ask)
{
    struct buf *out = &ask->call.reply;
    struct neap_stats stats;
    stats_fill(e, &stats);
    struct rows queues = {"queue", stats.queues, stats.n_queues, {0}};
    struct rows tasks = {"task", stats.tasks, stats.n_tasks, {0}};
    fold(&queues);
    fold(&tasks);
    of_executor(&stats, out);
    of_store(e, out);
    of_queues(e, out);
    of_schedules(e, out);
    by_queue(out, &queues);
    by_task(out, &tasks);
    of_process(&ask->process, out);
    free(stats.owned);
    ask_answer(e, ask, NEAP_OK);
}
