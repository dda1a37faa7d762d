/* neap.exec and os.execute: programs that a job runs and waits for. */
#include "runtime/lua_core.h"

#include "base/error.h"
#include "runtime/anchor.h"
#include "runtime/exec.h"
#include "runtime/vm.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <lauxlib.h>

#define MAX_OUTPUT_BYTES (1024 * 1024)
#define MOST_OUTPUT_BYTES ((size_t)256 * 1024 * 1024)
#define MOST_ARGUMENT_BYTES (4 * 1024 * 1024) /* the system takes less */
#define LONGEST_MS (INT64_MAX / 2000000) /* 146 years: a longer timeout is as good as this one */

static const char who[] = "neap.exec";

/* --- what to run ------------------------------------------------------------------------------ */

/* Adds the text at `index` with its NUL, which it must not contain inside. */
static void pack(lua_State *L, struct buf *packed, int index, const char *what)
{
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    if (strlen(text) != len)
        luaL_error(L, "%s: %s contains a zero byte", who, what);
    buf_put(packed, text, len + 1);
}

static bool is_text(lua_State *L, int index)
{
    const int type = lua_type(L, index);
    return type == LUA_TSTRING || type == LUA_TNUMBER;
}

static void pack_list(lua_State *L, struct buf *packed)
{
    const lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING)
            luaL_error(L,
                       "%s: unknown key '%s' in the list of arguments (options are the second "
                       "argument)",
                       who, lua_tostring(L, -2));
    if (count == 0)
        luaL_error(L, "%s: the list of arguments is empty", who);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 1, i);
        if (!is_text(L, -1))
            luaL_error(L, "%s: argument %d is %s, not a string or number", who, (int)i,
                       luaL_typename(L, -1));
        pack(L, packed, -1, "an argument");
        lua_pop(L, 1);
    }
}

static void pack_args(lua_State *L, struct buf *packed)
{
    static const char shell[] = "/bin/sh\0-c";
    if (lua_istable(L, 1)) {
        pack_list(L, packed);
    } else if (lua_type(L, 1) == LUA_TSTRING) {
        buf_put(packed, shell, sizeof shell);
        pack(L, packed, 1, "the command");
    } else {
        luaL_error(L, "%s: a list of arguments or a command as a string, got %s", who,
                   luaL_typename(L, 1));
    }
}

/* env: {NAME = value | false} on top. */
static void pack_vars(lua_State *L, struct buf *packed)
{
    if (!lua_istable(L, -1))
        luaL_error(L, "%s: env is a table, got %s", who, luaL_typename(L, -1));
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const bool removed = lua_isboolean(L, -1) && !lua_toboolean(L, -1);
        if (!*name || strchr(name, '='))
            luaL_error(L, "%s: the keys of env are names of variables", who);
        if (!removed && !is_text(L, -1))
            luaL_error(L, "%s: env.%s is a string, a number, or false to take it away, got %s", who,
                       name, luaL_typename(L, -1));
        pack(L, packed, -2, "a name in env");
        if (!removed) {
            packed->data[packed->len - 1] = '=';
            pack(L, packed, -1, name);
        }
    }
}

/* --- options ---------------------------------------------------------------------------------- */

static const char *text_option(lua_State *L, const char *key, size_t *len)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s: %s is a string, got %s", who, key, luaL_typename(L, -1));
    return lua_tolstring(L, -1, len); /* the table of options keeps it */
}

static bool flag_option(lua_State *L, const char *key)
{
    if (!lua_isboolean(L, -1))
        luaL_error(L, "%s: %s is true or false, got %s", who, key, luaL_typename(L, -1));
    return lua_toboolean(L, -1);
}

/* The value is on top. `env` is packed later. */
static void read_option(lua_State *L, const char *key, struct exec_request *r)
{
    static const char *const known[] = {"stdin",   "cwd",        "env",   "clear_env",
                                        "timeout", "max_output", "stderr"};
    size_t len;
    if (strcmp(key, "stdin") == 0) {
        r->spec.in = text_option(L, key, &r->spec.in_len);
    } else if (strcmp(key, "cwd") == 0) {
        r->spec.cwd = text_option(L, key, &len);
        if (!len || strlen(r->spec.cwd) != len)
            luaL_error(L, "%s: cwd is the path of a directory", who);
    } else if (strcmp(key, "clear_env") == 0) {
        r->spec.clear_vars = flag_option(L, key);
    } else if (strcmp(key, "timeout") == 0) {
        const int64_t ms = lua_check_timeout(L, lua_gettop(L), "neap.exec: timeout");
        r->timeout_ms = ms < LONGEST_MS ? ms : LONGEST_MS;
    } else if (strcmp(key, "max_output") == 0) {
        r->max_bytes = (size_t)lua_check_size(L, lua_gettop(L), "neap.exec: max_output");
        if (r->max_bytes > MOST_OUTPUT_BYTES)
            luaL_error(L, "%s: max_output is at most 256M", who);
    } else if (strcmp(key, "stderr") == 0) {
        r->spec.merge = strcmp(text_option(L, key, &len), "stdout") == 0;
        if (!r->spec.merge)
            luaL_error(L, "%s: stderr is \"stdout\", where it then goes, or not given", who);
    } else if (strcmp(key, "env") != 0) {
        lua_unknown_option(L, who, "option", key, known, sizeof known / sizeof *known);
    }
}

