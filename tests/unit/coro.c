/* Jobs that wait at odd places: the runtime suspends and resumes them wherever they are, and
 * nothing of it shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/coro.h"
#include "runtime/run.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

static lua_Integer waits; /* since the script began */

static int go_on(lua_State *L)
{
    lua_pushinteger(L, ++waits);
    return 1;
}

/* wait() -> the number of waits so far; "cannot" where it cannot; nil, "killed" in the __close of a
 * kill. */
static int wait(lua_State *L)
{
    if (vm_of(L)->run->ended) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return 2;
    }
    if (!coro_waitable(L)) {
        lua_pushliteral(L, "cannot");
        return 1;
    }
    return coro_park(L, go_on);
}

static int quit(lua_State *L)
{
    vm_of(L)->run->ended = true;
    return coro_quit(L);
}

struct bench {
    struct vm vm;
    struct run run;
    int waits;
    char result[256];
};

static void start(struct bench *b, const char *script)
{
    struct neap_error err;
    memset(b, 0, sizeof *b);
    if (vm_init(&b->vm, false, &err))
        fail_msg("%s", err.message);
    b->run.main.co = lua_newthread(b->vm.L);
    lua_register(b->vm.L, "wait", wait);
    lua_register(b->vm.L, "quit", quit);
    if (luaL_loadstring(b->run.main.co, script) != LUA_OK)
        fail_msg("%s", lua_tostring(b->run.main.co, -1));
    b->vm.run = &b->run;
    b->vm.fiber = &b->run.main;
    waits = 0;
}

/* Resumes until the script ends; its status, with b->result its first result as text. */
static int drive(struct bench *b)
{
    int status;
    while ((status = coro_run(b->run.main.co, b->vm.L, 0)) == LUA_YIELD && !b->run.ended) {
        assert_true(b->vm.parking);
        b->vm.parking = false;
        assert_int_equal(b->vm.unyieldable, 0);
        b->waits++;
    }
    if (!b->run.ended)
        snprintf(b->result, sizeof b->result, "%s",
                 luaL_tolstring(b->run.main.co, status == LUA_OK ? 1 : -1, NULL));
    return status;
}

static void stop(struct bench *b)
{
    b->vm.run = NULL;
    b->vm.fiber = NULL;
    vm_close(&b->vm);
}

static const struct {
    const char *name, *script, *result;
    int waits;
} cases[] = {
    {"at the base", "return wait()", "1", 1},
    {"in a coroutine",
     "local co = coroutine.create(function() return wait() + wait() end)\n"
     "local ok, v = coroutine.resume(co) return tostring(ok) .. v .. coroutine.status(co)",
     "true3dead", 2},
    {"between user yields",
     "local co = coroutine.wrap(function(a) wait() local b = coroutine.yield(a + 1) wait()\n"
     "coroutine.yield(b + 1) wait() return 'end' end)\n"
     "return co(1) .. co(10) .. co()",
     "211end", 3},
    {"five deep",
     "local function nest(n) if n == 0 then return wait() end\n"
     "return coroutine.wrap(function() return nest(n - 1) + wait() end)() end return nest(5)",
     "21", 6},
    {"in pcall in a coroutine",
     "local co = coroutine.wrap(function() local ok, e = pcall(function() wait() error('x', 0) "
     "end)\n"
     "wait() return tostring(ok) .. e end) return co()",
     "falsex", 2},
    {"in xpcall with a handler",
     "return select(2, xpcall(function() wait() error('x', 0) end, function(e) return e .. '!' "
     "end))",
     "x!", 1},
    {"in a metamethod",
     "local t = setmetatable({}, {__index = function(_, k) return k .. wait() end}) return t.a .. "
     "t.b",
     "a1b2", 2},
    {"in an iterator",
     "local s = 0 for v in coroutine.wrap(function() for i = 1, 3 do wait() coroutine.yield(i) end "
     "end) do s = s + v + wait() end return s",
     "18", 6},
    {"in a __close",
     "local log = {} do local x <close> = setmetatable({}, {__close = function() log[1] = wait() "
     "end}) end return log[1]",
     "1", 1},
    {"in table.sort",
     "local r table.sort({2, 1}, function(a, b) r = wait() return a < b end) return r", "cannot",
     0},
    {"in a coroutine in table.sort",
     "local r table.sort({2, 1}, function(a, b) coroutine.wrap(function() r = wait() end)()\n"
     "return a < b end) return r .. wait()",
     "cannot1", 1},
    {"in gsub", "return (string.gsub('a', 'a', function() return wait() end))", "cannot", 0},
    {"error after a wait in wrap",
     "local co = coroutine.wrap(function() wait() error('boom', 0) end)\n"
     "return select(2, pcall(co))",
     "boom", 1},
    {"yield at the base", "return select(2, pcall(coroutine.yield))",
     "attempt to yield from outside a coroutine", 0},
    {"not yieldable at the base",
     "return tostring(coroutine.isyieldable()) .. coroutine.wrap(function() return "
     "tostring(coroutine.isyieldable()) end)()",
     "falsetrue", 0},
    {"status of a parked one is normal",
     "local co co = coroutine.create(function() wait() return coroutine.status(co) end)\n"
     "return select(2, coroutine.resume(co))",
     "running", 1},
    {"close runs __close",
     "local log = '' local co = coroutine.create(function()\n"
     "local x <close> = setmetatable({}, {__close = function() log = log .. tostring(wait()) end}) "
     "wait() coroutine.yield() end)\n"
     "coroutine.resume(co) local ok = coroutine.close(co) return tostring(ok) .. log .. "
     "coroutine.status(co)",
     "truecannotdead", 1},
    {"closing itself many deep",
     "local function deep(n) local co = coroutine.create(function()\n"
     "local x <close> = setmetatable({}, {__close = function() if n > 0 then deep(n - 1) end end}) "
     "coroutine.yield() end)\n"
     "coroutine.resume(co) local ok, e = pcall(coroutine.close, co) if not ok or e == false then "
     "error(e, 0) end end\n"
     "return select(2, pcall(deep, 20000)) and 'survived' or 'survived'",
     "survived", 0},
};

