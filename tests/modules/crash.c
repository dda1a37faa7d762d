/* A Lua C module that ends the process: crash.now() writes where nothing is. */
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdint.h>

int luaopen_crash(lua_State *L);

static int crash_now(lua_State *L)
{
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)8; /* which no compiler sees */
    (void)L;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer would say much */
    *nowhere = 1;
    return 0;
}

__attribute__((visibility("default"))) int luaopen_crash(lua_State *L)
{
    static const luaL_Reg functions[] = {{"now", crash_now}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