static void read_options(lua_State *L, struct exec_request *r)
{
    if (lua_isnoneornil(L, 2))
        return;
    if (!lua_istable(L, 2))
        luaL_error(L, "%s: options are a table, got %s", who, luaL_typename(L, 2));
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: the keys of options are names", who);
        read_option(L, lua_tostring(L, -2), r);
    }
}

/* Packs both into the scratch buffer of the state, so that an error of Lua leaks nothing. All
 * access is raw: a metamethod could use that buffer for something else. */
static void read_request(lua_State *L, struct exec_request *r)
{
    struct buf *packed = vm_scratch(vm_of(L));
    pack_args(L, packed);
    r->spec.args_len = packed->len;
    read_options(L, r);
    lua_pushliteral(L, "env");
    if (lua_istable(L, 2) && lua_rawget(L, 2) != LUA_TNIL)
        pack_vars(L, packed);
    r->spec.args = packed->data;
    r->spec.vars = packed->data + r->spec.args_len;
    r->spec.vars_len = packed->len - r->spec.args_len;
}

/* --- results ---------------------------------------------------------------------------------- */

static int push_failure(lua_State *L, const struct exec_result *result)
{
    lua_pushnil(L);
    lua_pushstring(L, result->message);
    lua_pushstring(L, error_name(result->error));
    return 3;
}

static void push_result(lua_State *L, const struct exec_result *result)
{
    static const char *const names[] = {"stdout", "stderr"};
    lua_createtable(L, 0, 6);
    for (int i = 0; i < 2; i++) {
        lua_pushlstring(L, result->out[i]->data ? result->out[i]->data : "", result->out[i]->len);
        lua_setfield(L, -2, names[i]);
    }
    if (result->status >= 0 && WIFEXITED(result->status)) {
        lua_pushinteger(L, WEXITSTATUS(result->status));
        lua_setfield(L, -2, "code");
    } else if (result->status >= 0) {
        lua_pushinteger(L, WTERMSIG(result->status));
        lua_setfield(L, -2, "signal");
    }
    lua_pushboolean(L, result->truncated);
    lua_setfield(L, -2, "truncated");
    lua_pushboolean(L, result->timed_out);
    lua_setfield(L, -2, "timed_out");
}

/* Not kept while it waits for a place: the system would not take it. */
static bool is_too_long(const struct exec_request *request)
{
    return request->spec.args_len + request->spec.vars_len > MOST_ARGUMENT_BYTES;
}

static int exec_done(lua_State *L)
{
    struct exec *exec = exec_of(op_current(L));
    const struct exec_result result = exec_result(exec);
    int count = 1;
    if (result.error)
        count = push_failure(L, &result);
    else
        push_result(L, &result);
    exec_close(
        exec); /* not before: where there is no memory for the result, the job's end does it */
    anchor_sweep(L);
    return count;
}

/* neap.exec(argv or command [, options])
 * -> {code=, signal=, stdout=, stderr=, truncated=, timed_out=} | nil, message, code */
static int neap_exec(lua_State *L)
{
    struct exec_request request = {.max_bytes = MAX_OUTPUT_BYTES, .anchor = ANCHOR_NONE};
    lua_settop(L, 2);
    read_request(L, &request);
    if (!op_may_wait(L, who))
        return 2;
    if (is_too_long(&request))
        return push_failure(L, &(struct exec_result){.error = E2BIG, .message = strerror(E2BIG)});
    if (request.spec.in) {
        lua_pushliteral(L, "stdin");
        lua_rawget(L, 2);
        request.anchor = anchor_take(L, -1);
    }
    return op_wait(L, exec_op(exec_open(L, &request)), exec_done);
}

/* --- os.execute ------------------------------------------------------------------------------- */

static int execute_done(lua_State *L) /* as the stock one */
{
    struct exec *exec = exec_of(op_current(L));
    const struct exec_result result = exec_result(exec);
    const bool exited = result.status < 0 || WIFEXITED(result.status);
    const int number = result.status < 0 ? -1
                       : exited          ? WEXITSTATUS(result.status)
                                         : WTERMSIG(result.status);
    if (!result.error && exited && number == 0)
        lua_pushboolean(L, 1);
    else
        lua_pushnil(L);
    lua_pushstring(L, result.error ? result.message : exited ? "exit" : "signal");
    lua_pushinteger(L, result.error ? result.error : number);
    exec_close(exec);
    return 3;
}

/* core.execute([command]): what it prints goes to the job's log. */
static int core_execute(lua_State *L)
{
    struct exec_request request = {.log = true, .anchor = ANCHOR_NONE};
    lua_settop(L, 1);
    if (lua_isnil(L, 1)) {
        lua_pushboolean(L, 1);
        return 1;
    }
    luaL_checkstring(L, 1);
    lua_pushnil(L); /* no options */
    read_request(L, &request);
    request.spec.merge = true;
    if (!op_may_wait(L, "os.execute"))
        return 2;
    if (is_too_long(&request)) {
        errno = E2BIG;
        return luaL_fileresult(L, 0, NULL);
    }
    return op_wait(L, exec_op(exec_open(L, &request)), execute_done);
}

void lua_exec_open(lua_State *L)
{
    lua_pushcfunction(L, core_execute);
    lua_setfield(L, -2, "execute");
    lua_getfield(L, -1, "neap");
    lua_pushcfunction(L, neap_exec);
    lua_setfield(L, -2, "exec");
    lua_pop(L, 1);
}
