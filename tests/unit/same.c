/* What a program does must not depend on whether stock Lua or a job runs it, nor on where it waits:
 * tests/support/programs.lua in both, each with and without waits. */
#include "../support/executor.h"
#include "../support/tree.h"

#include <setjmp.h>
#include <stdbool.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "model/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8192 };

static int no_wait(lua_State *L)
{
    (void)L;
    return 0;
}

/* On top of L: what the file returned. */
static lua_State *stock(const char *text)
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_loadbuffer(L, text, strlen(text), "@programs.lua") || lua_pcall(L, 0, 1, 0))
        fail_msg("%s", lua_tostring(L, -1));
    return L;
}

static void run_stock(lua_State *L, int i, char *name, char *out)
{
    lua_getfield(L, 1, "run");
    lua_pushinteger(L, i);
    lua_pushcfunction(L, no_wait);
    if (lua_pcall(L, 2, 2, 0))
        fail_msg("%s", lua_tostring(L, -1));
    snprintf(name, 64, "%s", lua_tostring(L, -2));
    snprintf(out, TEXT_MAX, "%s", lua_tostring(L, -1));
    lua_settop(L, 1);
}

static void run_job(struct executor *x, int i, bool waits, char *out)
{
    char args[64];
    struct neap_outcome outcome;
    snprintf(args, sizeof args, "{\"i\":%d,\"waits\":%s}", i, waits ? "true" : "false");
    executor_submit(x, "t.same", args);
    assert_int_equal(neap_next(x->n, &outcome, 60000), NEAP_OK);
    if (outcome.state == NEAP_COMPLETED) {
        lua_State *L = luaL_newstate(); /* as the shortest way to unpack a string */
        assert_int_equal(codec_decode(L, outcome.result, outcome.result_len, NULL), NEAP_OK);
        snprintf(out, TEXT_MAX, "%s", lua_tostring(L, -1));
        lua_close(L);
    } else {
        snprintf(out, TEXT_MAX, "%s\n%s", outcome.message,
                 outcome.traceback ? outcome.traceback : "");
    }
    neap_outcome_free(&outcome);
}

static void is_the_same_everywhere(void **state)
{
    struct executor x;
    char name[64];
    static char want[TEXT_MAX], plain[TEXT_MAX], waiting[TEXT_MAX];
    (void)state;
    char *text = tree_repository_file("tests/support/programs.lua");
    executor_init(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_write(&x, "plugins/t/lib/programs.lua", text);
    executor_write(&x, "plugins/t/same.lua",
                   "local programs, neap = require 'programs', require 'neap'\n"
                   "local function wait() pcall(neap.sleep, 0) end\n"
                   "local function none() end\n"
                   "return function(args)\n"
                   "  return (select(2, programs.run(args.i, args.waits and wait or none)))\n"
                   "end\n");
    executor_start(&x, 0);
    lua_State *L = stock(text);
    lua_getfield(L, 1, "count");
    const int count = (int)lua_tointeger(L, -1);
    lua_settop(L, 1);
    int failures = 0;
    for (int i = 1; i <= count; i++) {
        run_stock(L, i, name, want);
        run_job(&x, i, false, plain);
        run_job(&x, i, true, waiting);
        const char *got = strcmp(want, plain) ? plain : waiting;
        if (strcmp(want, got) == 0)
            continue;
        fprintf(stderr, "--- %s%s: stock Lua gives\n%s\n--- and a job\n%s\n", name,
                got == waiting ? ", with waits" : "", want, got);
        failures++;
    }
    assert_int_equal(failures, 0);
    lua_close(L);
    free(text);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_the_same_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
