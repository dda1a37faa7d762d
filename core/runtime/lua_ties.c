#include "runtime/lua_ties.h"

#include "runtime/lua_core.h"
#include "runtime/lua_options.h"

#include <string.h>

#include <lauxlib.h>

/* --- unique -------------------------------------------------------------------------------------
 */

static void unique_fields(lua_State *L, int index, const char *who, struct unique_by *by)
{
    const size_t count = lua_type(L, index) == LUA_TTABLE ? lua_rawlen(L, index) : 0;
    if (count == 0)
        luaL_error(L, "%s: unique.by is \"args\" or a list of names of arguments", who);
    const char **fields = lua_newuserdatauv(L, count * sizeof *fields, 0);
    for (size_t i = 0; i < count; i++) {
        if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "%s: unique.by is \"args\" or a list of names of arguments", who);
        fields[i] = lua_tostring(L, -1); /* the list keeps it */
        lua_pop(L, 1);
    }
    by->fields = fields;
    by->n_fields = count;
}

static uint8_t state_at(lua_State *L, int index, const char *who)
{
    const char *names[NEAP_STATES];
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    for (int i = 0; i < NEAP_STATES; i++) {
        names[i] = neap_state_name(i);
        if (strcmp(name, names[i]) == 0)
            return (uint8_t)(1u << i);
    }
    lua_unknown_option(L, who, "state in unique.states", name, names, NEAP_STATES);
}

static uint8_t unique_states(lua_State *L, int index, const char *who)
{
    uint8_t states = 0;
    if (lua_type(L, index) != LUA_TTABLE || lua_rawlen(L, index) == 0)
        luaL_error(L, "%s: unique.states is a list of states", who);
    for (size_t i = 1; i <= lua_rawlen(L, index); i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        states |= state_at(L, lua_gettop(L), who);
        lua_pop(L, 1);
    }
    return states;
}

static void unique_table(lua_State *L, int index, const char *who, struct lua_ties *ties)
{
    static const char *const known[] = {"key", "by", "within", "states"};
    lua_options_check(L, index, who, known, sizeof known / sizeof *known);
    ties->by.text = lua_option_text(L, index, who, "key", &ties->by.text_len);
    if (lua_option(L, index, "by") != LUA_TNIL &&
        !(lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "args") == 0))
        unique_fields(L, lua_gettop(L), who, &ties->by);
    if (ties->by.text && ties->by.n_fields)
        luaL_error(L, "%s: unique has either key or by", who);
    if (lua_option(L, index, "within") != LUA_TNIL)
        ties->unique.within_ms = lua_check_duration(L, lua_gettop(L), "unique.within");
    if (lua_option(L, index, "states") != LUA_TNIL)
        ties->unique.states = unique_states(L, lua_gettop(L), who);
}

static void read_unique(lua_State *L, const char *who, struct lua_ties *ties)
{
    const int index = lua_gettop(L);
    ties->unique.states = UNIQUE_STATES;
    ties->has_unique = lua_type(L, index) != LUA_TBOOLEAN || lua_toboolean(L, index);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        break;
    case LUA_TSTRING:
        ties->by.text = lua_tolstring(L, index, &ties->by.text_len);
        break;
    case LUA_TTABLE:
        unique_table(L, index, who, ties);
        break;
    default:
        luaL_error(L, "%s: unique is true, a key, or a table with key or by, within and states",
                   who);
    }
}

/* --- after --------------------------------------------------------------------------------------
 */

static void read_after(lua_State *L, const char *who, struct lua_ties *ties)
{
    const int index = lua_gettop(L);
    const bool list = lua_type(L, index) == LUA_TTABLE;
    const size_t count = list ? lua_rawlen(L, index) : 1;
    if (count > JOB_AFTER_MAX)
        luaL_error(L, "%s: after has more than %d jobs", who, JOB_AFTER_MAX);
    uint64_t *ids = lua_newuserdatauv(L, (count + 1) * sizeof *ids, 0);
    for (size_t i = 0; i < count; i++) {
        if (list)
            lua_rawgeti(L, index, (lua_Integer)i + 1);
        else
            lua_pushvalue(L, index);
        ids[i] = lua_job_id(L, lua_gettop(L), who);
        lua_pop(L, 1);
    }
    ties->after = ids;
    ties->n_after = count;
}

static void read_after_failed(lua_State *L, const char *who, struct lua_ties *ties)
{
    static const char *const names[] = {"cancel", "run"};
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(name, "cancel") == 0)
        ties->on_failure = AFTER_CANCEL;
    else if (strcmp(name, "run") == 0)
        ties->on_failure = AFTER_RUN;
    else
        lua_unknown_option(L, who, "after_failed", name, names, 2);
}

bool lua_ties_option(lua_State *L, const char *who, const char *key, struct lua_ties *ties)
{
    luaL_checkstack(L, 8, who);
    if (strcmp(key, "unique") == 0)
        read_unique(L, who, ties);
    else if (strcmp(key, "after") == 0)
        read_after(L, who, ties);
    else if (strcmp(key, "after_failed") == 0)
        read_after_failed(L, who, ties);
    else
        return false;
    return true;
}
