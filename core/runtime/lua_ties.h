/* The options of a submission that tie its job to others: unique, after, after_failed. */
#ifndef RUNTIME_LUA_TIES_H
#define RUNTIME_LUA_TIES_H

#include <stdbool.h>

#include <lua.h>

#include "model/job.h"
#include "model/unique.h"

struct lua_ties { /* zeroed: none; what it points to is Lua's, on the stack or in the options */
    bool has_unique;
    struct unique_by by;
    struct job_unique unique; /* its key is made of the arguments, later */
    const uint64_t *after;
    size_t n_after;
    int on_failure; /* enum after_policy */
};

/* Takes the option on top of the stack; false: it is none of these. May leave values on the stack.
 * Raises on a bad one. */
bool lua_ties_option(lua_State *L, const char *who, const char *key, struct lua_ties *ties);

/* The id of a job at `index`: its handle, or the id as text. Raises on anything else. */
uint64_t lua_job_id(lua_State *L, int index, const char *who);

#endif
