/* Preemption never shows: jobs of several plugins on busy workers with the shortest slice there is.
 * Random programs give what stock Lua gives while others are killed at random; a plugin's variables
 * change under nobody; the methods of strings stay each plugin's own. */
#include "../support/executor.h"
#include "../support/tree.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLUGINS = 4, IN_HAND = 24, PROGRAMS = 400 };

/* NEAP_PREEMPTIONS: how many there must have been, for the long tier. */
static uint64_t wanted(uint64_t usual)
{
    const char *asked = getenv("NEAP_PREEMPTIONS");
    return asked ? strtoull(asked, NULL, 10) : getenv("NEAP_SHORT") ? usual / 4 : usual;
}

static uint64_t preemptions(struct executor *x)
{
    struct neap_stats stats;
    assert_int_equal(neap_stats(x->n, &stats, NULL), NEAP_OK);
    const uint64_t count = stats.preemptions;
    neap_stats_free(&stats);
    return count;
}

/* --- random programs ---------------------------------------------------------------------------
 */

static const char program_lua[] =
    "local programs, neap = require 'random_programs', require 'neap'\n"
    "local seen = 0\n"
    "local function none() end\n"
    "local function sleepy() seen = seen + 1 if seen % 97 == 0 then pcall(neap.sleep, seen % 3 / "
    "1000) end end\n"
    "return function(a)\n"
    "  if a.kind == 0 then return programs.run(a.seed, none) end\n"
    "  if a.kind == 1 then return programs.run(a.seed, sleepy) end\n"
    "  if a.kind == 3 then while true do pcall(programs.run, a.seed, sleepy) end end\n"
    "  local handles = {}\n"
    "  for i = 1, 3 do handles[i] = neap.async(programs.run, a.seed, i == 1 and none or sleepy) "
    "end\n"
    "  local found = neap.all(handles)\n"
    "  assert(found[1] == found[2] and found[2] == found[3], table.concat(found, ' '))\n"
    "  return found[1]\n"
    "end\n";

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

static void digests(const char *text, char out[PROGRAMS][64])
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_loadbuffer(L, text, strlen(text), "@random_programs.lua") || lua_pcall(L, 0, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    for (int i = 0; i < PROGRAMS; i++, lua_settop(L, 1)) {
        lua_getfield(L, 1, "run");
        lua_pushinteger(L, i);
        lua_pushcfunction(L, nothing);
        if (lua_pcall(L, 2, 1, 0))
            fail_msg("%s", lua_tostring(L, -1));
        snprintf(out[i], sizeof out[i], "\"%s\"", lua_tostring(L, -1));
    }
    lua_close(L);
}

struct batch {
    struct executor x;
    unsigned random;
    uint64_t ids[IN_HAND];
    int seeds[IN_HAND], kinds[IN_HAND];
    int compared, killed;
};

static unsigned random_of(struct batch *b, unsigned below)
{
    b->random = b->random * 1664525 + 1013904223;
    return (b->random >> 8) % below;
}

/* Kinds: 0 computes, 1 waits as well, 2 in three fibers, 3 without end. */
static void submit(struct batch *b, int i)
{
    char task[32], args[64];
    b->seeds[i] = (int)random_of(b, PROGRAMS);
    b->kinds[i] = (int)random_of(b, 8) / 2;
    snprintf(task, sizeof task, "p%u.program", random_of(b, PLUGINS));
    snprintf(args, sizeof args, "{\"seed\":%d,\"kind\":%d}", b->seeds[i], b->kinds[i]);
    b->ids[i] = executor_request(&b->x, (struct neap_request){.task = task, .args = args});
}

static void kill_some(struct batch *b)
{
    for (int i = 0; i < IN_HAND; i++)
        if (b->kinds[i] == 3 ? random_of(b, 4) == 0 : random_of(b, 400) == 0)
            neap_cancel(b->x.n, b->ids[i], NULL);
}

static void take_one(struct batch *b, char want[PROGRAMS][64])
{
    char text[512];
    int i = 0;
    const struct neap_outcome out = executor_next(&b->x, text, sizeof text);
    while (i < IN_HAND && b->ids[i] != out.id)
        i++;
    assert_true(i < IN_HAND);
    if (out.state == NEAP_CANCELLED)
        b->killed++;
    else if (out.state != NEAP_COMPLETED || strcmp(text, want[b->seeds[i]]) != 0)
        fail_msg("seed %d, kind %d: %s, not %s", b->seeds[i], b->kinds[i], text, want[b->seeds[i]]);
    b->compared += out.state == NEAP_COMPLETED;
    submit(b, i);
}

