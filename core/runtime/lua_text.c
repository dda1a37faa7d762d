/* Values, text, time and the log: what needs no engine. */
#include "runtime/lua_core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/codec.h"
#include "model/json.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define DURATION_MAX_MS INT64_C(9000000000000000000) /* can be added to the time of day */

int64_t lua_check_duration(lua_State *L, int index, const char *what)
{
    int64_t ms = -1;
    if (lua_type(L, index) == LUA_TNUMBER) {
        const double seconds = lua_tonumber(L, index);
        if (seconds >= 0 && seconds < 9e15)
            ms = (int64_t)ceil(seconds * 1000 - 1e-6);
    } else if (lua_type(L, index) == LUA_TSTRING && !text_duration(lua_tostring(L, index), &ms)) {
        ms = -1;
    }
    if (ms < 0)
        luaL_error(
            L, "%s: a duration is a number of seconds or text such as \"250ms\", \"1m30s\", got %s",
            what,
            lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : luaL_typename(L, index));
    return ms < DURATION_MAX_MS ? ms : DURATION_MAX_MS;
}

int64_t lua_check_timeout(lua_State *L, int index, const char *what)
{
    if (lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), "none") == 0)
        return 0;
    return lua_check_duration(L, index, what);
}

int64_t lua_check_size(lua_State *L, int index, const char *what)
{
    const int type = lua_type(L, index);
    int whole = 0;
    int64_t bytes = -1;
    if (type == LUA_TNUMBER)
        bytes = lua_tointegerx(L, index, &whole);
    else if (type == LUA_TSTRING)
        whole = text_size(lua_tostring(L, index), &bytes);
    if (!whole || bytes < 0)
        luaL_error(L,
                   "%s: a size is a whole number of bytes or text such as \"64K\", \"16M\", got %s",
                   what,
                   type == LUA_TNUMBER || type == LUA_TSTRING ? luaL_tolstring(L, index, NULL)
                                                              : luaL_typename(L, index));
    return bytes;
}

_Noreturn void lua_unknown_option(lua_State *L, const char *who, const char *what, const char *key,
                                  const char *const *known, size_t count)
{
    const char *near = text_nearest(key, known, count);
    if (near)
        luaL_error(L, "%s: unknown %s '%s' (did you mean '%s'?)", who, what, key, near);
    luaL_error(L, "%s: unknown %s '%s'", who, what, key);
    abort(); /* luaL_error does not return, but does not say so either */
}

/* core.duration(value) -> milliseconds or nil */
static int core_duration(lua_State *L)
{
    int64_t ms = -1;
    const double seconds = lua_type(L, 1) == LUA_TNUMBER ? lua_tonumber(L, 1) : -1;
    if (seconds >= 0 && seconds < 9e15)
        ms = (int64_t)ceil(seconds * 1000 - 1e-6);
    else if (lua_type(L, 1) == LUA_TSTRING && !text_duration(lua_tostring(L, 1), &ms))
        ms = -1;
    if (ms < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, ms);
    return 1;
}

/* core.size(text) -> bytes or nil */
static int core_size(lua_State *L)
{
    int64_t bytes;
    if (lua_type(L, 1) == LUA_TNUMBER && lua_tonumber(L, 1) >= 0)
        lua_pushinteger(L, (lua_Integer)lua_tonumber(L, 1));
    else if (lua_type(L, 1) == LUA_TSTRING && text_size(lua_tostring(L, 1), &bytes))
        lua_pushinteger(L, bytes);
    else
        lua_pushnil(L);
    return 1;
}

#define NEAREST_MAX 256

/* core.nearest(word, {candidates}) -> the one that was meant, or nil */
static int core_nearest(lua_State *L)
{
    const char *candidates[NEAREST_MAX];
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = lua_rawlen(L, 2);
    count = count < NEAREST_MAX ? count : NEAREST_MAX;
    luaL_checkstack(L, (int)count + 1, NULL);
    for (size_t i = 0; i < count; i++) { /* they stay on the stack while their text is used */
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        candidates[i] = luaL_checkstring(L, -1);
    }
    lua_pushstring(L, text_nearest(word, candidates, count));
    return 1;
}

