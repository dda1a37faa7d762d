/* What attempts took: in outcomes, in the counters, in neap.stats(). */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define MIB 1048576

static void start(struct executor *x)
{
    executor_init(x);
    executor_write(x, "plugins/t/eats.lua",
                   "return { queue = 'q', retry = { max = 1, base = 0 }, run = function(a, ctx)\n"
                   "  local s = ('x'):rep(a * 1048576)\n"
                   "  if ctx.attempt < 2 then error('again') end\n"
                   "  return #s\n"
                   "end }");
    executor_write(x, "plugins/t/little.lua", "return function() return 1 end");
    executor_write(x, "plugins/t/stats.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local s = neap.stats()\n"
                   "  return { s.bytes, s.queues.q.bytes, s.tasks['t.eats'].bytes, s.stuck,\n"
                   "           math.type(s.cpu), math.type(s.tasks['t.eats'].cpu) }\n"
                   "end");
    executor_write(x, "neap.ini", "[queue q]\n[queue default]\n");
    executor_start(x, 0);
}

static uint64_t bytes_of(const struct neap_stats_row *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].counters.bytes_sum;
    fail_msg("no row %s", name);
    return 0;
}

/* An outcome tells of the last attempt, the counters add up all of them. */
static void bytes_are_counted(void **state)
{
    struct executor x;
    struct neap_stats stats;
    char text[64];
    (void)state;
    start(&x);
    executor_submit(&x, "t.eats", "4");
    const struct neap_outcome eaten = executor_next(&x, text, sizeof text);
    assert_string_equal(text, "4194304");
    assert_int_equal(eaten.attempt, 2);
    assert_in_range(eaten.bytes, 4 * MIB, 10 * MIB);
    executor_submit(&x, "t.little", "{}");
    const struct neap_outcome little = executor_next(&x, text, sizeof text);
    assert_in_range(little.bytes, 1, MIB);
    assert_int_equal(neap_stats(x.n, &stats, NULL), NEAP_OK);
    const uint64_t task = bytes_of(stats.tasks, stats.n_tasks, "t.eats");
    assert_in_range(task, 8 * MIB, 20 * MIB);
    assert_int_equal(bytes_of(stats.queues, stats.n_queues, "q"), task);
    assert_int_equal(bytes_of(stats.tasks, stats.n_tasks, "t.little"), little.bytes);
    assert_int_equal(stats.total.bytes_sum, task + little.bytes);
    assert_int_equal(stats.stuck, 0);
    const uint64_t total = stats.total.bytes_sum;
    neap_stats_free(&stats);
    snprintf(text, sizeof text, "[%llu,%llu,%llu,0,\"float\",\"float\"]", (unsigned long long)total,
             (unsigned long long)task, (unsigned long long)task);
    assert_string_equal(executor_run(&x, "t.stats", "{}"), text);
    executor_close(&x);
}

static void what_never_started_took_nothing(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    start(&x);
    const uint64_t id =
        executor_request(&x, (struct neap_request){.task = "t.eats", .delay_ms = 3600000});
    assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    const struct neap_outcome outcome = executor_next(&x, text, sizeof text);
    assert_int_equal(outcome.state, NEAP_CANCELLED);
    assert_true(outcome.bytes == 0 && outcome.cpu_ms == 0 && outcome.run_ms == 0);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted),
        cmocka_unit_test(what_never_started_took_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
