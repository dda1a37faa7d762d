/* Schedules and alerts in a whole executor. */
#include "asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
    static struct executor x;
    memset(&x, 0, sizeof x);
    executor_init(&x);
    *state = &x;
    return 0;
}

static int teardown(void **state)
{
    executor_close(*state);
    return 0;
}

static void ticks_become_jobs(void **state)
{
    struct executor *x = *state;
    executor_write(x, "plugins/t/tick.lua", "return function(args) print('tick ' .. args.n) end\n");
    executor_write(x, "neap.ini", "[schedule a]\ntask = t.tick\nevery = 20ms\nargs = {\"n\": 1}\n");
    executor_start(x, NEAP_SERVICE);
    executor_await_printed(x, "tick 1\ntick 1\n");
    executor_reload(x, "[schedule a]\ntask = t.tick\nevery = 15ms\nargs = {\"n\": 2}\n");
    executor_await_printed(x, "tick 2\ntick 2\n");
    executor_reload(x, "");
    const uint64_t submitted = executor_totals(x).submitted;
    EXECUTOR_UNTIL(x, completed, submitted);
}

static void one_that_takes_longer_than_its_period_runs_alone(void **state)
{
    struct executor *x = *state;
    executor_write_blocker(x);
    executor_write(x, "neap.ini",
                   "[schedule a]\ntask = t.block\nevery = 10ms\n"
                   "[schedule b]\ntask = t.tick\nevery = 10ms\ncatchup = all\n[pool default]\n"
                   "workers = 2\n");
    executor_write(x, "plugins/t/tick.lua", "return function() print('tick') end\n");
    executor_start(x, 0);
    executor_await(x, "blocked");
    executor_await_printed(x, "tick\ntick\ntick\n");
    assert_int_equal(executor_totals(x).running, 1);
    executor_reload(x, "[pool default]\nworkers = 2\n");
    executor_write(x, "go", "");
    EXECUTOR_UNTIL(x, running, 0);
}

static void a_death_is_told_to_the_alert_task(void **state)
{
    struct executor *x = *state;
    executor_write(
        x, "plugins/t/bad.lua",
        "return { queue = 'q', run = function(args) error('bang ' .. args.n, 0) end }\n");
    executor_write(
        x, "plugins/ops/alert.lua",
        "local neap = require 'neap'\n"
        "return { queue = 'ops', run = function(a, ctx)\n"
        "  print(a.task, a.queue, a.attempt, a.args and a.args.n, #a.job, a.error.code,\n"
        "        a.error.message, a.error.traceback ~= nil)\n"
        "  error('alerts may fail too', 0)\n"
        "end }\n");
    executor_write(x, "neap.ini",
                   "[queue ops]\ncapacity = 1\nwhen_full = drop\n"
                   "[task *]\non_dead = ops.alert\nretry = 1\nretry.base = 1ms\n");
    executor_start(x, 0);
    const uint64_t id = executor_submit(x, "t.bad", "{\"n\": 7}");
    executor_await_printed(x, "t.bad\tq\t2\t7\t13\terror\tbang 7\ttrue\n");
    EXECUTOR_UNTIL(x, dead, 2); /* and nobody hears of the second */
    assert_int_equal(executor_totals(x).submitted, 2);
    executor_expect(x, "bang 7");
    (void)id;
}

static void arguments_too_big_to_pass_on_are_left_out(void **state)
{
    struct executor *x = *state;
    executor_write(x, "plugins/t/bad.lua",
                   "return function(args) error(('x'):rep(100000), 0) end\n");
    executor_write(x, "plugins/ops/alert.lua",
                   "return function(a) print(a.task, a.args == nil, #a.error.message) end\n");
    executor_write(x, "plugins/t/start.lua",
                   "local neap = require 'neap'\n"
                   "return function() neap.submit('t.bad', { n = ('y'):rep(1000000) }) end\n");
    executor_write(x, "neap.ini", "[task *]\non_dead = ops.alert\n");
    executor_start(x, 0);
    executor_run(x, "t.start", "{}");
    executor_await_printed(x, "t.bad\ttrue\t65536\n");
}

