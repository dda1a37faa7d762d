/* How long an attempt may take: which of the timeouts counts, that it ends what computes as well as
 * what waits, and that a task knows it. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* t.file has its own, t.ini one in the INI as well, t.plain only the default. */
static void start(struct executor *x)
{
    static const char run[] =
        "run = function(a, ctx)\n"
        "  local neap = require 'neap'\n"
        "  if a == 'spin' then while true do pcall(function() while true do end end) end end\n"
        "  if a == 'sleep' then neap.sleep('1h') end\n"
        "  if a == 'fiber' then neap.async(function() while true do end end) neap.sleep('1h') end\n"
        "  if a == 'parent' then return select(2, neap.submit('t.file', 'limit', { timeout = "
        "'none' "
        "}):wait()) end\n"
        "  return ctx.deadline and math.floor(ctx.deadline - neap.now() + 0.5) or 'none'\n"
        "end }";
    char text[1024];
    executor_init(x);
    executor_write(
        x, "neap.ini",
        "[pool default]\nworkers = 1\n[task *]\nretry.max = 0\n"
        "[task t.plain]\n[task t.ini]\ntimeout = 20s\n[task t.endless]\ntimeout = none\n");
    snprintf(text, sizeof text, "return { timeout = '30s', %s", run);
    executor_write(x, "plugins/t/file.lua", text);
    executor_write(x, "plugins/t/ini.lua", text);
    executor_write(x, "plugins/t/endless.lua", text);
    snprintf(text, sizeof text, "return { %s", run);
    executor_write(x, "plugins/t/plain.lua", text);
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
}

static void expect(struct executor *x, const char *task, int64_t timeout_ms, const char *want)
{
    executor_request(
        x, (struct neap_request){.task = task, .args = "\"limit\"", .timeout_ms = timeout_ms});
    executor_expect(x, want);
}

static void submit_then_ini_then_file(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    expect(&x, "t.file", 0, "30");
    expect(&x, "t.ini", 0, "20");
    expect(&x, "t.endless", 0, "\"none\"");
    expect(&x, "t.plain", 0, "\"none\"");
    expect(&x, "t.ini", 10000, "10");
    expect(&x, "t.endless", 10000, "10");
    expect(&x, "t.ini", -1, "\"none\"");
    assert_string_equal(executor_run(&x, "t.plain", "\"parent\""), "\"none\"");
    executor_close(&x);
}

static void one_for_all(void **state)
{
    struct executor x;
    (void)state;
    start(&x);
    executor_reload(&x, "[pool default]\nworkers = 1\n[task *]\nretry.max = 0\ntimeout = 1h\n");
    expect(&x, "t.plain", 0, "3600"); /* looked up at each attempt: a reload counts */
    expect(&x, "t.file", 0, "3600");  /* and what the INI says for all goes before a file */
    executor_close(&x);
}

static void it_ends_whatever_the_job_does(void **state)
{
    static const char *const ways[] = {"spin", "sleep", "fiber"};
    struct executor x;
    char text[256], args[32];
    (void)state;
    start(&x);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(args, sizeof args, "\"%s\"", ways[i]);
        executor_request(
            &x, (struct neap_request){.task = "t.endless", .args = args, .timeout_ms = 150});
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_int_equal(out.state, NEAP_DEAD);
        assert_non_null(strstr(text, "timeout: the attempt did not end within 0.15s"));
        if (out.run_ms < 150 || out.run_ms > 2150)
            fail_msg("%s: it ended after %g ms", ways[i], out.run_ms);
        expect(&x, "t.file", 0, "30"); /* the worker is fine */
    }
    executor_close(&x);
}

/* The next job may have the same record; it loads the module for itself. */
static void a_module_whose_load_was_ended_can_be_loaded(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/lib/slow.lua",
                   "local neap = require 'neap'\n"
                   "if not neap.shared('s'):get('fast') then neap.sleep('1h') end return 7");
    executor_write(&x, "plugins/t/user.lua",
                   "return { retry = 0, run = function(fast)\n"
                   "  require('neap').shared('s'):set('fast', fast)\n"
                   "  return require 'slow' end }");
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_start(&x, 0);
    char text[256];
    executor_request(&x,
                     (struct neap_request){.task = "t.user", .args = "false", .timeout_ms = 100});
    assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_DEAD);
    assert_string_equal(executor_run(&x, "t.user", "true"), "7");
    executor_close(&x);
}

/* As text they may be as long as a number can be. */
static void endless_durations_end_nothing(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/child.lua",
                   "return function() require('neap').sleep('50ms') return 'c' end");
    executor_write(
        &x, "plugins/t/parent.lua",
        "return function() local neap = require 'neap'\n"
        "  local job = neap.submit('t.child', nil, { expires = '9223372036854775807ms' })\n"
        "  return select(2, job:wait('9223372036854775807ms')) end");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.parent", NULL), "\"c\"");
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submit_then_ini_then_file),
        cmocka_unit_test(one_for_all),
        cmocka_unit_test(it_ends_whatever_the_job_does),
        cmocka_unit_test(a_module_whose_load_was_ended_can_be_loaded),
        cmocka_unit_test(endless_durations_end_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