static void programs_are_the_same(void **state)
{
    static char want[PROGRAMS][64];
    struct batch b = {.random = 7};
    char path[64];
    (void)state;
    char *text = tree_repository_file("tests/support/random_programs.lua");
    digests(text, want);
    executor_init(&b.x);
    executor_write(&b.x, "neap.ini", "[pool default]\nworkers = 2\nslice = 0.1ms\n");
    for (int i = 0; i < PLUGINS; i++) {
        snprintf(path, sizeof path, "plugins/p%d/lib/random_programs.lua", i);
        executor_write(&b.x, path, text);
        snprintf(path, sizeof path, "plugins/p%d/program.lua", i);
        executor_write(&b.x, path, program_lua);
    }
    executor_start(&b.x, 0);
    assert_string_equal(b.x.problems, "");
    for (int i = 0; i < IN_HAND; i++)
        submit(&b, i);
    const uint64_t enough = wanted(10000);
    while (preemptions(&b.x) < enough || b.compared < 100) {
        kill_some(&b);
        take_one(&b, want);
    }
    print_message("# %d digests compared, %d jobs killed, %llu preemptions\n", b.compared, b.killed,
                  (unsigned long long)preemptions(&b.x));
    assert_true(b.killed > 0);
    executor_close(&b.x);
    free(text);
}

/* --- a plugin's variables ----------------------------------------------------------------------
 */

static const char count_lua[] = "local neap = require 'neap'\n"
                                "count = 0\n"
                                "local inside, seen = 0, 0\n"
                                "return { %s run = function(a)\n"
                                "  if a == 'look' then return { count = count, seen = seen } end\n"
                                "  for i = 1, a do\n"
                                "    inside = inside + 1\n"
                                "    if inside > 1 then seen = seen + 1 end\n"
                                "    local c = count\n"
                                "    for j = 1, 50 do c = c + 1 c = c - 1 end\n"
                                "    count = c + 1\n"
                                "    inside = inside - 1\n"
                                "    if i %% 1000 == 0 then neap.sleep(0) end\n"
                                "  end\n"
                                "end }\n";

/* `jobs` in each of two plugins add 3000 each, on one worker; what the first plugin counted. */
static const char *count(struct executor *x, const char *fields, int jobs, uint64_t enough)
{
    static char text[512];
    char lua[1024];
    int rounds = 0;
    executor_init(x);
    executor_write(x, "neap.ini", "[pool default]\nworkers = 1\nslice = 0.1ms\n");
    snprintf(lua, sizeof lua, count_lua, fields);
    executor_write(x, "plugins/a/count.lua", lua);
    executor_write(x, "plugins/b/count.lua", lua);
    executor_start(x, 0);
    assert_string_equal(x->problems, "");
    do {
        for (int i = 0; i < jobs; i++) {
            executor_submit(x, "a.count", "3000");
            executor_submit(x, "b.count", "3000");
        }
        for (int i = 0; i < 2 * jobs; i++)
            if (executor_next(x, text, sizeof text).state != NEAP_COMPLETED)
                fail_msg("%s", text);
        rounds++;
    } while (preemptions(x) < enough);
    snprintf(lua, sizeof lua, "{\"count\":%d,\"seen\":0}", rounds * jobs * 3000);
    snprintf(text, sizeof text, "%s", executor_run(x, "a.count", "\"look\""));
    if (!*fields)
        assert_string_equal(text, lua);
    if (!*fields)
        assert_string_equal(executor_run(x, "b.count", "\"look\""), lua);
    print_message("# %s after %llu preemptions\n", text, (unsigned long long)preemptions(x));
    executor_close(x);
    return text;
}

static void counters_are_exact(void **state)
{
    struct executor x;
    (void)state;
    count(&x, "", 20, wanted(10000));
}

static void reentrant_ones_are_not(void **state)
{
    struct executor x;
    int total, seen;
    (void)state;
    const char *text = count(&x, "reentrant = true,", 20, 2000);
    assert_int_equal(sscanf(text, "{\"count\":%d,\"seen\":%d}", &total, &seen), 2);
    assert_true(seen > 0);
}

/* --- the methods of strings --------------------------------------------------------------------
 */

static void string_methods_stay_their_plugins(void **state)
{
    struct executor x;
    char path[64], lua[512], text[64], want[64];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\nslice = 0.1ms\n");
    for (int i = 0; i < PLUGINS; i++) {
        snprintf(path, sizeof path, "plugins/p%d/who.lua", i);
        snprintf(
            lua, sizeof lua,
            "function string.who() return %d end\n"
            "return function(n) local s = ''\n"
            "  for i = 1, n do s = s .. i if s:who() ~= %d then return s:who() end\n"
            "    if #s > 50 then s = ('x'):rep(s:who()) end\n"
            "    if coroutine.wrap(function() return s:who() end)() ~= %d then return 'co' end\n"
            "  end return s:who() end",
            i, i, i);
        executor_write(&x, path, lua);
    }
    executor_start(&x, 0);
    assert_string_equal(x.problems, "");
    do {
        uint64_t ids[PLUGINS];
        for (int i = 0; i < PLUGINS; i++) {
            snprintf(path, sizeof path, "p%d.who", i);
            ids[i] = executor_submit(&x, path, "3000");
        }
        for (int i = 0; i < PLUGINS; i++) {
            const struct neap_outcome out = executor_next(&x, text, sizeof text);
            int which = 0;
            while (ids[which] != out.id)
                which++;
            snprintf(want, sizeof want, "%d", which);
            assert_string_equal(text, want);
        }
    } while (preemptions(&x) < wanted(2000));
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_are_the_same),
        cmocka_unit_test(counters_are_exact),
        cmocka_unit_test(reentrant_ones_are_not),
        cmocka_unit_test(string_methods_stay_their_plugins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
