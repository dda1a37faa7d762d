/* Limits of queues while the world changes: rate, concurrency, pause, capacity; and a live reload.
 */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_basics(struct executor *x)
{
    executor_write(x, "plugins/t/one.lua", "return function(n) return n end");
    executor_write(x, "plugins/t/nap.lua",
                   "return function(n) require('neap').sleep(n) return 'nap' end");
    executor_write(x, "plugins/t/worker.lua",
                   "local neap = require 'neap'\n"
                   "return function() neap.sleep('20ms') return 1 end");
    executor_write_blocker(x);
}

static struct neap_stats_row row_of(struct executor *x, bool task, const char *name)
{
    struct neap_stats stats;
    struct neap_stats_row found = {0};
    assert_int_equal(neap_stats(x->n, &stats, NULL), NEAP_OK);
    for (size_t i = 0; i < (task ? stats.n_tasks : stats.n_queues); i++)
        if (strcmp((task ? stats.tasks : stats.queues)[i].name, name) == 0)
            found = (task ? stats.tasks : stats.queues)[i];
    neap_stats_free(&stats);
    assert_non_null(found.name);
    return found;
}

/* Claimed behind a worker that computes, the starts must not come out in a heap. */
static void a_rate_counts_starts(void **state)
{
    struct executor x;
    int64_t started[12];
    char text[64];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n[queue slow]\nrate = 50/s\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    for (int i = 0; i < 12; i++)
        executor_request(&x, (struct neap_request){.task = "t.one", .args = "1", .queue = "slow"});
    usleep(200000);
    executor_write(&x, "go", "");
    executor_expect(&x, "\"free\"");
    for (int i = 0; i < 12; i++)
        started[i] = executor_next(&x, text, sizeof text).started_ms;
    assert_true(started[11] - started[1] >= 10 * 20 / 2); /* the first of them may be late */
    executor_close(&x);
}

/* The next start was allowed between the last look and the engine's going to sleep. */
static void a_high_rate_never_stalls(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\nslots = 1\n[queue default]\nrate = 100000/s\n");
    executor_start(&x, 0);
    for (int i = 0; i < 3000; i++) {
        executor_submit(&x, "t.one", "1");
        executor_submit(&x, "t.one", "1");
        executor_next(&x, text, sizeof text);
        executor_next(&x, text, sizeof text);
    }
    executor_close(&x);
}

/* Starts given back or cancelled before they happened give back what they took. */
static void cancelled_claims_cost_no_rate(void **state)
{
    struct executor x;
    uint64_t ids[3];
    char text[64];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\n[queue slow]\nrate = 1/h\nconcurrency = 1\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    for (int i = 0; i < 3; i++)
        ids[i] = executor_request(
            &x, (struct neap_request){.task = "t.one", .args = "1", .queue = "slow"});
    assert_int_equal(neap_cancel(x.n, ids[0], NULL), NEAP_OK);
    assert_int_equal(neap_cancel(x.n, ids[1], NULL), NEAP_OK);
    executor_write(&x, "go", "");
    for (int i = 0; i < 4; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_int_equal(out.state,
                         out.id == ids[0] || out.id == ids[1] ? NEAP_CANCELLED : NEAP_COMPLETED);
    }
    executor_close(&x);
}

static void a_pause_counts_at_once(void **state)
{
    struct executor x;
    struct neap_outcome out;
    struct neap_job job;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n[queue q]\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    const uint64_t id =
        executor_request(&x, (struct neap_request){.task = "t.one", .args = "1", .queue = "q"});
    executor_reload(&x, "[pool default]\nworkers = 1\n[queue q]\npaused = yes\n");
    executor_write(&x, "go", "");
    executor_expect(&x, "\"free\"");
    assert_int_equal(neap_next(x.n, &out, 50), NEAP_ETIME);
    assert_int_equal(neap_get(x.n, id, &job, NULL), NEAP_OK);
    assert_string_equal(job.held, "its queue is paused");
    assert_int_equal(job.state, NEAP_AVAILABLE);
    assert_int_equal(job.attempt, 0);
    neap_job_free(&job);
    executor_reload(&x, "[pool default]\nworkers = 1\n[queue q]\n");
    executor_expect(&x, "1");
    executor_close(&x);
}

