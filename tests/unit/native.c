/* C modules of a host in tasks: they yield, call back, catch and keep things as C code may. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>
#include <lauxlib.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* native.yield(...) -> what it is resumed with */
static int native_yield(lua_State *L)
{
    return lua_yield(L, lua_gettop(L));
}

/* native.call(f, ...): nothing in f can wait. */
static int native_call(lua_State *L)
{
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int called(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return lua_gettop(L);
}

/* native.callk(f, ...): f may wait. */
static int native_callk(lua_State *L)
{
    lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, called);
    return lua_gettop(L);
}

/* native.try(f, ...) -> as pcall, but C catches, which knows nothing of jobs. */
static int native_try(lua_State *L)
{
    const int rc = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    lua_pushboolean(L, rc == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

static int open_native(lua_State *L)
{
    static const luaL_Reg functions[] = {{"yield", native_yield},
                                         {"call", native_call},
                                         {"callk", native_callk},
                                         {"try", native_try},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

static int luaopen_native(void *lua_state)
{
    return open_native(lua_state);
}

static const char task_lua[] =
    "local neap, native = require 'neap', nil\n"
    "local ways = {}\n"
    "function ways.yields_at_the_base() native.yield(1) end\n"
    "function ways.yields_in_a_coroutine()\n"
    "  local co = coroutine.wrap(function(a) neap.sleep(0) return native.yield(a + 1) + 1 end)\n"
    "  return co(1) .. ' ' .. co(5)\n"
    "end\n"
    "function ways.waits_in_call() return native.call(neap.sleep, 0) end\n"
    "function ways.waits_in_callk() return native.callk(neap.sleep, 0) end\n"
    "function ways.waits_in_try() return (select(2, native.try(neap.sleep, 0))) end\n"
    "function ways.fails_in_try(ctx)\n"
    "  while not native.try(ctx.fail, ctx, 'because') do tries = tries + 1 if tries > 2 then break "
    "end "
    "end\n"
    "  return 'went on'\n"
    "end\n"
    "function ways.fails_in_callk(ctx)\n"
    "  while true do pcall(native.callk, ctx.fail, ctx, 'because') end\n"
    "end\n"
    "function ways.is_a_copy()\n"
    "  native.call = 'mine' package.loaded.native = nil\n"
    "  return type(require 'native'.call)\n"
    "end\n"
    "tries = 0\n"
    "return function(args, ctx) native = require 'native' return ways[args](ctx) end\n";

static const struct {
    const char *way;
    int state;
    const char *text;
} ways[] = {
    {"yields_at_the_base", NEAP_DEAD, "a C function yielded outside of any coroutine"},
    {"yields_in_a_coroutine", NEAP_COMPLETED, "2 6"},
    {"waits_in_call", NEAP_DEAD, "cannot wait here"},
    {"waits_in_callk", NEAP_COMPLETED, "true"},
    {"waits_in_try", NEAP_COMPLETED, "cannot wait here"},
    {"fails_in_try", NEAP_DEAD, "because"},
    {"fails_in_callk", NEAP_DEAD, "because"},
    {"is_a_copy", NEAP_COMPLETED, "function"},
};

static void modules_do_what_c_may(void **state)
{
    struct executor x;
    struct neap_error err;
    char text[512];
    (void)state;
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/task.lua", task_lua);
    executor_write(&x, "plugins/t/ok.lua", "return function() require 'neap'.sleep(0) end");
    snprintf(x.ini, sizeof x.ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {.size = sizeof options, .config_file = x.ini};
    assert_int_equal(neap_open(&x.n, &options, &err), NEAP_OK);
    /* Staging has no modules of the host's: so the task requires it when it runs. */
    assert_int_equal(neap_preload(x.n, "native", luaopen_native, &err), NEAP_OK);
    assert_int_equal(neap_start(x.n, &err), NEAP_OK);
    assert_int_equal(neap_broken(x.n), 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(text, sizeof text, "\"%s\"", ways[i].way);
        executor_submit(&x, "t.task", text);
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        if (out.state != ways[i].state || !strstr(text, ways[i].text))
            fail_msg("%s: state %d, %s", ways[i].way, out.state, text);
        executor_run(&x, "t.ok", NULL);
    }
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(modules_do_what_c_may)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
