/* Stock functions as a task may call them. In C, in the frame of the call, so that an error names
 * the line of the task: a wrapper in Lua would put its own there. */
#include "runtime/lua_core.h"

#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <lauxlib.h>
#include <lualib.h>

#define MOVED_MAX (1 << 26) /* elements; a table of that many is beyond any limit of memory */

/* core.acting(name, f): f, a C function without upvalues, but not while a file loads. */
static int call_acting(lua_State *L)
{
    vm_check_acting(L, lua_tostring(L, lua_upvalueindex(1)));
    return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

static int core_acting(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_argcheck(L, lua_iscfunction(L, 2), 2, "a C function");
    luaL_argcheck(L, !lua_getupvalue(L, 2, 1), 2, "a function without upvalues");
    lua_settop(L, 2);
    lua_pushcclosure(L, call_acting, 2);
    return 1;
}

/* core.lines(f): io.lines, f being the stock one; without a file: of standard input, which is
 * empty. */
static int no_line(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

static int call_lines(lua_State *L)
{
    vm_check_acting(L, "io.lines");
    if (!lua_isnoneornil(L, 1))
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushcfunction(L, no_line);
    return 1;
}

static int core_lines(lua_State *L)
{
    luaL_argcheck(L, lua_iscfunction(L, 1), 1, "a C function");
    lua_settop(L, 1);
    lua_pushcclosure(L, call_lines, 1);
    return 1;
}

/* core.rep, core.move: the stock ones (upvalue 1), where these would turn in C for ever. */
static int safe_rep(lua_State *L)
{
    size_t len, sep_len;
    luaL_checklstring(L, 1, &len);
    luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &sep_len);
    if (len + sep_len > 0)
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushliteral(L, "");
    return 1;
}

static int safe_move(lua_State *L)
{
    const lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3);
    if (to > from)
        luaL_argcheck(L, (lua_Unsigned)to - (lua_Unsigned)from < MOVED_MAX, 3,
                      "too many elements to move");
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void put_around(lua_State *L, const char *library, const char *name, lua_CFunction f)
{
    lua_getglobal(L, library);
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, f, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name); /* there errors look up what a function is called */
    lua_setfield(L, -3, name);
    lua_pop(L, 1);
}

/* core.setmetatable: no finalizers, they would run with no deadline and no job to blame. */
static int safe_setmetatable(lua_State *L)
{
    const int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "__gc is not available in a task: use a to-be-closed variable "
                                 "(local x <close>)");
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* core.getmetatable: of tables only; those of other types are shared by all plugins. */
static int safe_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING)
        lua_pushboolean(L, 0);
    else if (lua_type(L, 1) != LUA_TTABLE || !lua_getmetatable(L, 1))
        lua_pushnil(L);
    else
        luaL_getmetafield(L, 1, "__metatable"); /* else the metatable stays on top */
    return 1;
}

static void put(struct vm *vm, const char *text, size_t len)
{
    if (vm->run)
        run_print(vm->run, text, len);
    else if (vm->worker)
        worker_print(vm->worker, text, len);
    else
        vm->bound = true;
}

/* core.print(...): the stock print, to the job's log. */
static int safe_print(lua_State *L)
{
    luaL_Buffer text;
    size_t len;
    const int count = lua_gettop(L);
    luaL_buffinit(L, &text);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&text, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&text);
    }
    luaL_addchar(&text, '\n');
    luaL_pushresult(&text);
    const char *line = lua_tolstring(L, -1, &len);
    put(vm_of(L), line, len);
    return 0;
}

/* core.write(text): as print, without a newline. */
static int core_write(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    put(vm_of(L), text, len);
    return 0;
}

void lua_safe_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"acting", core_acting},
        {"lines", core_lines},
        {"setmetatable", safe_setmetatable},
        {"getmetatable", safe_getmetatable},
        {"print", safe_print},
        {"write", core_write},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    put_around(L, LUA_STRLIBNAME, "rep", safe_rep);
    put_around(L, LUA_TABLIBNAME, "move", safe_move);
}
