/* Tables of options as the functions of neap take them. Only the table itself is looked at, not its
 * metatable: so a text stays good while the table is on the stack and unchanged. Each raises,
 * naming the function (`who`) and the option, on what it does not like. */
#ifndef RUNTIME_LUA_OPTIONS_H
#define RUNTIME_LUA_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

/* Is it a table with no other keys than these? */
void lua_options_check(lua_State *L, int index, const char *who, const char *const *known,
                       size_t count);
/* Pushes the value; its type. */
int lua_option(lua_State *L, int index, const char *name);
/* NULL: absent. */
const char *lua_option_text(lua_State *L, int index, const char *who, const char *name,
                            size_t *len);
/* As lua_option_text, but no NUL inside: for libcurl and the system. */
const char *lua_option_string(lua_State *L, int index, const char *who, const char *name);
bool lua_option_flag(lua_State *L, int index, const char *who, const char *name, bool standard);
int64_t lua_option_integer(lua_State *L, int index, const char *who, const char *name, int64_t min,
                           int64_t max, int64_t standard);
/* Milliseconds; 0, also as "none": no limit. */
int64_t lua_option_timeout(lua_State *L, int index, const char *who, const char *name,
                           int64_t standard_ms);
int64_t lua_option_size(lua_State *L, int index, const char *who, const char *name, int64_t max,
                        int64_t standard);

#endif
