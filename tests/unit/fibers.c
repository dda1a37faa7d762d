/* Fibers: neap.async, race and all, handles, how they end, and how their job lends its slot. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each case is a task c.NAME, run alone: its result as JSON, or the message it fails with. */
static const struct {
    const char *name, *lua, *want;
} cases[] = {
    {"results",
     "local h = neap.async(function(a, b) neap.sleep('1ms') return a + b, nil, 'x', nil end, "
     "1, 2) local t = table.pack(h:wait()) return { t.n, t[1], t[2], t[4] == 'x' }",
     "[5,true,3,true]"},
    {"begins_at_the_first_wait",
     "local log = {} neap.async(function() log[#log + 1] = 'b' end) log[#log + 1] = 'a'\n"
     "neap.sleep(0) log[#log + 1] = 'c' return table.concat(log)",
     "\"abc\""},
    {"wait_twice",
     "local h = neap.async(function() return 7 end) local _, a = h:wait() local _, b = "
     "h:wait() return a + b",
     "14"},
    {"errors_are_values",
     "local h = neap.async(function() neap.sleep(0) error('bad', 0) end) local ok, e = h:wait()\n"
     "return { ok, e.message, e.code, e.traceback ~= nil }",
     "[false,\"bad\",\"error\",true]"},
    {"error_values_stay",
     "local t = { 5 } local _, e = neap.async(function() error(t) end):wait() return e.value == t",
     "true"},
    {"stray_error", "neap.async(function() error('lost', 0) end) neap.sleep('2ms') return 1",
     "an async function failed and nobody waited for it: lost"},
    {"stray_error_taken",
     "local h = neap.async(function() error('lost', 0) end) neap.sleep('2ms') "
     "return (h:wait())",
     "false"},
    {"wait_with_a_timeout",
     "local h = neap.async(function() neap.sleep('30ms') return 5 end)\n"
     "local ok, e = h:wait('1ms') local again, v = h:wait() return { ok, e.code, again, v }",
     "[false,\"timeout\",true,5]"},
    {"timeout_0",
     "local h = neap.async(function() neap.sleep('5ms') return 5 end)\n"
     "local ok, e = h:wait(0) return { ok, e.code, (h:wait()) }",
     "[false,\"timeout\",true]"},
    {"many_wait_for_one",
     "local h = neap.async(function() neap.sleep('3ms') return 2 end) local w = {}\n"
     "for i = 1, 50 do w[i] = neap.async(function() return select(2, h:wait()) end) end\n"
     "local sum = 0 for _, v in ipairs((neap.all(w))) do sum = sum + v end return sum",
     "100"},
    {"nested",
     "local function tree(n) if n == 0 then neap.sleep(0) return 1 end\n"
     "  local a, b = neap.async(tree, n - 1), neap.async(tree, n - 1)\n"
     "  return select(2, a:wait()) + select(2, b:wait()) end return tree(7)",
     "128"},
    {"waits_for_itself",
     "local h h = neap.async(function() return h:wait() end) local ok, e = h:wait()\n"
     "return { ok, (e.message:gsub('^.-: ', '')) }",
     "[false,\"an async function cannot wait for itself\"]"},
    {"race",
     "local t = neap.now() local i, ok, v = neap.race { function() neap.sleep('10s') end,\n"
     "function() neap.sleep('2ms') return 'fast' end, neap.async(function() neap.sleep('20s') "
     "end) }\nreturn { i, ok, v, neap.now() - t < 5 }",
     "[2,true,\"fast\",true]"},
    {"race_by_an_error",
     "local i, ok, e = neap.race { function() neap.sleep('10s') end, function() error('x', 0) end "
     "}\n"
     "return { i, ok, e.message }",
     "[2,false,\"x\"]"},
    {"race_with_a_job",
     "local job = neap.submit('c.echo', 'v') local i, ok, v = neap.race { function() "
     "neap.sleep('10s') "
     "end, job } return { i, ok, v }",
     "[2,true,\"v\"]"},
    {"a_lost_race_spares_the_job",
     "local job = neap.submit('c.nap', '20ms') local i = neap.race { job, function() "
     "neap.sleep('1ms') "
     "end } local ok, v = job:wait() return { i, ok, v }",
     "[2,true,\"napped\"]"},
    {"race_of_nothing", "return neap.race {}", "an empty list never ends"},
    {"all",
     "local r, e = neap.all { neap.async(function() return 1 end), neap.submit('c.echo', 2),\n"
     "neap.async(function() error('no', 0) end) } return { r[1], r[2], e[3].message }",
     "[1,2,\"no\"]"},
    {"cancel",
     "local log = {} local h = neap.async(function()\n"
     "  local x <close> = setmetatable({}, { __close = function() log[#log + 1] = 'closed'\n"
     "    local v, k = neap.sleep(1) log[#log + 1] = tostring(k) end })\n"
     "  pcall(neap.sleep, '10s') log[#log + 1] = 'went on' end)\n"
     "neap.sleep(0) h:cancel() local ok, e = h:wait() neap.sleep(0) log[#log + 1] = tostring(ok) "
     ".. e.code\n"
     "return table.concat(log, ' ')",
     "\"closed killed falsecancelled\""},
    {"cancel_before_it_began",
     "local ran = false local h = neap.async(function() ran = true end) h:cancel() "
     "neap.sleep('2ms')\n"
     "return ran",
     "false"},
    {"cancel_after_its_end",
     "local h = neap.async(function() return 3 end) neap.sleep(0) h:cancel() return select(2, "
     "h:wait())",
     "3"},
    {"cancel_itself",
     "local h h = neap.async(function() local x <close> = setmetatable({}, { __close = function() "
     "print 'self closed' end }) h:cancel() print 'went on' end)\n"
     "local ok, e = h:wait() return { ok, e.code }",
     "[false,\"cancelled\"]"},
    {"cancel_one_that_waits_for_a_job",
     "local job = neap.submit('c.nap', '30ms') local h = neap.async(function() return job:wait() "
     "end)\n"
     "neap.sleep('2ms') h:cancel() neap.sleep('2ms') local ok, v = job:wait() return { ok, v }",
     "[true,\"napped\"]"},
    {"rivals_in_coroutines",
     "local closed = 0 local function slow() coroutine.wrap(function() local x <close> = "
     "setmetatable({}, "
     "{ __close = function() closed = closed + 1 end }) neap.sleep('10s') end)() end\n"
     "neap.race { slow, slow, function() neap.sleep('1ms') end } neap.sleep(0) return closed",
     "2"},
    {"from_a_coroutine",
     "return coroutine.wrap(function() local h = neap.async(function() neap.sleep('1ms') return 4 "
     "end)\n"
     "return select(2, h:wait()) end)()",
     "4"},
    {"the_end_of_the_job_ends_them",
     "neap.async(function() local x <close> = setmetatable({}, { __close = function() print 'left "
     "closed' "
     "end }) neap.sleep('1h') end) neap.sleep('1ms') return 'done'",
     "\"done\""},
    {"youngest_first",
     "for i = 1, 3 do neap.async(function() local x <close> = setmetatable({}, { __close = "
     "function() "
     "print('order ' .. i) end }) neap.sleep('1h') end) end neap.sleep('1ms') return 'done'",
     "\"done\""},
    {"fail_from_inside",
     "neap.async(function() neap.sleep(0) ctx:fail('that is it') end) neap.sleep('1h')",
     "that is it"},
    {"fail_past_pcall",
     "neap.async(function() pcall(function() ctx:fail('past it') end) print 'no' end) "
     "neap.sleep('1h')",
     "past it"},
    {"ten_thousand",
     "local hs = {} for i = 1, 10000 do hs[i] = neap.async(function() neap.sleep('5ms') return i "
     "end) end\n"
     "local sum = 0 for _, v in ipairs((neap.all(hs))) do sum = sum + v end return sum",
     "50005000"},
    {"ten_thousand_one_after_another",
     "local sum = 0 for i = 1, 10000 do sum = sum + select(2, neap.async(function() return i "
     "end):wait()) end "
     "return sum",
     "50005000"},
    {"ten_thousand_left_behind",
     "for i = 1, 10000 do neap.async(function() neap.sleep('1h') end) end neap.sleep(0) return 1",
     "1"},
    {"their_computing_does_not_interleave",
     "local n, hs = 0, {} for i = 1, 4 do hs[i] = neap.async(function() for _ = 1, 20000 do local "
     "c = n\n"
     "for j = 1, 20 do c = c + 1 c = c - 1 end n = c + 1 end end) end neap.all(hs) return n",
     "80000"},
    {"a_job_and_a_sleeper",
     "local t = 0 local a = neap.async(function() return select(2, neap.submit('c.nap', "
     "'20ms'):wait()) end)\n"
     "local b = neap.async(function() while t < 5 do neap.sleep('1ms') t = t + 1 end return t "
     "end)\n"
     "return (neap.all { a, b })",
     "[\"napped\",5]"},
    {"waits_of_many_for_jobs",
     "local hs = {} for i = 1, 20 do hs[i] = neap.async(function() return select(2, "
     "neap.submit('c.echo', "
     "i):wait()) end) end\nlocal sum = 0 for _, v in ipairs((neap.all(hs))) do sum = sum + v end "
     "return sum",
     "210"},
    {"some_go_on_and_wait_again",
     "local hs = {} for i = 1, 8 do hs[i] = neap.async(function() local s = 0 for k = 1, 5 do\n"
     "s = s + select(2, neap.submit('c.echo', k):wait()) if i % 2 == 0 then neap.sleep('1ms') end "
     "end "
     "return s end) end\nlocal sum = 0 for _, v in ipairs((neap.all(hs))) do sum = sum + v end "
     "return sum",
     "120"},
    {"waits_that_time_out",
     "local j = neap.submit('c.nap', '40ms') local hs = {} for i = 1, 5 do hs[i] = "
     "neap.async(function()\n"
     "local ok, e = j:wait('2ms') assert(not ok and e.code == 'timeout') local ok, v = j:wait() "
     "return v end) "
     "end\nreturn (neap.all(hs))[5]",
     "\"napped\""},
    {"two_wait_for_the_same_job",
     "local j = neap.submit('c.nap', '10ms') local f = function() return select(2, j:wait()) end\n"
     "local r = neap.all { neap.async(f), neap.async(f) } return r[1] .. r[2]",
     "\"nappednapped\""},
    {"cancelled_while_slotless",
     "local j = neap.submit('c.nap', '30ms') local a = neap.async(function() return j:wait() end)\n"
     "local b = neap.async(function() return j:wait() end)\n"
     "local i = neap.race { a, function() neap.sleep('2ms') return 1 end } local ok, v = b:wait()\n"
     "return { i, ok, v }",
     "[2,true,true]"},
    {"deadline_is_known", "return ctx.deadline == nil or ctx.deadline - neap.now() > 5", "true"},
};

