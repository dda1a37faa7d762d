/* Jobs that are cancelled while they wait, in each kind of wait: their to-be-closed variables run,
 * nothing is left behind, and what still points to them does no harm. */
#include "../support/executor.h"
#include "../support/tree.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char wait_lua[] =
    "local neap = require 'neap'\n"
    "local ways = {}\n"
    "local function closing(f) return setmetatable({}, { __close = f }) end\n"
    "local function long() return neap.sleep('1h') end\n"
    "function ways.sleep() long() end\n"
    "function ways.wait() neap.submit('t.sleeper'):wait() end\n"
    "function ways.wait_for_later() neap.submit('t.sleeper', nil, { delay = '1h' }):wait() end\n"
    "function ways.all() neap.all { neap.submit('t.sleeper'), neap.submit('t.sleeper') } end\n"
    "function ways.room()\n"
    "  while true do neap.submit('t.sleeper', nil, { queue = 'narrow', delay = '1h' }) end\n"
    "end\n"
    "function ways.again_and_again() while true do pcall(neap.sleep, 0) end end\n"
    "function ways.asks_again_and_again() while true do pcall(neap.stats) end end\n"
    "function ways.pcall_loop() while true do pcall(long) end end\n"
    "function ways.coroutine()\n"
    "  coroutine.wrap(function()\n"
    "    local _ <close> = closing(function() print('closed inner') end)\n"
    "    coroutine.wrap(function() pcall(long) end)()\n"
    "  end)()\n"
    "end\n"
    "function ways.metamethod() return setmetatable({}, { __index = long }).x end\n"
    "function ways.close() do local _ <close> = closing(long) end end\n"
    "function ways.close_of_an_error()\n"
    "  pcall(function() local _ <close> = closing(long) error('x') end)\n"
    "end\n"
    "function ways.handler_after() xpcall(function() long() end, function() while true do end end) "
    "end\n"
    "function ways.own_close_waits() local _ <close> = closing(long) long() end\n"
    "function ways.own_close_fails() local _ <close> = closing(error) long() end\n"
    "function ways.own_close_quits()\n"
    "  local _ <close> = closing(function() mine:fail('no') end)\n"
    "  long()\n"
    "end\n"
    "function ways.generator() for _ in coroutine.wrap(function() long() end) do end end\n"
    "mine = false\n"
    "return function(args, ctx)\n"
    "  mine = ctx\n"
    "  local _ <close> = closing(function()\n"
    "    print('closed ' .. args .. ' ' .. tostring(select(2, neap.sleep(1))))\n"
    "  end)\n"
    "  print('waits ' .. args)\n"
    "  ways[args]()\n"
    "  print('went on')\n"
    "end\n";

static const char *const ways[] = {
    "sleep",          "wait",       "wait_for_later",  "all",
    "room",           "pcall_loop", "again_and_again", "asks_again_and_again",
    "coroutine",      "metamethod", "close",           "close_of_an_error",
    "handler_after",  "generator",  "own_close_waits", "own_close_fails",
    "own_close_quits"};

static void in_each_kind_of_wait(void **state)
{
    struct executor x;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(
        &x, "neap.ini",
        "[pool default]\nworkers = 1\n[queue narrow]\ncapacity = 2\nwhen_full = block\n");
    executor_write(&x, "plugins/t/wait.lua", wait_lua);
    executor_write(&x, "plugins/t/sleeper.lua", "return function() require 'neap'.sleep('1h') end");
    executor_write(&x, "plugins/t/ok.lua", "return function() return 'ok' end");
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(text, sizeof text, "\"%s\"", ways[i]);
        const uint64_t id = executor_submit(&x, "t.wait", text);
        snprintf(text, sizeof text, "waits %s", ways[i]);
        executor_await_printed(&x, text);
        assert_string_equal(executor_run(&x, "t.ok", NULL), "\"ok\""); /* it is waiting by now */
        assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        if (out.id != id || out.state != NEAP_CANCELLED)
            fail_msg("%s: state %d, '%s'", ways[i], out.state, text);
        snprintf(text, sizeof text, "closed %s killed", ways[i]);
        if (!executor_printed(&x, text))
            fail_msg("%s: its __close did not run", ways[i]);
        assert_string_equal(executor_run(&x, "t.ok", NULL), "\"ok\"");
    }
    assert_true(executor_printed(&x, "closed inner"));
    assert_false(executor_printed(&x, "went on"));
    executor_close(&x);
}

/* More jobs at once than coroutines are kept: the ctx of each is of no use afterwards, and no more.
 */
static void a_kept_ctx_does_no_harm(void **state)
{
    enum { JOBS = 4500 };
    struct executor x;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslots = 10000\n");
    executor_write(&x, "plugins/t/keep.lua",
                   "local neap = require 'neap'\n"
                   "kept, come = {}, 0\n"
                   "return function(args, ctx)\n"
                   "  if args ~= 'look' then\n"
                   "    kept[#kept + 1] = ctx\n"
                   "    come = come + 1\n"
                   "    while come < args do neap.sleep(0.01) end\n"
                   "    return\n"
                   "  end\n"
                   "  local useless = 0\n"
                   "  for _, old in ipairs(kept) do\n"
                   "    if not pcall(function() return old.id end) then useless = useless + 1 end\n"
                   "    assert(tostring(old):find('ctx of job'))\n"
                   "  end\n"
                   "  return useless\n"
                   "end\n");
    executor_start(&x, 0);
    snprintf(text, sizeof text, "%d", JOBS);
    for (int i = 0; i < JOBS; i++)
        executor_submit(&x, "t.keep", text);
    for (int i = 0; i < JOBS; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_int_equal(out.state, NEAP_COMPLETED);
    }
    snprintf(text, sizeof text, "%d", JOBS);
    assert_string_equal(executor_run(&x, "t.keep", "\"look\""), text);
    executor_close(&x);
}