static void waits_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        start(&b, cases[i].script);
        const int status = drive(&b);
        if (status != LUA_OK || strcmp(b.result, cases[i].result) != 0 || b.waits != cases[i].waits)
            fail_msg("%s: status %d, result '%s', %d waits", cases[i].name, status, b.result,
                     b.waits);
        stop(&b);
    }
}

/* Each quits somewhere; afterwards `log` tells what ran, and the coroutine takes another job. */
static const struct {
    const char *name, *script, *log;
} quits[] = {
    {"at the base", "log = 'a' quit() log = 'b'", "a"},
    {"a pcall does not hold it", "log = 'a' pcall(quit) log = 'b'", "a"},
    {"a pcall loop does not", "log = 'a' while true do pcall(quit) end", "a"},
    {"a coroutine does not",
     "log = 'a' coroutine.wrap(function() pcall(quit) log = 'b' end)() log = 'c'", "a"},
    {"a sort with pcall does not",
     "log = 'a' table.sort({3, 2, 1}, function(x, y) pcall(quit) return x < y end) log = 'b'", "a"},
    {"a looping handler in a sort does not",
     "log = 'a' table.sort({3, 2, 1}, function(x, y) xpcall(quit, function() while true do end "
     "end) return x < y end) log = 'b'",
     "a"},
    {"a coroutine with pcall in a sort does not",
     "log = 'a' table.sort({2, 1}, function(x, y) coroutine.wrap(function() while true do "
     "pcall(quit) end end)() return x < y end) log = 'b'",
     "a"},
    {"to-be-closed variables run, innermost first",
     "log = '' local function c(n) return setmetatable({}, {__close = function() log = log .. n .. "
     "tostring(select(2, wait())) end}) end\n"
     "local a <close> = c(1) coroutine.wrap(function() local b <close> = c(2) "
     "coroutine.wrap(function() local d <close> = c(3) quit() end)() end)()",
     "3killed2killed1killed"},
    {"a __close may use coroutines",
     "log = '' local a <close> = setmetatable({}, {__close = function() log = "
     "coroutine.wrap(function() for i = 1, 100 do coroutine.yield(i) end end)() end}) quit()",
     "1"},
};

static void quits_for_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof quits / sizeof *quits; i++) {
        struct bench b;
        start(&b, quits[i].script);
        drive(&b);
        assert_true(b.run.ended);
        b.run.closing = true;
        coro_reset(b.run.main.co);
        lua_getglobal(b.vm.L, "log");
        if (strcmp(lua_tostring(b.vm.L, -1), quits[i].log) != 0)
            fail_msg("%s: log '%s'", quits[i].name, lua_tostring(b.vm.L, -1));
        b.run.ended = b.run.closing = false; /* the next job on the same coroutine */
        assert_int_equal(
            luaL_loadstring(
                b.run.main.co,
                "local n = 0 for i = 1, 1000 do n = n + i end return n .. tostring(wait())"),
            LUA_OK);
        assert_int_equal(drive(&b), LUA_OK);
        assert_memory_equal(b.result, "500500", 6);
        stop(&b);
    }
}

/* Another job of the plugin gets hold of a parked coroutine: it cannot resume or close it. */
static void parked_ones_are_out_of_reach(void **state)
{
    (void)state;
    struct bench b;
    struct run other = {0};
    start(&b,
          "co = coroutine.create(function() wait() return 'done' end) mine = coroutine.running()\n"
          "return select(2, coroutine.resume(co))");
    assert_int_equal(coro_run(b.run.main.co, b.vm.L, 0), LUA_YIELD);
    b.vm.parking = false;
    other.main.co = lua_newthread(b.vm.L);
    b.vm.run = &other;
    b.vm.fiber = &other.main;
    assert_int_equal(
        luaL_loadstring(
            other.main.co,
            "local ok, e = coroutine.resume(co) local ok2, e2 = coroutine.resume(mine)\n"
            "return tostring(ok) .. e .. tostring(ok2) .. e2 .. coroutine.status(co) .. "
            "tostring((pcall(coroutine.close, co)))"),
        LUA_OK);
    assert_int_equal(coro_run(other.main.co, b.vm.L, 0), LUA_OK);
    assert_string_equal(lua_tostring(other.main.co, -1),
                        "falsecannot resume non-suspended coroutinefalse"
                        "cannot resume non-suspended coroutinenormalfalse");
    b.vm.run = &b.run;
    b.vm.fiber = &b.run.main;
    assert_int_equal(drive(&b), LUA_OK);
    assert_string_equal(b.result, "done");
    stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_anywhere),
        cmocka_unit_test(quits_for_good),
        cmocka_unit_test(parked_ones_are_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
