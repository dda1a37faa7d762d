/* Lua values for tests: making random ones, comparing. Used by tests/unit/codec.c and tests/fuzz/.
 */
#ifndef TESTS_VALUES_H
#define TESTS_VALUES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "model/codec.h"

static inline bool values_marked(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    codec_push_array_mark(L);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

static inline bool values_same(lua_State *L, int a, int b);

static inline size_t values_count(lua_State *L, int table)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n++;
    return n;
}

/* Every key of `a` is in `b` with the same value. */
static inline bool values_within(lua_State *L, int a, int b)
{
    int top = lua_gettop(L);
    bool same = true;
    lua_pushnil(L);
    while (same && lua_next(L, a)) {
        lua_pushvalue(L, top + 1);
        lua_rawget(L, b);
        same = values_same(L, top + 2, top + 3);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return same;
}

/* Deep equality by type and bits: 1 is not 1.0, 0.0 is not -0.0, nan is nan, an empty array is not
 * an empty map. */
static inline bool values_same(lua_State *L, int a, int b)
{
    luaL_checkstack(L, 8, "values");
    a = lua_absindex(L, a);
    b = lua_absindex(L, b);
    if (lua_type(L, a) != lua_type(L, b))
        return false;
    if (lua_type(L, a) == LUA_TNUMBER) {
        if (lua_isinteger(L, a) || lua_isinteger(L, b))
            return lua_isinteger(L, a) && lua_isinteger(L, b) &&
                   lua_tointeger(L, a) == lua_tointeger(L, b);
        double x = lua_tonumber(L, a), y = lua_tonumber(L, b);
        return (isnan(x) && isnan(y)) || (x == y && signbit(x) == signbit(y));
    }
    if (lua_type(L, a) != LUA_TTABLE)
        return lua_rawequal(L, a, b);
    size_t count = values_count(L, a);
    if (count != values_count(L, b) || (count == 0 && values_marked(L, a) != values_marked(L, b)))
        return false;
    return values_within(L, a, b);
}

static inline uint64_t values_random(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline void values_push_text(lua_State *L, uint64_t *seed)
{
    char text[300];
    size_t len = values_random(seed) % (values_random(seed) % 8 ? 12 : sizeof text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)values_random(seed);
    lua_pushlstring(L, text, len);
}

static inline void values_push_number(lua_State *L, uint64_t *seed)
{
    uint64_t bits = values_random(seed);
    double number;
    switch (values_random(seed) % 4) {
    case 0:
        lua_pushinteger(L, (lua_Integer)(bits >> (bits & 63)));
        break;
    case 1:
        lua_pushinteger(L, -(lua_Integer)(bits >> (1 + (bits & 31))));
        break;
    case 2:
        lua_pushnumber(L, (double)(int16_t)bits / 8);
        break;
    default:
        memcpy(&number, &bits, sizeof number);
        lua_pushnumber(L, number);
    }
}

static inline void values_push_random(lua_State *L, uint64_t *seed, int depth);

static inline void values_push_table(lua_State *L, uint64_t *seed, int depth)
{
    int n = (int)(values_random(seed) % 20), kind = (int)(values_random(seed) % 4);
    lua_newtable(L);
    if (kind == 0) {
        codec_push_array_mark(L);
        lua_setmetatable(L, -2);
    }
    for (int i = 1; i <= n; i++) {
        if (kind <= 1)
            lua_pushinteger(L, i);
        else if (kind == 2 && i % 3)
            values_push_number(L, seed);
        else if (values_random(seed) % 16 == 0)
            lua_pushboolean(L, i & 1);
        else
            values_push_text(L, seed);
        if (lua_type(L, -1) == LUA_TNUMBER && isnan(lua_tonumber(L, -1))) {
            lua_pop(L, 1);
            continue;
        }
        values_push_random(L, seed, depth - 1);
        lua_rawset(L, -3);
    }
}

/* Any value that may cross, nested to `depth` at most. */
static inline void values_push_random(lua_State *L, uint64_t *seed, int depth)
{
    luaL_checkstack(L, 8, "values");
    switch (values_random(seed) % (depth > 0 ? 6 : 4)) {
    case 0:
        values_push_number(L, seed);
        break;
    case 1:
        values_push_text(L, seed);
        break;
    case 2:
        lua_pushboolean(L, (int)(values_random(seed) & 1));
        break;
    case 3:
        if (values_random(seed) & 1)
            codec_push_null(L);
        else
            values_push_number(L, seed);
        break;
    default:
        values_push_table(L, seed, depth);
    }
}

#endif
