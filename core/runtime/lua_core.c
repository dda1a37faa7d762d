#include "runtime/lua_core.h"

#include "base/mem.h"
#include "model/codec.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

/* core.methods(string): the methods of strings are those of this table until another plugin's code
 * runs. */
static int core_methods(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_settop(L, 1);
    if (vm->string_meta_ref == 0) /* the prelude is still loading */
        return 0;
    vm->string_owner = NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->string_meta_ref);
    lua_pushvalue(L, 1);
    lua_setfield(L, 2, "__index");
    return 0;
}

/* core.loading(): does a file run its top level? */
static int core_loading(lua_State *L)
{
    lua_pushboolean(L, vm_of(L)->loading);
    return 1;
}

/* core.strict(): is this state the sandbox of code that nobody has read? */
static int core_strict(lua_State *L)
{
    lua_pushboolean(L, vm_of(L)->strict);
    return 1;
}

/* core.at(path): the file whose top level runs from now on, for messages. */
static int core_at(lua_State *L)
{
    struct vm *vm = vm_of(L);
    const char *path = luaL_checkstring(L, 1);
    free(vm->at);
    vm->at = mem_text(path);
    return 0;
}

/* core.math(): a new `math`, with random numbers of its own. */
static int core_math(lua_State *L)
{
    return luaopen_math(L);
}

/* core.job(): something to tell jobs apart by, or nil outside of any. */
static int core_job(lua_State *L)
{
    struct run *run = vm_of(L)->run;
    if (run)
        lua_pushinteger(L, run->started_ns); /* the record may be another job's next */
    else
        lua_pushnil(L);
    return 1;
}

/* core.bind(): what comes now belongs to this thread. */
static int core_bind(lua_State *L)
{
    vm_of(L)->bound = true;
    return 0;
}

/* core.preload(name): the host's C module, as a function, or nil. */
static int core_preload(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (const struct preload *preload = vm_of(L)->preloads; preload; preload = preload->next) {
        if (strcmp(preload->name, name) == 0) {
            lua_pushcfunction(L, (lua_CFunction)(void *)preload->open);
            return 1;
        }
    }
    return 0;
}

/* core.helper(source, path): a file beside a FILE, as every worker reads it, or nil. */
static int core_helper(lua_State *L)
{
    struct neap_error err = {0};
    const struct source_file *file =
        source_helper(lua_touserdata(L, 1), luaL_checkstring(L, 2), &err);
    if (file)
        lua_pushlstring(L, file->data, file->len);
    else if (err.code)
        return luaL_error(L, "%s", err.message);
    else
        lua_pushnil(L);
    return 1;
}

/* core.park() waits until core.wake(fiber, serial) by somebody else; core.self() gives the two. */
static int core_self(lua_State *L)
{
    run_check(L, "setup");
    struct fiber *fiber = vm_of(L)->fiber;
    if (!fiber)
        return luaL_error(L, "cannot wait here: inside a callback of luv");
    lua_pushlightuserdata(L, fiber);
    lua_pushinteger(L, (lua_Integer)++fiber->serial);
    return 2;
}

static int parked(lua_State *L)
{
    (void)L;
    return 0;
}

static int core_park(lua_State *L)
{
    run_check(L, "setup");
    return run_park(L, parked);
}

static int core_wake(lua_State *L)
{
    fiber_wake(lua_touserdata(L, 1), (uint64_t)luaL_checkinteger(L, 2));
    return 0;
}

int lua_failed(lua_State *L, const char *message, const char *code)
{
    lua_pushnil(L);
    lua_pushstring(L, message);
    lua_pushstring(L, code);
    return 3;
}

void lua_core_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction index,
                    lua_CFunction text)
{
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushcclosure(L, index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, text);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void lua_core_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"methods", core_methods},
        {"loading", core_loading},
        {"strict", core_strict},
        {"preload", core_preload},
        {"self", core_self},
        {"helper", core_helper},
        {"park", core_park},
        {"wake", core_wake},
        {"at", core_at},
        {"math", core_math},
        {"job", core_job},
        {"bind", core_bind},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_newtable(L);
    lua_setfield(L, -2, "neap");
    codec_push_null(L);
    lua_setfield(L, -2, "null");
    codec_push_array_mark(L);
    lua_setfield(L, -2, "array_mark");
    lua_safe_open(L);
    lua_text_open(L);
    lua_job_open(L);
    lua_shared_open(L);
    lua_fs_open(L);
    lua_exec_open(L);
    lua_luv_open(L);
    lua_ctx_open(L);
    lua_async_open(L);
    lua_http_open(L);
    lua_mail_open(L);
}