static void tasks_that_are_not_there_are_told(void **state)
{
    struct executor *x = *state;
    executor_write(x, "plugins/ops/alert.lua", "return function() end\n");
    executor_write(x, "neap.ini",
                   "[task *]\non_dead = ops.alrt\n[task a.*]\non_dead = none\n"
                   "[schedule s]\ntask = nowhere\nevery = 1h\n");
    executor_start(x, NEAP_SERVICE);
    assert_non_null(strstr(x->problems, "neap.ini:2: [task *] on_dead: no such task: ops.alrt "
                                        "(did you mean ops.alert?)\n"));
    assert_non_null(strstr(x->problems, "neap.ini:6: [schedule s] task: no such task: nowhere"));
    assert_null(strstr(x->problems, "none"));
}

static void one_is_run_paused_and_resumed_by_hand(void **state)
{
    struct executor *x = *state;
    executor_write_blocker(x);
    executor_write(x, "plugins/t/tick.lua",
                   "return function(args, ctx) print('tick', ctx.scheduled_at == nil) end\n");
    executor_write(x, "neap.ini",
                   "[schedule far]\ntask = t.tick\nevery = 1d\n"
                   "[schedule long]\ntask = t.block\nevery = 1d\n"
                   "[schedule lost]\ntask = t.nowhere\ncron = 0 0 * * *\n");
    executor_start(x, NEAP_SERVICE);
    ASK(x, NEAP_ASK_SCHEDULE_RUN, .name = "far");
    executor_await_printed(x, "tick\ttrue\n");
    ASK(x, NEAP_ASK_SCHEDULE_RUN, .name = "long");
    executor_await(x, "blocked");
    assert_has(ASK_FAILS(x, NEAP_ECONFLICT, NEAP_ASK_SCHEDULE_RUN, .name = "long"),
               "the last job of schedule long has not ended");
    executor_write(x, "go", "");
    EXECUTOR_UNTIL(x, completed, 2);
    ASK(x, NEAP_ASK_SCHEDULE_RUN, .name = "long");
    assert_has(ASK_FAILS(x, NEAP_ENOENT, NEAP_ASK_SCHEDULE_RUN, .name = "lost"),
               "no such task: t.nowhere");
    assert_has(ASK_FAILS(x, NEAP_ENOENT, NEAP_ASK_SCHEDULE_PAUSE, .name = "fra"),
               "no such schedule: fra (did you mean far?)");
    ASK(x, NEAP_ASK_SCHEDULE_PAUSE, .name = "far");
    assert_has(ASK(x, NEAP_ASK_SCHEDULE, .name = "far"), "\"paused\":true,\"next\":[]");
    assert_has(ASK(x, NEAP_ASK_METRICS), "neap_schedule_paused{schedule=\"far\"} 1\n");
    executor_reload(x, "[schedule far]\ntask = t.tick\nevery = 20ms\n");
    assert_has(ASK(x, NEAP_ASK_SCHEDULE, .name = "far"), "\"paused\":true");
    assert_has(ASK_FAILS(x, NEAP_ENOENT, NEAP_ASK_SCHEDULE, .name = "long"), "no such schedule");
    ASK(x, NEAP_ASK_SCHEDULE_RESUME, .name = "far");
    executor_await_printed(x, "tick\tfalse\n");
    assert_has(ASK(x, NEAP_ASK_METRICS),
               "# TYPE neap_schedule_next_run_timestamp_seconds gauge\n"
               "neap_schedule_next_run_timestamp_seconds{schedule=\"far\"} 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ticks_become_jobs),
        TEST(one_that_takes_longer_than_its_period_runs_alone),
        TEST(a_death_is_told_to_the_alert_task),
        TEST(arguments_too_big_to_pass_on_are_left_out),
        TEST(one_is_run_paused_and_resumed_by_hand),
        TEST(tasks_that_are_not_there_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
