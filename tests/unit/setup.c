/* setup and teardown of tasks: once a state and generation, whatever becomes of the jobs that run
 * them or wait for them. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ONE_WORKER "[pool default]\nworkers = 1\nslots = 10000\n"

/* How often it was printed. Only while no task prints. */
static int times(const struct executor *x, const char *text)
{
    int count = 0;
    for (const char *at = x->printed; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static void start(struct executor *x, const char *task)
{
    executor_init(x);
    executor_write(x, "neap.ini", ONE_WORKER);
    executor_write(x, "plugins/t/task.lua", task);
    executor_write(x, "plugins/t/ok.lua", "return function() return 'ok' end");
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static void is_run_once_and_waited_for(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    start(&x, "local neap = require 'neap'\n"
              "return {\n"
              "  setup = function() print('setup') neap.sleep(0.05) return { n = 0 } end,\n"
              "  run = function(args, ctx) ctx.state.n = ctx.state.n + 1 return ctx.state.n end,\n"
              "  teardown = function(state) print('teardown ' .. state.n) end,\n"
              "}\n");
    for (int i = 0; i < 100; i++)
        executor_submit(&x, "t.task", NULL);
    for (int i = 0; i < 100; i++)
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_COMPLETED);
    executor_close(&x);
    assert_int_equal(times(&x, "setup"), 1);
    assert_int_equal(times(&x, "teardown 100"), 1);
}

static void fails_one_attempt_and_is_tried_again(void **state)
{
    struct executor x;
    char text[256];
    int failed = 0;
    (void)state;
    start(&x, "local neap, tries = require 'neap', 0\n"
              "return {\n"
              "  setup = function()\n"
              "    tries = tries + 1\n"
              "    neap.sleep(0.02)\n"
              "    if tries < 3 then error('not yet') end\n"
              "    return tries\n"
              "  end,\n"
              "  run = function(_, ctx) return ctx.state end,\n"
              "}\n");
    for (int i = 0; i < 10; i++)
        executor_submit(&x, "t.task", NULL);
    for (int i = 0; i < 10; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        if (out.state == NEAP_COMPLETED)
            assert_string_equal(text, "3");
        else
            assert_non_null(strstr(text, "task.lua:6: not yet"));
        failed += out.state != NEAP_COMPLETED;
    }
    assert_int_equal(failed, 2);
    executor_close(&x);
}

/* The job that runs setup is cancelled: one of those that wait for it takes over. */
static void is_taken_over(void **state)
{
    struct executor x;
    char text[256];
    uint64_t ids[3];
    (void)state;
    start(&x, "local neap, tries = require 'neap', 0\n"
              "return {\n"
              "  setup = function()\n"
              "    tries = tries + 1\n"
              "    print('setup ' .. tries)\n"
              "    if tries == 1 then neap.sleep('1h') end\n"
              "    return tries\n"
              "  end,\n"
              "  run = function(_, ctx) return ctx.state end,\n"
              "}\n");
    for (int i = 0; i < 3; i++)
        ids[i] = executor_submit(&x, "t.task", NULL);
    executor_await_printed(&x, "setup 1");
    assert_string_equal(executor_run(&x, "t.ok", NULL), "\"ok\"");
    assert_int_equal(neap_cancel(x.n, ids[0], NULL), NEAP_OK);
    assert_int_equal(executor_next(&x, text, sizeof text).id, ids[0]);
    for (int i = 1; i < 3; i++) {
        executor_next(&x, text, sizeof text);
        assert_string_equal(text, "2");
    }
    executor_close(&x);
}

/* Thousands that wait for it are cancelled, more than the worker keeps; it ends only then. */
static void outlives_those_that_wait(void **state)
{
    enum { JOBS = 4500 };
    struct executor x;
    char text[256];
    static uint64_t ids[JOBS];
    (void)state;
    start(&x, "local neap = require 'neap'\n"
              "go = false\n"
              "return {\n"
              "  setup = function()\n"
              "    print('setup')\n"
              "    while not go do neap.sleep(0.01) end\n"
              "  end,\n"
              "  run = function() return 'ran' end,\n"
              "}\n");
    executor_write(&x, "plugins/t/go.lua", "return function() go = true end");
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    const uint64_t first = executor_submit(&x, "t.task", NULL);
    executor_await_printed(&x, "setup");
    for (int i = 0; i < JOBS; i++)
        ids[i] = executor_submit(&x, "t.task", NULL);
    assert_string_equal(executor_run(&x, "t.ok", NULL), "\"ok\"");
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(neap_cancel(x.n, ids[i], NULL), NEAP_OK);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_CANCELLED);
    executor_run(&x, "t.go", NULL);
    const struct neap_outcome out = executor_next(&x, text, sizeof text);
    assert_int_equal(out.id, first);
    assert_string_equal(text, "\"ran\"");
    executor_close(&x);
}

static const char generations[] =
    "local neap = require 'neap'\n"
    "local version = %d\n"
    "return {\n"
    "  setup = function()\n"
    "    print('setup ' .. version)\n"
    "    neap.shared('s'):set('up', version)\n"
    "    while version == 1 and not neap.shared('s'):get('go') do neap.sleep(0.01) end\n"
    "    return version\n"
    "  end,\n"
    "  run = function(args, ctx)\n"
    "    if args == 'stay' then\n"
    "      print('stays ' .. version)\n"
    "      while not neap.shared('s'):get('leave') do neap.sleep(0.01) end\n"
    "    end\n"
    "    if args == 'go' or args == 'leave' then neap.shared('s'):set(args, true) end\n"
    "    return { ctx.generation, ctx.state }\n"
    "  end,\n"
    "  teardown = function(state) print('teardown ' .. state) end,\n"
    "}\n";

static void write_generation(struct executor *x, int version)
{
    char text[sizeof generations + 16];
    snprintf(text, sizeof text, generations, version);
    executor_write(x, "plugins/t/task.lua", text);
}

static void reloads_while_it_runs(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    write_generation(&x, 1);
    executor_start(&x, 0);
    const uint64_t old = executor_submit(&x, "t.task", NULL);
    executor_await_printed(&x, "setup 1");
    write_generation(&x, 2);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    assert_string_equal(executor_run(&x, "t.task", NULL), "[2,2]");
    assert_false(executor_printed(&x, "teardown"));
    executor_submit(&x, "t.task", "\"go\"");
    for (int i = 0; i < 2; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_string_equal(text, out.id == old ? "[1,1]" : "[2,2]");
    }
    executor_await_printed(&x, "teardown 1");
    executor_close(&x);
    assert_int_equal(times(&x, "setup 1"), 1);
    assert_int_equal(times(&x, "setup 2"), 1);
    assert_int_equal(times(&x, "teardown 1"), 1);
    assert_int_equal(times(&x, "teardown 2"), 1);
}

/* The old version is torn down once its last job has ended; at the close also with jobs of it. */
static void old_versions_go_last(void **state)
{
    struct executor x;
    char text[256];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    write_generation(&x, 2);
    executor_start(&x, 0);
    executor_submit(&x, "t.task", "\"stay\"");
    executor_await_printed(&x, "stays 2");
    write_generation(&x, 3);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    assert_string_equal(executor_run(&x, "t.task", NULL), "[2,3]");
    executor_submit(&x, "t.task", "\"stay\"");
    executor_await_printed(&x, "stays 3");
    write_generation(&x, 4);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    assert_string_equal(executor_run(&x, "t.task", NULL), "[3,4]");
    assert_false(executor_printed(&x, "teardown"));
    executor_run(&x, "t.task", "\"leave\"");
    for (int i = 0; i < 2; i++)
        executor_next(&x, text, sizeof text);
    executor_await_printed(&x, "teardown 2");
    executor_await_printed(&x, "teardown 3");
    write_generation(&x, 5);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    executor_await_printed(&x, "teardown 4");
    executor_close(&x);
    assert_int_equal(times(&x, "teardown 4"), 1);
    assert_int_equal(times(&x, "teardown 5"), 0); /* it was never set up */
}

static void closes_with_jobs_of_old_versions(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    write_generation(&x, 2);
    executor_start(&x, 0);
    executor_submit(&x, "t.task", "\"stay\"");
    executor_await_printed(&x, "stays 2");
    write_generation(&x, 3);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    executor_submit(&x, "t.task", "\"stay\"");
    executor_await_printed(&x, "stays 3");
    executor_close(&x);
    assert_int_equal(times(&x, "teardown 2"), 1);
    assert_int_equal(times(&x, "teardown 3"), 1);
}

/* Tasks of one plugin: each with a teardown, some without setup; one that fails keeps no other from
 * its own, and none can wait or submit there. */
static void every_teardown_runs(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_write(
        &x, "plugins/t/a.lua",
        "return { run = function() end, teardown = function(s) print('a ' .. tostring(s)) "
        "end }");
    executor_write(&x, "plugins/t/b.lua",
                   "return { run = function() end, teardown = function()\n"
                   "  print('b') error(setmetatable({}, { __tostring = error })) end }");
    executor_write(&x, "plugins/t/c.lua",
                   "return { setup = function() return 1 end, run = function() end,\n"
                   "  teardown = function(s) print('c ' .. s) end }");
    executor_write(&x, "plugins/t/d.lua",
                   "return { setup = function() return 1 end, run = function() end,\n"
                   "  teardown = function() print('never: not set up') end }");
    executor_write(
        &x, "plugins/t/e.lua",
        "local neap = require 'neap'\n"
        "local old\n"
        "return { run = function(_, ctx) old = ctx return 'ok' end, teardown = function()\n"
        "  print('e ' .. tostring(pcall(neap.sleep, 0)) .. tostring(pcall(neap.submit, "
        "'t.a'))\n"
        "    .. tostring(pcall(function() return old.id end))\n"
        "    .. tostring(coroutine.wrap(function() coroutine.yield(1) end)()))\n"
        "  print('two\\nlines')\n"
        "end }");
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    executor_run(&x, "t.c", NULL);
    assert_string_equal(executor_run(&x, "t.e", NULL), "\"ok\"");
    executor_close(&x);
    assert_int_equal(times(&x, "a nil\n"), 1);
    assert_int_equal(times(&x, "b\n"), 1);
    assert_int_equal(times(&x, "c 1\n"), 1);
    assert_int_equal(times(&x, "e falsefalsefalse1\n"), 1);
    assert_int_equal(times(&x, "two\nlines\n"), 1);
    assert_int_equal(times(&x, "never"), 0);
}

/* Tasks come and go with versions of their plugin; each job runs on the newest that has its task.
 */
static void tasks_come_and_go(void **state)
{
    struct executor x;
    char text[128];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_write(&x, "plugins/t/a.lua", "return function(_, ctx) return ctx.generation end");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.a", NULL), "1");
    for (int i = 2; i < 12; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/plugins/t/b.lua", x.dir);
        if (i % 2)
            assert_int_equal(remove(path), 0);
        else
            executor_write(&x, "plugins/t/b.lua",
                           "return function(_, ctx) return ctx.generation end");
        assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
        snprintf(text, sizeof text, "%d", i);
        assert_string_equal(executor_run(&x, "t.a", NULL), text);
        const struct neap_request request = {.task = "t.b", .flags = NEAP_DELIVER};
        const int rc = neap_submit(x.n, &request, NULL, NULL);
        assert_int_equal(rc, i % 2 ? NEAP_ENOENT : NEAP_OK);
        if (rc == NEAP_OK)
            executor_next(&x, path, sizeof path);
        assert_true(rc != NEAP_OK || strcmp(path, text) == 0);
    }
    executor_close(&x);
}

/* An attempt under way when its task goes is retried as the last version said. */
static void retries_though_its_task_is_gone(void **state)
{
    struct executor x;
    char path[600];
    struct neap_job job;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ONE_WORKER);
    executor_write(&x, "plugins/t/ok.lua", "return function() return 'ok' end");
    executor_write(&x, "plugins/t/go.lua",
                   "return function() require('neap').shared('t'):set('go', true) end");
    executor_write(&x, "plugins/t/leaves.lua",
                   "local neap = require 'neap'\n"
                   "return { retry = 3, run = function()\n"
                   "  print('begun')\n"
                   "  while not neap.shared('t'):get('go') do neap.sleep(0.01) end\n"
                   "  error('failed')\n"
                   "end }\n");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "t.leaves", NULL);
    executor_await_printed(&x, "begun");
    snprintf(path, sizeof path, "%s/plugins/t/leaves.lua", x.dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(neap_reload(x.n, NULL), NEAP_OK);
    executor_run(&x, "t.go", NULL);
    EXECUTOR_UNTIL(&x, failed, 1);
    assert_int_equal(neap_get(x.n, id, &job, NULL), NEAP_OK);
    assert_int_equal(job.state, NEAP_RETRYABLE);
    neap_job_free(&job);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_run_once_and_waited_for),
        cmocka_unit_test(fails_one_attempt_and_is_tried_again),
        cmocka_unit_test(is_taken_over),
        cmocka_unit_test(outlives_those_that_wait),
        cmocka_unit_test(reloads_while_it_runs),
        cmocka_unit_test(old_versions_go_last),
        cmocka_unit_test(closes_with_jobs_of_old_versions),
        cmocka_unit_test(every_teardown_runs),
        cmocka_unit_test(tasks_come_and_go),
        cmocka_unit_test(retries_though_its_task_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