static void write_cases(struct executor *x)
{
    char path[96], lua[2048];
    executor_write(x, "plugins/c/echo.lua", "return function(v) return v end");
    executor_write(x, "plugins/c/nap.lua",
                   "return function(d) require('neap').sleep(d) return 'napped' end");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(path, sizeof path, "plugins/c/%s.lua", cases[i].name);
        assert_true(snprintf(lua, sizeof lua,
                             "local neap = require 'neap' return function(_, ctx) %s\nend",
                             cases[i].lua) < (int)sizeof lua);
        executor_write(x, path, lua);
    }
}

static void run_cases(const char *ini)
{
    struct executor x;
    char task[64], text[2048];
    int failures = 0;
    executor_init(&x);
    executor_write(&x, "neap.ini", ini);
    write_cases(&x);
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(task, sizeof task, "c.%s", cases[i].name);
        executor_request(&x, (struct neap_request){.task = task});
        executor_next(&x, text, sizeof text);
        if (*cases[i].want == '"' || strchr("[0123456789tf", *cases[i].want)
                ? strcmp(text, cases[i].want) != 0
                : !strstr(text, cases[i].want)) {
            print_message("# %s: %s\n#   not %s\n", cases[i].name, text, cases[i].want);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
    assert_false(executor_printed(&x, "went on"));
    assert_true(executor_printed(&x, "left closed"));
    assert_true(executor_printed(&x, "self closed"));
    assert_true(executor_printed(&x, "order 3\norder 2\norder 1"));
    executor_close(&x);
}

static void as_they_should(void **state)
{
    (void)state;
    run_cases("[task *]\nretry.max = 0\n[pool default]\nworkers = 2\n");
}

static void with_one_slot(void **state)
{
    (void)state;
    run_cases("[task *]\nretry.max = 0\n[pool default]\nworkers = 1\nslots = 1\n");
}

static void with_one_place(void **state)
{
    (void)state;
    run_cases("[task *]\nretry.max = 0\n[pool default]\nworkers = 2\nslots = 2\n[queue "
              "default]\nconcurrency = 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_they_should),
        cmocka_unit_test(with_one_slot),
        cmocka_unit_test(with_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
