/* Which job runs next, and where: ageing, hand-backs, several workers and pools. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_echo(struct executor *x)
{
    executor_write(x, "plugins/t/echo.lua", "return function(a) return a end");
}

/* An aged job in line and a fresh one of a priority between: each was taken back for the other. */
static void aged_jobs_keep_their_rank_in_line(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write_blocker(&x);
    write_echo(&x);
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 1\nslots = 2\n[queue old]\nageing = 10ms\n[queue new]\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    executor_request(&x,
                     (struct neap_request){.task = "t.echo", .args = "\"old\"", .queue = "old"});
    usleep(300000); /* 30 periods: priority 30 by now */
    executor_request(&x, (struct neap_request){.task = "t.echo",
                                               .args = "\"new\"",
                                               .queue = "new",
                                               .priority_set = 1,
                                               .priority = 10});
    assert_int_equal(executor_totals(&x).waiting, 2); /* the engine answers */
    executor_write(&x, "go", "");
    executor_expect(&x, "\"free\"");
    executor_expect(&x, "\"old\"");
    executor_expect(&x, "\"new\"");
    executor_close(&x);
}

static void queues_take_turns(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    executor_write_blocker(&x);
    write_echo(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 1\nslots = 1\n[queue a]\n[queue b]\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    for (int i = 0; i < 20; i++)
        executor_request(&x,
                         (struct neap_request){.task = "t.echo", .args = "\"a\"", .queue = "a"});
    for (int i = 0; i < 10; i++)
        executor_request(&x,
                         (struct neap_request){.task = "t.echo", .args = "\"b\"", .queue = "b"});
    executor_write(&x, "go", "");
    executor_expect(&x, "\"free\"");
    for (int i = 0; i < 30; i++) {
        executor_next(&x, text, sizeof text);
        assert_int_equal(text[1], i < 20 && i % 2 ? 'b' : 'a');
    }
    executor_close(&x);
}

/* What waits in the line of one pool's worker goes to a worker of another that idles. */
static void pools_help_each_other(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write_blocker(&x);
    write_echo(&x);
    executor_write(&x, "neap.ini",
                   "[pool one]\nworkers = 1\nqueues = default, one\n"
                   "[pool two]\nworkers = 1\nqueues = default, two\n[queue one]\n[queue "
                   "two]\n[queue default]\nconcurrency = 1\n");
    executor_start(&x, 0);
    executor_request(&x, (struct neap_request){.task = "t.block",
                                               .args = "{\"tell\":\"b2\",\"go\":\"go2\"}",
                                               .queue = "two"});
    executor_await(&x, "b2");
    executor_request(&x, (struct neap_request){.task = "t.block",
                                               .args = "{\"tell\":\"b1\",\"go\":\"go1\"}",
                                               .queue = "one"});
    executor_await(&x, "b1");
    for (int i = 0; i < 5; i++)
        executor_submit(&x, "t.echo", "0");
    assert_int_equal(executor_totals(&x).waiting, 5);
    executor_write(&x, "go2", "");
    executor_expect(&x, "\"free\"");
    for (int i = 0; i < 5; i++)
        executor_expect(&x, "0");
    executor_write(&x, "go1", "");
    executor_expect(&x, "\"free\"");
    executor_close(&x);
}

/* Short jobs in the line of one pool's worker, which gets on with them: the other pool helps. */
static void pools_share_a_queue(void **state)
{
    struct executor x;
    char text[64];
    int in_b = 0;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/spin.lua",
                   "local neap = require 'neap'\n"
                   "return function()\n"
                   "  local s = neap.shared('x') s:incr('now')\n"
                   "  local t = os.clock() while os.clock() - t < 0.004 do if s:get('now') == 2 "
                   "then break end end\n"
                   "  local both = s:get('now') == 2\n"
                   "  t = os.clock() while os.clock() - t < 0.001 do end\n"
                   "  s:incr('now', -1) return both and 1 or 0\n"
                   "end");
    executor_write(&x, "neap.ini",
                   "[pool a]\nworkers = 1\nqueues = default\n[pool b]\nworkers = 1\nqueues = "
                   "default, b\n[queue b]\n");
    executor_start(&x, 0);
    for (int i = 0; i < 60; i++)
        executor_submit(&x, "t.spin", NULL);
    for (int i = 0; i < 60; i++) {
        executor_next(&x, text, sizeof text);
        in_b += atoi(text);
    }
    assert_true(in_b > 20); /* most ran while another did */
    executor_close(&x);
}

