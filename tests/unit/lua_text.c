/* Durations, timeouts and sizes as Lua code gives them. */
#include "runtime/lua_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <lualib.h>

typedef int64_t (*check_f)(lua_State *L, int index, const char *what);

static int call_check(lua_State *L) /* 1: the value; 2: the check */
{
    const check_f *check = lua_touserdata(L, 2);
    lua_pushinteger(L, (*check)(L, 1, "it"));
    return 1;
}

/* Each row is a Lua expression; `want` its value, or how the error begins. */
static void run_rows(check_f check, const char *const rows[][2])
{
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    for (size_t i = 0; rows[i][0]; i++) {
        char code[256];
        lua_settop(L, 0);
        snprintf(code, sizeof code, "return %s", rows[i][0]);
        lua_pushcfunction(L, call_check);
        assert_int_equal(luaL_dostring(L, code), LUA_OK);
        lua_settop(L, 2);
        lua_pushlightuserdata(L, &check);
        lua_pcall(L, 2, 1, 0);
        const char *got = lua_tostring(L, -1);
        if (!got || strcmp(got, rows[i][1]) != 0)
            fail_msg("%s: '%s', not '%s'", rows[i][0], got, rows[i][1]);
    }
    lua_close(L);
}

#define DURATION "it: a duration is a number of seconds or text such as \"250ms\", \"1m30s\", got "

static void durations(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"1.5", "1500"},
                                          {"'2m'", "120000"},
                                          {"0", "0"},
                                          {"-1", DURATION "number"},
                                          {"'soon'", DURATION "soon"},
                                          {"nil", DURATION "nil"},
                                          {"0/0", DURATION "number"},
                                          {"math.huge", DURATION "number"},
                                          {"'none'", DURATION "none"},
                                          {NULL, NULL}};
    run_rows(lua_check_duration, rows);
}

static void timeouts_may_be_none(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"'none'", "0"},
                                          {"0", "0"},
                                          {"'0s'", "0"},
                                          {"'1s'", "1000"},
                                          {"'None'", DURATION "None"},
                                          {"false", DURATION "boolean"},
                                          {NULL, NULL}};
    run_rows(lua_check_timeout, rows);
}

#define SIZE "it: a size is a whole number of bytes or text such as \"64K\", \"16M\", got "

static void sizes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"0", "0"},
                                          {"100", "100"},
                                          {"2.0", "2"},
                                          {"'64K'", "65536"},
                                          {"'1G'", "1073741824"},
                                          {"'17'", "17"},
                                          {"1.5", SIZE "1.5"},
                                          {"-1", SIZE "-1"},
                                          {"2^70", SIZE "1.1805916207174e+21"},
                                          {"'16MB'", SIZE "16MB"},
                                          {"''", SIZE},
                                          {"'-1'", SIZE "-1"},
                                          {"nil", SIZE "nil"},
                                          {"{}", SIZE "table"},
                                          {"true", SIZE "boolean"},
                                          {NULL, NULL}};
    run_rows(lua_check_size, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(timeouts_may_be_none),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