/* The methods of strings are the job's plugin's while its __close runs, too. */
static void closes_with_its_own_strings(void **state)
{
    struct executor x;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(
        &x, "plugins/a/wait.lua",
        "return function()\n"
        "  local _ <close> = setmetatable({}, { __close = function() print(('x'):upper()) "
        "end })\n"
        "  print('waits')\n"
        "  require 'neap'.sleep('1h')\n"
        "end\n");
    executor_write(&x, "plugins/b/evil.lua",
                   "string.upper = function() return 'EVIL' end\n"
                   "return function() return ('x'):upper() end\n");
    executor_start(&x, 0);
    const uint64_t id = executor_submit(&x, "a.wait", NULL);
    executor_await_printed(&x, "waits");
    assert_string_equal(executor_run(&x, "b.evil", NULL), "\"EVIL\"");
    assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
    executor_next(&x, text, sizeof text);
    assert_true(executor_printed(&x, "X"));
    assert_false(executor_printed(&x, "EVIL"));
    executor_close(&x);
}

/* Cancels that race with the start, the waits and the end of jobs: each ends once. */
static void at_any_moment(void **state)
{
    enum { JOBS = 3000 };
    struct executor x;
    char text[512];
    uint64_t ids[8] = {0};
    int ended = 0;
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 2\n");
    executor_write(
        &x, "plugins/t/any.lua",
        "local neap = require 'neap'\n"
        "return function(args)\n"
        "  local _ <close> = setmetatable({}, { __close = function() neap.sleep(0) end })\n"
        "  for i = 1, args % 5 do\n"
        "    if i == 3 then neap.submit('t.none'):wait() else neap.sleep(0) end\n"
        "  end\n"
        "end\n");
    executor_write(&x, "plugins/t/none.lua", "return function() end");
    executor_start(&x, 0);
    for (int i = 0; i < JOBS; i++) {
        snprintf(text, sizeof text, "%d", i);
        ids[i % 8] = executor_submit(&x, "t.any", text);
        if (i >= 7)
            neap_cancel(x.n, ids[(i + 1 + i / 8) % 8], NULL); /* one of the last eight */
    }
    for (; ended < JOBS; ended++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_true(out.state == NEAP_COMPLETED || out.state == NEAP_CANCELLED);
    }
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    const struct neap_counters total = executor_totals(&x);
    assert_int_equal(total.completed + total.cancelled, total.submitted);
    assert_int_equal(total.running, 0);
    executor_close(&x);
}

/* Programs made up at random that give up, or are cancelled, somewhere in the middle. */
static void wherever_they_are(void **state)
{
    enum { SEEDS = 400 };
    struct executor x;
    char text[4096];
    uint64_t ids[SEEDS];
    int gave_up = 0;
    (void)state;
    char *programs = tree_repository_file("tests/support/programs.lua");
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/lib/programs.lua", programs);
    executor_write(&x, "plugins/t/made_up.lua",
                   "local programs, neap = require 'programs', require 'neap'\n"
                   "return function(args, ctx)\n"
                   "  local left = args.quit_at\n"
                   "  programs.made_up(args.seed, function() end, function()\n"
                   "    left = left - 1\n"
                   "    if left == 0 then ctx:fail('because') end\n"
                   "    if left == -3 and args.seed % 2 == 0 then pcall(ctx.cancel, ctx) end\n"
                   "    pcall(neap.sleep, 0.001)\n"
                   "  end)\n"
                   "end\n");
    executor_write(&x, "plugins/t/ok.lua", "return function() require 'neap'.sleep(0) end");
    executor_start(&x, 0);
    for (int i = 0; i < SEEDS; i++) {
        snprintf(text, sizeof text, "{\"seed\":%d,\"quit_at\":%d}", i, i % 7);
        ids[i] = executor_submit(&x, "t.made_up", text);
    }
    for (int i = 0; i < SEEDS; i += 5)
        neap_cancel(x.n, ids[i], NULL);
    for (int i = 0; i < SEEDS; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        const bool because = out.state == NEAP_DEAD && strcmp(text, "because") == 0;
        if (!because && out.state != NEAP_CANCELLED && out.state != NEAP_COMPLETED)
            fail_msg("state %d, '%s'", out.state, text);
        gave_up += because;
    }
    assert_true(gave_up > SEEDS / 5);
    executor_run(&x, "t.ok", NULL);
    free(programs);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_each_kind_of_wait),        cmocka_unit_test(a_kept_ctx_does_no_harm),
        cmocka_unit_test(closes_with_its_own_strings), cmocka_unit_test(at_any_moment),
        cmocka_unit_test(wherever_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
