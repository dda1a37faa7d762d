#include "runtime/lua_options.h"

#include "runtime/lua_core.h"

#include <string.h>

#include <lauxlib.h>

static bool is_known(const char *key, const char *const *known, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, known[i]) == 0)
            return true;
    return false;
}

void lua_options_check(lua_State *L, int index, const char *who, const char *const *known,
                       size_t count)
{
    if (!lua_istable(L, index))
        luaL_error(L, "%s: a table of options is needed, got %s", who, luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: options have names, not a %s", who, luaL_typename(L, -2));
        const char *key = lua_tostring(L, -2);
        if (is_known(key, known, count))
            continue;
        lua_unknown_option(L, who, "option", key, known, count);
    }
}

int lua_option(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, index);
}

const char *lua_option_text(lua_State *L, int index, const char *who, const char *name, size_t *len)
{
    const int type = lua_option(L, index, name);
    if (type != LUA_TNIL && type != LUA_TSTRING)
        luaL_error(L, "%s: %s is a string, got %s", who, name, luaL_typename(L, -1));
    const char *text = type == LUA_TNIL ? NULL : lua_tolstring(L, -1, len);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

const char *lua_option_string(lua_State *L, int index, const char *who, const char *name)
{
    size_t len = 0;
    const char *text = lua_option_text(L, index, who, name, &len);
    if (text && strlen(text) != len)
        luaL_error(L, "%s: %s has a NUL byte in it", who, name);
    return text;
}

bool lua_option_flag(lua_State *L, int index, const char *who, const char *name, bool standard)
{
    const int type = lua_option(L, index, name);
    if (type != LUA_TNIL && type != LUA_TBOOLEAN)
        luaL_error(L, "%s: %s is true or false, got %s", who, name, luaL_typename(L, -1));
    const bool flag = type == LUA_TNIL ? standard : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

int64_t lua_option_integer(lua_State *L, int index, const char *who, const char *name, int64_t min,
                           int64_t max, int64_t standard)
{
    int is_integer = 1;
    lua_Integer value = standard;
    if (lua_option(L, index, name) != LUA_TNIL)
        value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : min - 1;
    if (!is_integer || value < min || value > max)
        luaL_error(L, "%s: %s is an integer from %I to %I", who, name, (LUAI_UACINT)min,
                   (LUAI_UACINT)max);
    lua_pop(L, 1);
    return value;
}

int64_t lua_option_timeout(lua_State *L, int index, const char *who, const char *name,
                           int64_t standard_ms)
{
    int64_t ms = standard_ms;
    if (lua_option(L, index, name) != LUA_TNIL) {
        const char *what = lua_pushfstring(L, "%s: %s", who, name);
        ms = lua_check_timeout(L, -2, what);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return ms < INT32_MAX ? ms : INT32_MAX; /* 24 days: what libcurl can count */
}

int64_t lua_option_size(lua_State *L, int index, const char *who, const char *name, int64_t max,
                        int64_t standard)
{
    int64_t bytes = standard;
    if (lua_option(L, index, name) != LUA_TNIL) {
        const char *what = lua_pushfstring(L, "%s: %s", who, name);
        bytes = lua_check_size(L, -2, what);
        if (bytes > max)
            luaL_error(L, "%s is at most %I bytes", what, (LUAI_UACINT)max);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return bytes;
}
