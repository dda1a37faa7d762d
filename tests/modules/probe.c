/* A Lua C module as tasks find it on package.cpath. Links no Lua of its own: the process has it. */
#include <lauxlib.h>
#include <lua.h>

int luaopen_probe(lua_State *L);

static int add(lua_State *L)
{
    lua_pushinteger(L, luaL_checkinteger(L, 1) + luaL_checkinteger(L, 2));
    return 1;
}

__attribute__((visibility("default"))) int luaopen_probe(lua_State *L)
{
    static const luaL_Reg functions[] = {{"add", add}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
