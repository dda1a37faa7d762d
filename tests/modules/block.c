/* A Lua C module that blocks its thread: block.sleep(seconds), whatever signals come. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <time.h>

int luaopen_block(lua_State *L);

static int block_sleep(lua_State *L)
{
    const lua_Number seconds = luaL_checknumber(L, 1);
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (lua_Number)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) && errno == EINTR)
        ;
    return 0;
}

__attribute__((visibility("default"))) int luaopen_block(lua_State *L)
{
    static const luaL_Reg functions[] = {{"sleep", block_sleep}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