/* Work without end for the second worker must not keep what waits behind the first from it. */
static void later_jobs_do_not_pass_those_behind_one_that_computes(void **state)
{
    struct executor x;
    struct neap_outcome out;
    uint64_t early[8];
    int left = 8;
    (void)state;
    executor_init(&x);
    executor_write_blocker(&x);
    executor_write(
        &x, "plugins/t/spin.lua",
        "return function(n) local t = os.clock() while os.clock() - t < n do end return n end");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    executor_run(&x, "t.spin", "0.02"); /* meanwhile the engine sees that the first computes */
    for (int i = 0; i < 8; i++)
        early[i] = executor_submit(&x, "t.spin", "0.002");
    for (int i = 0; i < 300; i++)
        executor_submit(&x, "t.spin", "0.001");
    for (int i = 0; left && i < 250; i++) { /* of 308 */
        assert_int_equal(neap_next(x.n, &out, 20000), NEAP_OK);
        for (int k = 0; k < 8; k++)
            left -= out.id == early[k];
        neap_outcome_free(&out);
    }
    assert_int_equal(left, 0);
    executor_write(&x, "go", "");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    executor_close(&x);
}

/* An outcome left while the worker goes on to compute, woken by its own timer with the engine
 * asleep. */
static void outcomes_of_a_worker_that_computes_on_arrive(void **state)
{
    struct executor x;
    char text[1024];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    snprintf(text, sizeof text,
             "return function(compute)\n"
             "  require('neap').sleep('100ms')\n"
             "  if compute then repeat local f = io.open('%s/go') until f end\n"
             "  return 'slept'\n"
             "end",
             x.dir);
    executor_write(&x, "plugins/t/nap.lua", text);
    executor_start(&x, 0);
    executor_submit(&x, "t.nap", "false");
    executor_submit(&x, "t.nap", "true");
    executor_expect(&x, "\"slept\""); /* the other one computes until told */
    executor_write(&x, "go", "");
    executor_expect(&x, "\"slept\"");
    executor_close(&x);
}

/* Something more urgent comes, again and again: what was claimed goes back, and loses no attempt.
 */
static void urgent_jobs_overtake_and_cost_nothing(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 1\n[queue default]\nrate = 100000/s\nconcurrency = 40\n");
    executor_write(&x, "plugins/t/try.lua",
                   "return { run = function(p, ctx) return ctx.attempt end }");
    executor_start(&x, 0);
    srand(5);
    for (int i = 0; i < 3000; i++)
        executor_request(&x, (struct neap_request){.task = "t.try",
                                                   .args = "1",
                                                   .priority_set = 1,
                                                   .priority = rand() % 256 - 128});
    for (int i = 0; i < 3000; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_int_equal(out.attempt, 1);
        assert_string_equal(text, "1");
    }
    assert_int_equal(executor_totals(&x).submitted, 3000);
    assert_int_equal(executor_totals(&x).completed, 3000);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aged_jobs_keep_their_rank_in_line),
        cmocka_unit_test(queues_take_turns),
        cmocka_unit_test(pools_help_each_other),
        cmocka_unit_test(pools_share_a_queue),
        cmocka_unit_test(later_jobs_do_not_pass_those_behind_one_that_computes),
        cmocka_unit_test(outcomes_of_a_worker_that_computes_on_arrive),
        cmocka_unit_test(urgent_jobs_overtake_and_cost_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
