/* A state past its memory limit: who holds it goes, who only passes by stays. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define GARBAGE "60" /* MiB; each takes its time there */
#else
#define GARBAGE "300"
#endif

static struct executor x;

static const char task_lua[] =
    "local neap = require 'neap'\n"
    "local function mib(n) return ('x'):rep(n << 20) end\n"
    "local cache = {}\n"
    "local ways = {}\n"
    "function ways.hoards()\n"
    "  local t = {}\n"
    "  while true do t[#t + 1] = mib(1) .. #t neap.sleep(0.001) end\n"
    "end\n"
    "function ways.hoards_small_things()\n"
    "  local t = {}\n"
    "  while true do\n"
    "    for _ = 1, 5000 do t[#t + 1] = { #t } end\n"
    "    neap.sleep(0.001)\n"
    "  end\n"
    "end\n"
    "function ways.hoards_in_coroutines()\n"
    "  local t = {}\n"
    "  while true do\n"
    "    local co = coroutine.wrap(function() local s = mib(1) .. #t coroutine.yield() return s "
    "end)\n"
    "    co()\n"
    "    t[#t + 1] = co\n"
    "    neap.sleep(0.001)\n"
    "  end\n"
    "end\n"
    "function ways.hoards_in_closures()\n"
    "  local f\n"
    "  while true do\n"
    "    local g, s = f, mib(1) .. tostring(f)\n"
    "    f = function() return g, s end\n"
    "    neap.sleep(0.001)\n"
    "  end\n"
    "end\n"
    "function ways.hoards_in_async()\n"
    "  neap.async(ways.hoards):wait()\n"
    "end\n"
    "function ways.recurses()\n"
    "  local function deep() return 1 + deep() end\n"
    "  while true do pcall(deep) neap.sleep(0.001) end\n"
    "end\n"
    "function ways.makes_garbage()\n" /* much in its time, and holds nothing of it */
    "  for i = 1, " GARBAGE " do\n"
    "    local s = mib(1) .. i\n"
    "    if i % 10 == 0 then neap.sleep(0.001) end\n"
    "  end\n"
    "  return 'lives'\n"
    "end\n"
    "function ways.has_made_garbage()\n"
    "  local t = {}\n"
    "  for i = 1, 20 do t[i] = mib(1) .. i end\n"
    "  t = nil\n"
    "  print('has made garbage')\n"
    "  neap.sleep(args_wait)\n"
    "  return 'lives'\n"
    "end\n"
    "function ways.has_little()\n"
    "  local t = {}\n"
    "  for i = 1, 3 do t[i] = mib(1) .. i end\n"
    "  neap.sleep(args_wait)\n"
    "  return #t .. 'lives'\n"
    "end\n"
    "function ways.wants_too_much_at_once()\n"
    "  for _ = 1, 10 do assert(not pcall(mib, 1000)) end\n"
    "  local ok, why = pcall(mib, 1000)\n"
    "  return why\n"
    "end\n"
    "function ways.fills_the_cache() cache[#cache + 1] = mib(1) .. #cache return 'kept' end\n"
    "args_wait = 0.3\n"
    "return function(way) return ways[way]() end\n";

static void start(const char *ini)
{
    executor_init(&x);
    executor_write(&x, "neap.ini", ini);
    executor_write(&x, "plugins/t/task.lua", task_lua);
    executor_write(&x, "plugins/u/ok.lua",
                   "return function() local t = {} for i = 1, 1000 do t[i] = { i } end\n"
                   "  require 'neap'.sleep(0.001) return #t end");
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
}

static uint64_t submit(const char *way, uint64_t tag)
{
    char args[64];
    snprintf(args, sizeof args, "\"%s\"", way);
    return executor_request(&x, (struct neap_request){.task = "t.task", .args = args, .tag = tag});
}

static const char one[] = "[pool default]\nworkers = 1\nmemory = 32M\n";

/* The hoarder dies and is named; all others live. */
static void hoarder_among(const char *hoarder, const char *other, int others)
{
    char text[512];
    for (int i = 0; i < others; i++)
        submit(other, 0);
    submit(hoarder, 7);
    for (int i = 0; i < 50; i++)
        executor_submit(&x, "u.ok", NULL);
    for (int i = 0; i < others + 51; i++) {
        struct neap_outcome out;
        assert_int_equal(neap_next(x.n, &out, 60000), NEAP_OK);
        snprintf(text, sizeof text, "%d %s: %s %s", (int)out.tag, out.task,
                 out.code ? out.code : "", out.message ? out.message : "");
        const bool is_hoarder = out.tag == 7;
        const bool right = is_hoarder ? out.state == NEAP_DEAD && strcmp(out.code, "memory") == 0 &&
                                            strstr(out.message, "this job holds the most")
                                      : out.state == NEAP_COMPLETED;
        neap_outcome_free(&out);
        if (!right)
            fail_msg("%s among %d that %s: %s", hoarder, others, other, text);
    }
}

static void the_hoarder_dies(void **state)
{
    static const char *const hoarders[] = {"hoards",
                                           "hoards_small_things",
                                           "hoards_in_coroutines",
                                           "hoards_in_closures",
                                           "hoards_in_async",
                                           "recurses"};
    static const char *const others[] = {"makes_garbage", "has_made_garbage", "has_little"};
    (void)state;
    start(one);
    for (size_t i = 0; i < sizeof hoarders / sizeof *hoarders; i++)
        for (size_t j = 0; j < sizeof others / sizeof *others; j++)
            hoarder_among(hoarders[i], others[j], j == 2 ? 4 : 1);
    executor_close(&x);
}

static void garbage_is_no_reason(void **state)
{
    char text[64];
    (void)state;
    start(one);
    for (int i = 0; i < 20; i++)
        submit("makes_garbage", 0);
    for (int i = 0; i < 20; i++) {
        executor_next(&x, text, sizeof text);
        assert_string_equal(text, "\"lives\"");
    }
    executor_close(&x);
}

static void one_giant_is_an_error(void **state)
{
    (void)state;
    start(one);
    for (int i = 0; i < 10; i++)
        assert_string_equal(executor_run(&x, "t.task", "\"wants_too_much_at_once\""),
                            "\"not enough memory\"");
    assert_string_equal(executor_run(&x, "u.ok", NULL), "1000");
    executor_close(&x);
}

/* What the plugin keeps grows: the worker is replaced, again and again, and no job pays for it. */
static void a_cache_costs_a_worker(void **state)
{
    enum { JOBS = 200 };
    char text[512];
    (void)state;
    start(one);
    submit("has_little", 0);
    for (int i = 0; i < JOBS; i++)
        submit("fills_the_cache", 0);
    for (int i = 0; i < JOBS + 1; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        if (out.state != NEAP_COMPLETED)
            fail_msg("%s", text);
    }
    assert_string_equal(executor_run(&x, "u.ok", NULL), "1000");
    struct neap_stats stats;
    assert_int_equal(neap_stats(x.n, &stats, NULL), NEAP_OK);
    assert_int_equal(stats.stuck, 0);
    neap_stats_free(&stats);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hoarder_dies),
        cmocka_unit_test(garbage_is_no_reason),
        cmocka_unit_test(one_giant_is_an_error),
        cmocka_unit_test(a_cache_costs_a_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