void lua_push_json(lua_State *L, int index, const char *name)
{
    struct neap_error err;
    struct buf *packed = vm_scratch(vm_of(L));
    if (codec_encode(L, index, name, packed, &err))
        luaL_error(L, "%s", err.message);
    if (lua_isnil(L, index))
        msgpack_nil(packed);
    struct buf text = {
        0}; /* nothing below raises until it is closed, but lua_pushlstring for lack of memory */
    const int rc = json_from_msgpack(packed->data, packed->len, &text, &err);
    packed->len = 0;
    buf_put(packed, text.data, text.len);
    buf_close(&text);
    if (rc)
        luaL_error(L, "%s", err.message);
    lua_pushlstring(L, packed->data, packed->len);
}

static int json_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_push_json(L, 1, "value");
    return 1;
}

int lua_json_decode(lua_State *L)
{
    size_t len;
    struct neap_error err;
    const char *text = luaL_checklstring(L, 1, &len);
    struct buf *packed = vm_scratch(vm_of(L));
    if (json_to_msgpack(text, len, packed, &err) ||
        codec_decode(L, packed->data, packed->len, &err)) {
        lua_pushnil(L);
        lua_pushstring(L, err.message);
        return 2;
    }
    return 1;
}

/* neap.array(t): marks a table as an array. */
static int neap_array(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_isnoneornil(L, 1)) {
        lua_newtable(L);
        lua_replace(L, 1);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    codec_push_array_mark(L);
    if (lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2))
        return luaL_error(L, "neap.array: the table has a metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

/* neap.now(): Unix seconds with milliseconds. */
static int neap_now(lua_State *L)
{
    lua_pushnumber(L, (double)clock_unix_ms() / 1000);
    return 1;
}

/* JSON of the table at `index`, in the vm's scratch. */
static const char *fields_at(lua_State *L, int index)
{
    struct neap_error err;
    struct buf json = {0}, *packed = vm_scratch(vm_of(L));
    if (codec_encode(L, index, "fields", packed, &err))
        luaL_error(L, "%s", err.message);
    json_from_msgpack(packed->data, packed->len, &json, &err);
    packed->len = 0;
    buf_put(packed, json.data, json.len);
    buf_close(&json);
    return buf_string(packed);
}

/* neap.log.info(text [, fields]) and its siblings; upvalue 1: the level. */
static int neap_log(lua_State *L)
{
    struct vm *vm = vm_of(L);
    size_t len;
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    const char *text = luaL_tolstring(L, 1, &len);
    const char *fields = lua_isnil(L, 2) ? NULL : fields_at(L, 2);
    const int level = (int)lua_tointeger(L, lua_upvalueindex(1));
    if (vm->worker)
        worker_log(vm->worker, vm->run, level, text, len, fields, false);
    else
        vm->bound = true;
    return 0;
}

static void open_log(lua_State *L) /* into the table on top */
{
    static const char *const names[] = {"debug", "info", "warn", "error"}; /* as enum neap_level */
    lua_createtable(L, 0, 4);
    for (int level = 0; level < 4; level++) {
        lua_pushinteger(L, level);
        lua_pushcclosure(L, neap_log, 1);
        lua_setfield(L, -2, names[level]);
    }
    lua_setfield(L, -2, "log");
}

/* core.text(value): what an error value says; never raises. */
static int core_text(lua_State *L)
{
    size_t len;
    luaL_checkany(L, 1);
    vm_error_text(L, 1, &len);
    return 1;
}

void lua_text_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"text", core_text}, {"duration", core_duration},
        {"size", core_size}, {"nearest", core_nearest},

        {NULL, NULL},
    };
    static const luaL_Reg public[] = {{"array", neap_array}, {"now", neap_now}, {NULL, NULL}};
    static const luaL_Reg json[] = {
        {"encode", json_encode}, {"decode", lua_json_decode}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "neap");
    luaL_setfuncs(L, public, 0);
    luaL_newlib(L, json);
    lua_setfield(L, -2, "json");
    codec_push_null(L);
    lua_setfield(L, -2, "null");
    open_log(L);
    lua_pop(L, 1);
}
