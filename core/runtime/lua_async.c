/* Fibers as the Lua half sees them: mechanism only, what neap.async and neap.race make of them is
 * in scripts/async.lua. */
#include "runtime/lua_core.h"

#include "base/mem.h"
#include "runtime/op.h"
#include "runtime/worker_run.h"

/* core.spawn(f) -> fiber, born: f runs beside the caller, once that waits. Nil, "killed" where the
 * job is being killed. */
static int core_spawn(lua_State *L)
{
    run_check(L, "neap.async");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (op_killed(L)) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return 2;
    }
    if (!vm_of(L)->fiber)
        return luaL_error(L, "neap.async cannot be called in a callback of luv");
    lua_settop(L, 1);
    const struct side_fiber *side = fiber_spawn(L);
    lua_pushlightuserdata(L, (void *)&side->fiber);
    lua_pushinteger(L, (lua_Integer)side->born);
    return 2;
}

/* core.kill(fiber, born) */
static int core_kill(lua_State *L)
{
    return fiber_kill(L, lua_touserdata(L, 1), (uint64_t)luaL_checkinteger(L, 2));
}

static int waited(lua_State *L)
{
    (void)L;
    return 0;
}

/* core.park_for(duration): as core.park, but not for longer than that. */
static int core_park_for(lua_State *L)
{
    run_check(L, "wait");
    return run_park_for(L, lua_check_duration(L, 1, "wait"), waited);
}

/* core.stray(1, message): an async function has failed; core.stray(-1): somebody took its error. */
static int core_stray(lua_State *L)
{
    struct run *run = run_check(L, "neap.async");
    const lua_Integer change = luaL_checkinteger(L, 1);
    struct run_more *more = run_more(run);
    more->n_stray += (unsigned)change;
    if (change > 0 && !more->stray)
        more->stray = mem_text(luaL_checkstring(L, 2));
    return 0;
}

/* core.failure(code, message): what tasks see of something that failed. */
static int core_failure(lua_State *L)
{
    lua_error_push(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2), NULL);
    return 1;
}

/* core.caught: a message handler. {message=, traceback=, value= as it was raised} */
static int core_caught(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushcfunction(L, vm_traceback);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "value");
    return 1;
}

void lua_async_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", core_spawn}, {"kill", core_kill},       {"park_for", core_park_for},
        {"stray", core_stray}, {"failure", core_failure}, {"caught", core_caught},
        {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
