/* What a killed job closes: its to-be-closed variables run wherever the kill found it, have an end
 * of their own, and see nothing that would keep them from it. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char task_lua[] =
    "local neap = require 'neap'\n"
    "local ran, current\n"
    "local function loop()\n"
    "  if current then print('loops in ' .. current) end\n" /* once */
    "  current = nil\n"
    "  while true do end\n"
    "end\n"
    "local function closing(name)\n"
    "  return setmetatable({}, { __close = function()\n"
    "    local t = {}\n"
    "    for i = 1, 1000 do t[i] = i * 2 end\n" /* more than a few instructions */
    "    table.sort(t, function(a, b) return a > b end)\n"
    "    ran[#ran + 1] = name .. (select(2, pcall(error, '!', 0)) or '?')\n"
    "  end })\n"
    "end\n"
    "local function sorting(f) table.sort({ 3, 2, 1 }, f) end\n"
    "local spent\n"
    "local ways = {\n"
    "  base = function() local _ <close> = closing('b') loop() end,\n"
    "  pcall = function()\n"
    "    local _ <close> = closing('b')\n"
    "    pcall(function() local _ <close> = closing('c') loop() end)\n"
    "  end,\n"
    "  coroutine = function()\n"
    "    local _ <close> = closing('b')\n"
    "    coroutine.wrap(function() local _ <close> = closing('c') loop() end)()\n"
    "  end,\n"
    "  sort = function()\n"
    "    local _ <close> = closing('b')\n"
    "    sorting(function() local _ <close> = closing('c') loop() end)\n"
    "  end,\n"
    "  sort_pcall = function()\n"
    "    local _ <close> = closing('b')\n"
    "    sorting(function()\n"
    "      pcall(function() local _ <close> = closing('c') while true do pcall(loop) end end)\n"
    "    end)\n"
    "  end,\n"
    "  coroutine_in_sort = function()\n"
    "    local _ <close> = closing('b')\n"
    "    sorting(function()\n"
    "      coroutine.wrap(function() local _ <close> = closing('c') loop() end)()\n"
    "    end)\n"
    "  end,\n"
    "  gsub = function()\n"
    "    local _ <close> = closing('b')\n"
    "    ;('x'):gsub('.', function() local _ <close> = closing('c') loop() end)\n"
    "  end,\n"
    "  sort_in_coroutine = function()\n" /* its own is not run: hooks stay off there */
    "    local _ <close> = closing('b')\n"
    "    coroutine.wrap(function() local _ <close> = closing('c') sorting(loop) end)()\n"
    "  end,\n"
    "  sort_in_pcall_in_coroutine = function()\n"
    "    local _ <close> = closing('b')\n"
    "    coroutine.wrap(function() local _ <close> = closing('c') pcall(sorting, loop) end)()\n"
    "  end,\n"
    "  spent = function()\n"
    "    spent = coroutine.create(function()\n"
    "      local _ <close> = setmetatable({}, { __close = loop })\n"
    "      sorting(loop)\n"
    "    end)\n"
    "    local _ <close> = setmetatable({}, { __close = function() coroutine.close(spent) end })\n"
    "    local _ <close> = closing('b')\n"
    "    coroutine.resume(spent)\n"
    "  end,\n"
    "  closes_what_is_spent = function()\n"
    "    local _ <close> = closing('b')\n"
    "    ran[#ran + 1] = tostring(pcall(coroutine.close, spent)) .. coroutine.status(spent)\n"
    "    loop()\n"
    "  end,\n"
    "  load = function()\n"
    "    local _ <close> = closing('b')\n"
    "    while true do load(function() local _ <close> = closing('c') loop() end) end\n"
    "  end,\n"
    "  async = function()\n"
    "    local _ <close> = closing('b')\n"
    "    neap.async(function() local _ <close> = closing('c') loop() end):wait()\n"
    "  end,\n"
    "}\n"
    "return function(way)\n"
    "  if type(way) ~= 'string' then return table.concat(ran, ' ') end\n"
    "  ran, current = {}, way\n"
    "  ways[way]()\n"
    "end\n";

static const struct {
    const char *way, *ran;
} cases[] = {
    {"base", "b!"},
    {"pcall", "c! b!"},
    {"coroutine", "c! b!"},
    {"sort", "c! b!"},
    {"sort_pcall", "c! b!"},
    {"coroutine_in_sort", "c! b!"},
    {"gsub", "c! b!"},
    {"sort_in_coroutine", "b!"},
    {"sort_in_pcall_in_coroutine", "c! b!"},
    {"spent", "b!"},
    {"closes_what_is_spent", "falsenormal b!"},
    {"load", "c! b!"},
    {"async", "c! b!"},
};
enum { CASES = sizeof cases / sizeof *cases };

static void run_all(bool cancelled)
{
    struct executor x;
    char text[512], want[128];
    int bad = 0;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[neap]\ngrace = 20s\n[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/task.lua", task_lua);
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (int i = 0; i < CASES; i++) {
        snprintf(text, sizeof text, "\"%s\"", cases[i].way);
        const uint64_t id = executor_request(
            &x, (struct neap_request){
                    .task = "t.task", .args = text, .timeout_ms = cancelled ? -1 : 150});
        snprintf(want, sizeof want, "loops in %s", cases[i].way);
        if (cancelled) {
            executor_await_printed(&x, want);
            assert_int_equal(neap_cancel(x.n, id, NULL), NEAP_OK);
        }
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        if (out.state != (cancelled ? NEAP_CANCELLED : NEAP_DEAD)) {
            print_error("%s: state %d, %s\n", cases[i].way, out.state, text);
            bad++;
        }
        snprintf(want, sizeof want, "\"%s\"", cases[i].ran);
        const char *ran = executor_run(&x, "t.task", NULL);
        if (strcmp(ran, want) != 0) {
            print_error("%s: ran %s, not %s\n", cases[i].way, ran, want);
            bad++;
        }
    }
    struct neap_stats stats;
    assert_int_equal(neap_stats(x.n, &stats, NULL), NEAP_OK);
    assert_int_equal(stats.stuck, 0);
    neap_stats_free(&stats);
    executor_close(&x);
    assert_int_equal(bad, 0);
}

static void at_the_deadline(void **state)
{
    (void)state;
    run_all(false);
}

static void when_cancelled(void **state)
{
    (void)state;
    run_all(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_the_deadline),
        cmocka_unit_test(when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
