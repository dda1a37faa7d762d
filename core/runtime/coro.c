#include "runtime/coro.h"

#include "runtime/run.h"

#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

/* What lua_getextraspace of a coroutine holds: NULL while free, its child while it is parked with one, or one of these. */
static const char leaf_mark, closing_mark;
#define CORO_LEAF ((void *)&leaf_mark)
#define CORO_CLOSING ((void *)&closing_mark)

#define CLOSE_DEPTH_MAX 150 /* nested closes: stock 5.4.4 crashes at 20,000 */

static void *mark_of(lua_State *L)
{
    return *(void **)lua_getextraspace(L);
}

static void mark(lua_State *L, const void *what)
{
    memcpy(lua_getextraspace(L), &what, sizeof what);
}

static bool being_killed(const struct vm *vm)
{
    return vm->doomed || (vm->run && vm->run->ended && !vm->run->closing);
}

/* --- leaving a job for good ------------------------------------------------------------------- */

static void arm_kill(lua_State *L);

static void kill_hook(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);
    (void)ar;
    if (!being_killed(vm)) {
        lua_sethook(L, NULL, 0, 0);
    } else if (coro_waitable(L)) {
        lua_sethook(L, NULL, 0, 0);
        vm->parking = true;
        mark(L, CORO_LEAF);
        lua_yield(L, 0);
    } else {
        luaL_error(L, "the job has ended");
    }
}

static void arm_kill(lua_State *L)
{
    lua_sethook(L, kill_hook, LUA_MASKCOUNT, 1);
}

static int never(lua_State *L)
{
    return luaL_error(L, "a job that has ended was resumed");
}

int coro_quit(lua_State *L)
{
    if (coro_waitable(L))
        return coro_park(L, never);
    arm_kill(L);
    return luaL_error(L, "the job has ended");
}

/* --- waiting ---------------------------------------------------------------------------------- */

bool coro_waitable(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    return vm->run && !vm->loading && vm->unyieldable == 0 && lua_isyieldable(L) &&
           mark_of(L) != CORO_CLOSING;
}

static int unparked(lua_State *L, int status, lua_KContext k)
{
    (void)status;
    mark(L, NULL);
    return ((lua_CFunction)k)(L);
}

int coro_park(lua_State *L, lua_CFunction k)
{
    vm_of(L)->parking = true;
    mark(L, CORO_LEAF);
    lua_settop(L, 0);
    return lua_yieldk(L, 0, (lua_KContext)k, unparked);
}

/* lua_resetthread, whose __close methods run on top of this C call and so cannot yield. */
static int reset_thread(lua_State *co)
{
    struct vm *vm = vm_of(co);
    mark(co, CORO_CLOSING);
    vm->unyieldable++;
    const int status = lua_resetthread(co);
    vm->unyieldable--;
    mark(co, NULL);
    return status;
}

void coro_reset(lua_State *co)
{
    void *child = mark_of(co);
    if (child && child != CORO_LEAF && child != CORO_CLOSING)
        coro_reset(child);
    lua_sethook(co, NULL, 0, 0);
    vm_of(co)->parking = false;
    reset_thread(co);
    lua_settop(co, 0);
    lua_sethook(co, NULL, 0, 0);
}

/* --- the coroutine library -------------------------------------------------------------------- */

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static const char *status_of(lua_State *L, lua_State *co)
{
    if (L == co)
        return "running";
    if (mark_of(co))
        return "normal";
    switch (lua_status(co)) {
    case LUA_YIELD:
        return "suspended";
    case LUA_OK: {
        lua_Debug ar;
        if (lua_getstack(co, 0, &ar))
            return "normal";
        return lua_gettop(co) == 0 ? "dead" : "suspended";
    }
    default:
        return "dead";
    }
}

enum { RESUME_PARKED = -2, RESUME_FAILED = -1 };

/* Resumes co with `narg` values of its own stack. Returns the number of results on co, or one of the above
 * (an error value is then on top of co). */
static int step(lua_State *L, lua_State *co, int narg)
{
    struct vm *vm = vm_of(L);
    const bool unyieldable = !lua_isyieldable(L);
    int count;
    vm->unyieldable += unyieldable;
    const int status = lua_resume(co, L, narg, &count);
    vm->unyieldable -= unyieldable;
    if (status == LUA_YIELD && vm->parking)
        return RESUME_PARKED;
    if (being_killed(vm))
        arm_kill(L);
    return status == LUA_OK || status == LUA_YIELD ? count : RESUME_FAILED;
}

static int resume_on(lua_State *L, int status, lua_KContext wrapped);