static void counters_tell_what_runs(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "plugins/t/parent.lua",
                   "return function() return (require('neap').submit('t.nap', 3600):wait()) end");
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 1\nslots = 3\n[queue p]\n[queue q]\nconcurrency = 2\n");
    executor_start(&x, 0);
    const uint64_t parent =
        executor_request(&x, (struct neap_request){.task = "t.parent", .queue = "p"});
    EXECUTOR_UNTIL(&x, running, 2);
    uint64_t ids[5];
    for (int i = 0; i < 5; i++)
        ids[i] = executor_request(
            &x, (struct neap_request){.task = "t.nap", .args = "3600", .queue = "q"});
    EXECUTOR_UNTIL(&x, running, 4);
    const struct neap_counters q = row_of(&x, false, "q").counters,
                               p = row_of(&x, false, "p").counters;
    assert_int_equal(q.running, 2);
    assert_int_equal(q.waiting, 3);
    assert_int_equal(p.running, 1); /* it waits for its child, and has started */
    assert_int_equal(p.waiting, 0);
    const struct neap_counters nap = row_of(&x, true, "t.nap").counters;
    assert_int_equal(nap.running, 3);
    assert_int_equal(nap.waiting, 3);
    assert_int_equal(nap.submitted, 6);
    for (int i = 0; i < 5; i++)
        assert_int_equal(neap_cancel(x.n, ids[i], NULL), NEAP_OK);
    assert_int_equal(neap_cancel(x.n, parent, NULL), NEAP_OK);
    EXECUTOR_UNTIL(&x, running, 1);
    assert_int_equal(row_of(&x, false, "q").counters.cancelled, 5);
    executor_close(&x);
}

/* --- reload --------------------------------------------------------------------------------------
 */

static size_t workers_of(struct executor *x)
{
    struct neap_stats stats;
    assert_int_equal(neap_stats(x->n, &stats, NULL), NEAP_OK);
    const size_t workers = stats.n_workers;
    neap_stats_free(&stats);
    return workers;
}

static void workers_come_and_go(void **state)
{
    static const char *const inis[] = {"[pool default]\nworkers = 2\nslots = 50\n",
                                       "[pool default]\nworkers = 4\nslots = 2\n",
                                       "[pool default]\nworkers = 1\nslots = 50\n"};
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 4\nslots = 50\n");
    executor_start(&x, 0);
    for (int i = 0; i < 900; i++)
        executor_submit(&x, "t.worker", NULL);
    for (int i = 0; i < 9; i++) {
        executor_reload(&x, inis[i % 3]);
        assert_int_equal(workers_of(&x), i % 3 == 0 ? 2 : i % 3 == 1 ? 4 : 1);
        for (int k = 0; k < 100; k++)
            executor_expect(&x, "1");
    }
    assert_int_equal(executor_totals(&x).completed, 900);
    executor_close(&x);
}

static void a_teardown_holds_up_nobody(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    char text[512];
    snprintf(text, sizeof text,
             "return { setup = function() return {} end, run = function() "
             "require('neap').sleep('30ms') return 1 end,\n"
             "  teardown = function() io.open('%s/down', 'w'):close() repeat local f = "
             "io.open('%s/go') until f end }",
             x.dir, x.dir);
    executor_write(&x, "plugins/t/bye.lua", text);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\nslots = 1\n");
    executor_start(&x, 0);
    for (int i = 0; i < 6; i++)
        executor_submit(&x, "t.bye", NULL);
    for (int i = 0; i < 6; i++)
        executor_expect(&x, "1");
    executor_reload(&x, "[pool default]\nworkers = 1\nslots = 1\n");
    executor_await(&x, "down");
    executor_submit(&x, "t.one", "2"); /* while the teardown goes on */
    executor_expect(&x, "2");
    executor_write(&x, "go", "");
    executor_close(&x);
}

/* Its jobs run on with defaults where some pool takes the queue, and wait, and say so, where none
 * does. */
static void queues_may_go_with_jobs_in_them(void **state)
{
    struct executor x;
    struct neap_job job;
    struct neap_error err;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini",
                   "[pool a]\nworkers = 1\nqueues = *\n[pool b]\nworkers = 1\nqueues = named\n"
                   "[queue named]\npaused = yes\n[queue other]\npaused = yes\n");
    executor_start(&x, 0);
    const uint64_t named =
        executor_request(&x, (struct neap_request){.task = "t.one", .args = "1", .queue = "named"});
    executor_request(&x, (struct neap_request){.task = "t.one", .args = "2", .queue = "other"});
    executor_reload(&x, "[pool b]\nworkers = 1\nqueues = named\n[pool a]\nworkers = 1\nqueues = "
                        "default\n[queue named]\npaused = yes\n");
    const struct neap_request late = {.task = "t.one", .queue = "other"};
    assert_int_equal(neap_submit(x.n, &late, NULL, &err), NEAP_ENOENT);
    assert_int_equal(executor_totals(&x).waiting, 2);
    executor_reload(
        &x, "[pool a]\nworkers = 1\nqueues = default\n[pool b]\nworkers = 1\nqueues = elsewhere\n");
    assert_int_equal(neap_get(x.n, named, &job, NULL), NEAP_OK);
    assert_string_equal(job.held, "no pool serves its queue");
    neap_job_free(&job);
    executor_submit(&x, "t.one", "3");
    executor_expect(
        &x, "3"); /* the pools still know who they are, whatever the order of their sections */
    executor_reload(
        &x, "[pool b]\nworkers = 1\nqueues = elsewhere\n[pool a]\nworkers = 1\nqueues = *\n");
    char text[64];
    int sum = 0;
    for (int i = 0; i < 2; i++) {
        executor_next(&x, text, sizeof text);
        sum += atoi(text);
    }
    assert_int_equal(sum, 3);
    executor_close(&x);
}

