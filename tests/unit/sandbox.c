/* The sandbox belongs to the pool: which one a plugin is tried in when it is loaded, and which one
 * its tasks run in. What each holds is in tests/unit/reach.c, what it refuses in attack.c. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static const char ini[] = "[pool default]\nworkers = 1\n"
                          "[pool jail]\nworkers = 1\nsandbox = strict\nqueues = jail\n"
                          "[task ruled.*]\nqueue = jail\n";

static const char environment[] = "return { queue = %s, run = function() "
                                  "return os.getenv('PATH') and 'standard' end }";

static void open_with(struct executor *x, const char *path, const char *text)
{
    executor_init(x);
    executor_write(x, "neap.ini", ini);
    executor_write(x, path, text);
    executor_start(x, 0);
}

static void each_pool_has_its_own(void **state)
{
    struct executor x;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", ini);
    snprintf(text, sizeof text, environment, "'default'");
    executor_write(&x, "plugins/free/t.lua", text);
    snprintf(text, sizeof text, environment, "'jail'");
    executor_write(&x, "plugins/own/t.lua", text);
    snprintf(text, sizeof text, environment, "'default'"); /* the INI knows better */
    executor_write(&x, "plugins/ruled/t.lua", text);
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    assert_string_equal(executor_run(&x, "free.t", NULL), "\"standard\"");
    for (int i = 0; i < 2; i++) {
        executor_submit(&x, i ? "own.t" : "ruled.t", NULL);
        assert_int_equal(executor_next(&x, text, sizeof text).state, NEAP_DEAD);
        assert_non_null(strstr(text, "t.lua:1: os.getenv is not available in a strict sandbox"));
    }
    executor_close(&x);
}

/* What only the standard sandbox has is used by a plugin that no strict pool serves. */
static void loads_where_it_is_for(void **state)
{
    struct executor x;
    (void)state;
    open_with(&x, "plugins/a/t.lua",
              "local info = debug.getinfo(1, 'S').source\n"
              "return function() return info ~= nil end");
    assert_string_equal(x.problems, "");
    assert_string_equal(executor_run(&x, "a.t", NULL), "true");
    executor_close(&x);
}

static void says_what_the_pool_lacks(void **state)
{
    struct executor x;
    (void)state;
    open_with(&x, "plugins/a/t.lua",
              "local info = debug.getinfo(1)\nreturn { queue = 'jail', run = print }");
    assert_non_null(strstr(x.problems, "t.lua:1: debug.getinfo is not available in a strict sandbox"
                                       " (pool jail is strict)"));
    assert_int_equal(neap_broken(x.n), 1);
    executor_close(&x);
}

/* A plugin that the INI keeps in a strict pool is never tried in the standard sandbox, where a
 * C module could act at the top level of a file. */
static void never_leaves(void **state)
{
    struct executor x;
    (void)state;
    open_with(&x, "plugins/ruled/t.lua",
              "if pcall(debug.getinfo, 1) then return print end\nerror('kept in')");
    assert_non_null(strstr(x.problems, "t.lua:2: kept in (pool jail is strict)"));
    assert_int_equal(neap_broken(x.n), 1);
    executor_close(&x);
}

static void never_leaves_where_all_are_strict(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nsandbox = strict\n");
    executor_write(&x, "plugins/a/t.lua",
                   "if pcall(debug.getinfo, 1) then return print end\nerror('kept in')");
    executor_start(&x, 0);
    assert_non_null(strstr(x.problems, "t.lua:2: kept in (pool default is strict)"));
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_pool_has_its_own),
        cmocka_unit_test(loads_where_it_is_for),
        cmocka_unit_test(says_what_the_pool_lacks),
        cmocka_unit_test(never_leaves),
        cmocka_unit_test(never_leaves_where_all_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
