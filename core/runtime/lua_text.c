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
#include <string.h>

#include <lauxlib.h>

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
    return ms;
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

static int json_encode(lua_State *L)
{
    struct neap_error err;
    struct buf *packed = vm_scratch(vm_of(L));
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    if (codec_encode(L, 1, "value", packed, &err))
        return luaL_error(L, "%s", err.message);
    if (lua_isnil(L, 1))
        msgpack_nil(packed);
    struct buf text = {
        0}; /* nothing below raises until it is closed, but lua_pushlstring for lack of memory */
    const int rc = json_from_msgpack(packed->data, packed->len, &text, &err);
    packed->len = 0;
    buf_put(packed, text.data, text.len);
    buf_close(&text);
    if (rc)
        return luaL_error(L, "%s", err.message);
    lua_pushlstring(L, packed->data, packed->len);
    return 1;
}

static int json_decode(lua_State *L)
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

/* core.log(level, text, fields): levels 0..3 as enum neap_level. */
static int core_log(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct neap_error err;
    size_t len;
    lua_settop(L, 3);
    const int level = (int)luaL_checkinteger(L, 1);
    const char *text = luaL_tolstring(L, 2, &len);
    const char *fields = NULL;
    struct buf *packed = vm_scratch(vm);
    if (!lua_isnoneornil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        if (codec_encode(L, 3, "fields", packed, &err))
            return luaL_error(L, "%s", err.message);
        struct buf json = {0};
        json_from_msgpack(packed->data, packed->len, &json, &err);
        packed->len = 0;
        buf_put(packed, json.data, json.len);
        buf_close(&json);
        fields = buf_string(packed);
    }
    if (vm->worker)
        worker_log(vm->worker, vm->run, level, text, len, fields, false);
    return 0;
}

/* core.print(text): to the job's log. */
static int core_print(lua_State *L)
{
    size_t len;
    struct vm *vm = vm_of(L);
    const char *text = luaL_checklstring(L, 1, &len);
    if (vm->run)
        run_print(vm->run, text, len);
    else if (vm->worker)
        worker_print(vm->worker, text, len);
    return 0;
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
        {"log", core_log},   {"print", core_print},
        {NULL, NULL},
    };
    static const luaL_Reg public[] = {{"array", neap_array}, {"now", neap_now}, {NULL, NULL}};
    static const luaL_Reg json[] = {{"encode", json_encode}, {"decode", json_decode}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "neap");
    luaL_setfuncs(L, public, 0);
    luaL_newlib(L, json);
    lua_setfield(L, -2, "json");
    codec_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pop(L, 1);
}