/* Delivers what a step returned to the caller of resume (wrapped: of the function that wrap made). */
static int deliver(lua_State *L, lua_State *co, int count, lua_KContext wrapped)
{
    if (count == RESUME_PARKED) {
        mark(L, co);
        return lua_yieldk(L, 0, wrapped, resume_on);
    }
    if (count == RESUME_FAILED) {
        if (!wrapped) {
            lua_pushboolean(L, 0);
            lua_xmove(co, L, 1);
            return 2;
        }
        const int status = lua_status(co);
        if (status != LUA_OK && status != LUA_YIELD) {
            reset_thread(co); /* as the stock one: its pending to-be-closed variables */
        }
        lua_xmove(co, L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            luaL_where(L, 1);
            lua_insert(L, -2);
            lua_concat(L, 2);
        }
        return lua_error(L);
    }
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        return luaL_error(L, "too many results to resume");
    }
    if (!wrapped)
        lua_pushboolean(L, 1);
    lua_xmove(co, L, count);
    return count + (wrapped ? 0 : 1);
}

static lua_State *child_of(lua_State *L, lua_KContext wrapped)
{
    return wrapped ? lua_tothread(L, lua_upvalueindex(1)) : lua_tothread(L, 1);
}

/* The runtime resumed a parked chain: hand it on to the child. */
static int resume_on(lua_State *L, int status, lua_KContext wrapped)
{
    (void)status;
    lua_State *co = child_of(L, wrapped);
    mark(L, NULL);
    return deliver(L, co, step(L, co, 0), wrapped);
}

static int start_step(lua_State *L, lua_State *co, int narg, lua_KContext wrapped)
{
    const char *status = status_of(L, co);
    if (strcmp(status, "suspended") != 0 || !lua_checkstack(co, narg)) {
        const char *message =
            strcmp(status, "suspended") != 0
                ? lua_pushfstring(L, "cannot resume %s coroutine",
                                  strcmp(status, "dead") == 0 ? "dead" : "non-suspended")
                : "too many arguments to resume";
        if (wrapped)
            return luaL_error(L, "%s", message);
        lua_pushboolean(L, 0);
        lua_pushstring(L, message);
        return 2;
    }
    lua_xmove(L, co, narg);
    return deliver(L, co, step(L, co, narg), wrapped);
}

static int co_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    return start_step(L, co, lua_gettop(L) - 1, 0);
}

static int wrapped_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    return start_step(L, co, lua_gettop(L), 1);
}

static int co_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    mark(co, NULL); /* the hook it inherits stays: staging's deadline, or a kill under way */
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, wrapped_call, 1);
    return 1;
}

static bool is_base(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    return L == vm->L || (vm->run && L == vm->run->co);
}

static int co_yield(lua_State *L)
{
    if (is_base(L) || mark_of(L) == CORO_CLOSING)
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int co_status(lua_State *L)
{
    lua_pushstring(L, status_of(L, check_coroutine(L)));
    return 1;
}

static int co_isyieldable(lua_State *L)
{
    lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
    lua_pushboolean(L, !is_base(co) && lua_isyieldable(co));
    return 1;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *status = status_of(L, co);
    struct vm *vm = vm_of(L);
    if (strcmp(status, "dead") != 0 && strcmp(status, "suspended") != 0)
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (vm->closing >= CLOSE_DEPTH_MAX)
        return luaL_error(L, "too many nested coroutine.close");
    if (is_base(co))
        return luaL_error(L, "cannot close a job's own coroutine");
    vm->closing++;
    const int rc = reset_thread(co);
    vm->closing--;
    if (being_killed(vm))
        arm_kill(L);
    lua_pushboolean(L, rc == LUA_OK);
    if (rc == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

/* --- xpcall ----------------------------------------------------------------------------------- */

/* The user's handler, unless the job is being killed: a handler called from a raising hook runs with hooks off and
 * could loop for ever. Its function is upvalue 1. */
static int guarded_handler(lua_State *L)
{
    if (being_killed(vm_of(L)))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int xpcall_done(lua_State *L, int status, lua_KContext extra)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_pushboolean(L, 0);
        lua_pushvalue(L, -2);
        return 2;
    }
    return lua_gettop(L) - (int)extra;
}

static int guarded_xpcall(lua_State *L)
{
    const int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, guarded_handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1); /* first result */
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* f, handler, true, f, args... */
    return xpcall_done(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, xpcall_done), 2);
}

void coro_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", co_create}, {"resume", co_resume}, {"wrap", co_wrap},
        {"yield", co_yield},   {"status", co_status}, {"isyieldable", co_isyieldable},
        {"close", co_close},   {NULL, NULL},
    };
    lua_getglobal(L, LUA_COLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
    lua_pushcfunction(L, guarded_xpcall);
    lua_setglobal(L, "xpcall");
}
