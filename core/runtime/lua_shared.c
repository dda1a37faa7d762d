/* neap.shared(name): a map that all workers of the executor share. */
#include "runtime/lua_core.h"

#include "base/clock.h"
#include "model/codec.h"
#include "model/msgpack.h"
#include "runtime/worker_run.h"

#include <string.h>

#include <lauxlib.h>

#define SHARED "neap.shared"

static struct shared *map_at(lua_State *L)
{
    return *(struct shared **)luaL_checkudata(L, 1, SHARED);
}

static int64_t ttl_at(lua_State *L, int index)
{
    const int64_t ttl_ms = lua_isnoneornil(L, index) ? 0 : lua_check_duration(L, index, "ttl");
    luaL_argcheck(L, lua_isnoneornil(L, index) || ttl_ms > 0, index, "a ttl is more than 0");
    return ttl_ms;
}

/* Stack: map, key, value [, ttl]. */
static int put(lua_State *L, int (*how)(struct shared *, const struct shared_item *, int64_t))
{
    struct neap_error err;
    struct shared *map = map_at(L);
    struct shared_item item = {.key = luaL_checklstring(L, 2, &item.key_len)};
    struct buf *packed = vm_scratch(vm_of(L));
    item.ttl_ms = ttl_at(L, 4);
    if (lua_isnoneornil(L, 3))
        return luaL_error(L, "a shared value cannot be nil: use delete, or neap.null");
    if (codec_encode(L, 3, "value", packed, &err))
        return luaL_error(L, "%s", err.message);
    item.value = packed->data;
    item.len = packed->len;
    const int rc = how(map, &item, clock_mono_ms());
    if (rc == NEAP_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, rc == NEAP_EFULL ? "full" : "exists");
    return 2;
}

static int shared_lua_set(lua_State *L)
{
    if (lua_isnil(L, 3) && lua_gettop(L) == 3) {
        size_t len;
        const char *key = luaL_checklstring(L, 2, &len);
        shared_delete(map_at(L), key, len);
        lua_pushboolean(L, 1);
        return 1;
    }
    return put(L, shared_put);
}

static int shared_lua_add(lua_State *L)
{
    return put(L, shared_add);
}

static int shared_lua_get(lua_State *L)
{
    size_t len;
    struct neap_error err;
    const char *key = luaL_checklstring(L, 2, &len);
    struct buf *packed = vm_scratch(vm_of(L));
    if (!shared_get(map_at(L), key, len, packed, clock_mono_ms()))
        return 0;
    if (codec_decode(L, packed->data, packed->len, &err))
        return luaL_error(L, "%s", err.message);
    return 1;
}

static int shared_lua_delete(lua_State *L)
{
    size_t len;
    const char *key = luaL_checklstring(L, 2, &len);
    lua_pushboolean(L, shared_delete(map_at(L), key, len));
    return 1;
}

/* --- incr ------------------------------------------------------------------------------------- */

struct sum {
    lua_State *L;
    lua_Number by, start;
    lua_Integer integer_by, integer_start;
    bool is_float; /* of by or start */
    lua_Number result;
    lua_Integer integer;
};

static int add_up(void *user, const void *old, size_t len, struct buf *out)
{
    struct sum *sum = user;
    bool is_float = sum->is_float;
    lua_Number f = sum->start;
    lua_Integer i = sum->integer_start;
    if (len) {
        struct msgpack_reader reader = msgpack_reader(old, len);
        struct msgpack_item item;
        if (msgpack_read(&reader, &item) ||
            (item.type != MSGPACK_INTEGER && item.type != MSGPACK_FLOAT))
            return NEAP_EINVAL;
        is_float = is_float || item.type == MSGPACK_FLOAT;
        i = item.integer;
        f = item.type == MSGPACK_FLOAT ? item.number : (lua_Number)item.integer;
    }
    sum->is_float = is_float;
    sum->result = f + sum->by;
    if (is_float) {
        msgpack_float(out, sum->result);
    } else {
        const uint64_t wrapped = (uint64_t)i + (uint64_t)sum->integer_by; /* as Lua adds */
        sum->integer = (lua_Integer)wrapped;
        msgpack_integer(out, sum->integer);
    }
    return NEAP_OK;
}

/* map:incr(key [, by [, start [, ttl]]]) -> the new number. Integers wrap around as Lua's do. */
static int shared_lua_incr(lua_State *L)
{
    size_t len;
    struct shared *map = map_at(L);
    const char *key = luaL_checklstring(L, 2, &len);
    struct sum sum = {.by = luaL_optnumber(L, 3, 1), .start = luaL_optnumber(L, 4, 0)};
    sum.is_float = (lua_isnumber(L, 3) && !lua_isinteger(L, 3)) ||
                   (lua_isnumber(L, 4) && !lua_isinteger(L, 4));
    sum.integer_by = lua_isinteger(L, 3) ? lua_tointeger(L, 3) : 1;
    sum.integer_start = lua_isinteger(L, 4) ? lua_tointeger(L, 4) : 0;
    const int rc = shared_change(map, key, len, ttl_at(L, 5), clock_mono_ms(), add_up, &sum);
    if (rc == NEAP_EINVAL)
        return luaL_error(L, "incr: the value of '%s' is not a number", key);
    if (rc != NEAP_OK) {
        lua_pushnil(L);
        lua_pushliteral(L, "full");
        return 2;
    }
    if (sum.is_float)
        lua_pushnumber(L, sum.result);
    else
        lua_pushinteger(L, sum.integer);
    return 1;
}

static int shared_lua_keys(lua_State *L)
{
    struct buf *keys = vm_scratch(vm_of(L));
    const size_t count = shared_keys(map_at(L), keys, clock_mono_ms());
    lua_createtable(L, (int)count, 0);
    const char *at = keys->data;
    for (size_t i = 1; i <= count; i++) {
        uint32_t len;
        memcpy(&len, at, sizeof len);
        lua_pushlstring(L, at + sizeof len, len);
        lua_rawseti(L, -2, (lua_Integer)i);
        at += sizeof len + len;
    }
    return 1;
}

/* neap.shared(name). Not while a file loads: staging has no executor. */
static int neap_shared(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    vm_check_acting(L, "neap.shared");
    struct shared **map = lua_newuserdatauv(L, sizeof *map, 0);
    *map = shared_open(worker_env(vm_of(L)->worker)->shared, name);
    if (!*map)
        return luaL_error(L, "neap.shared: there are %d maps already", SHARED_MAPS_MAX);
    luaL_setmetatable(L, SHARED);
    return 1;
}

void lua_shared_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"get", shared_lua_get},
        {"set", shared_lua_set},
        {"add", shared_lua_add},
        {"delete", shared_lua_delete},
        {"incr", shared_lua_incr},
        {"keys", shared_lua_keys},
        {NULL, NULL},
    };
    luaL_newmetatable(L, SHARED);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_getfield(L, -1, "neap");
    lua_pushcfunction(L, neap_shared);
    lua_setfield(L, -2, "shared");
    lua_pop(L, 1);
}