/* An attempt that fails after its task was deleted is retried once the task is back. */
static void a_deleted_task_holds_its_jobs(void **state)
{
    struct executor x;
    struct neap_job job;
    char text[512], path[128];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    snprintf(text, sizeof text,
             "return { retry = { max = 3, base = '1ms' }, run = function(_, ctx)\n"
             "  if ctx.attempt > 1 then return ctx.attempt end\n"
             "  io.open('%s/in', 'w'):close()\n"
             "  local neap = require 'neap' while not neap.shared('x'):get('go') do "
             "neap.sleep('5ms') end\n"
             "  error('first', 0) end }",
             x.dir);
    executor_write(&x, "plugins/d/flaky.lua", text);
    executor_write(&x, "plugins/t/go.lua",
                   "return function() require('neap').shared('x'):set('go', 1) end");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "d.flaky", NULL);
    const uint64_t other =
        executor_request(&x, (struct neap_request){.task = "d.flaky", .delay_ms = 200});
    executor_await(&x, "in");
    snprintf(path, sizeof path, "%s/plugins/d/flaky.lua", x.dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/plugins/d", x.dir);
    rmdir(path);
    executor_reload(&x, "[pool default]\nworkers = 1\n");
    executor_submit(&x, "t.go", NULL);
    executor_expect(&x, "nil");
    for (int left = 4000;; executor_pause(&left)) {
        assert_int_equal(neap_get(x.n, id, &job, NULL), NEAP_OK);
        const bool held = job.held != NULL;
        neap_job_free(&job);
        if (held)
            break;
    }
    for (int left = 4000;; executor_pause(&left)) {
        assert_int_equal(neap_get(x.n, other, &job, NULL), NEAP_OK);
        const bool held = job.held != NULL;
        if (held)
            assert_string_equal(job.held, "no such task");
        neap_job_free(&job);
        if (held)
            break;
    }
    assert_int_equal(neap_cancel(x.n, other, NULL), NEAP_OK);
    executor_expect(&x, "nil");
    executor_write(&x, "plugins/d/flaky.lua", text);
    executor_reload(&x, "[pool default]\nworkers = 1\n");
    executor_expect(&x, "2");
    executor_close(&x);
}

/* Places are taken ahead while plenty are free; a full queue has what it may have all the same. */
static void tasks_fill_a_queue_to_the_last_place(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "plugins/t/fill.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local n, last = 0, ''\n"
                   "  while true do\n"
                   "    local job, why = neap.submit('t.one', n, { queue = 'tight' })\n"
                   "    if not job then assert(why == 'full') return n end\n"
                   "    assert(job.id > last)\n"
                   "    n, last = n + 1, job.id\n"
                   "  end\n"
                   "end\n");
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 2\n[queue tight]\nconcurrency = 1\n"
                   "capacity = 131172\nwhen_full = reject\n");
    executor_start(&x, 0);
    executor_request(&x, (struct neap_request){.task = "t.block", .args = "{}", .queue = "tight"});
    executor_await(&x, "blocked");
    int filled = 0;
    for (int i = 0; i < 2; i++)
        executor_submit(&x, "t.fill", "{}");
    for (int i = 0; i < 2; i++) {
        executor_next(&x, text, sizeof text);
        filled += atoi(text);
    }
    assert_int_equal(filled, 131172);
    assert_string_equal(executor_run(&x, "t.fill", "{}"), "0");
    executor_write(&x, "go", "");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_counts_starts),
        cmocka_unit_test(a_high_rate_never_stalls),
        cmocka_unit_test(cancelled_claims_cost_no_rate),
        cmocka_unit_test(a_pause_counts_at_once),
        cmocka_unit_test(counters_tell_what_runs),
        cmocka_unit_test(workers_come_and_go),
        cmocka_unit_test(a_teardown_holds_up_nobody),
        cmocka_unit_test(queues_may_go_with_jobs_in_them),
        cmocka_unit_test(a_deleted_task_holds_its_jobs),
        cmocka_unit_test(tasks_fill_a_queue_to_the_last_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
