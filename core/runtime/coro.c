#include "runtime/coro.h"

#include "runtime/interrupt.h"
#include "runtime/run.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

/* What lua_getextraspace of a coroutine holds: NULL while free, its child while it is parked with
 * one, or one of these: while it is parked at its top; for good once a raise of the hook has ended
 * it. Lua leaves such a one with hooks off, so nothing may run in it any more. */
static const char leaf_mark, spent_mark;
#define CORO_LEAF ((void *)&leaf_mark)
#define CORO_SPENT ((void *)&spent_mark)

/* Bound of the C stack for nested coroutine.close: each starts with a C stack as empty as its
 * coroutine last knew it, and stock 5.4.4 crashes at 20,000 of them. */
#define CLOSE_STACK_BYTES (1024 * 1024)

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
    if (vm->closing && !vm->doomed)
        return false;
    if (vm->doomed || (vm->run && vm->run->ended && !vm->run->closing))
        return true;
    return vm->fiber && vm->fiber->ended && !vm->fiber->closing;
}

/* As that, in what was called before the kill. Once a kill has raised, what is called is part of
 * what it closes. */
static bool holds_a_kill(const struct vm *vm, bool called_after)
{
    return being_killed(vm) && (!called_after || vm->doomed);
}

/* --- leaving a job for good ------------------------------------------------------------------- */

static int never(lua_State *L)
{
    return luaL_error(L, "a job that has ended was resumed");
}

/* Where it cannot park it raises, and whoever catches that (pcall, xpcall, resume, wrap, close: all
 * replaced below) quits again. It raises as Lua does for lack of memory, which this very text makes
 * of it: then no message handler is called, which could loop for ever. */
int coro_quit(lua_State *L)
{
    if (coro_waitable(L))
        return coro_park(L, never);
    vm_of(L)->raised = true;
    lua_pushliteral(L, "not enough memory");
    return lua_error(L);
}

/* --- waiting ---------------------------------------------------------------------------------- */

bool coro_waitable(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    return vm->fiber && !vm->loading && vm->unyieldable == 0 && lua_isyieldable(L);
}

static int unparked(lua_State *L, int status, lua_KContext k)
{
    (void)status;
    return ((lua_CFunction)k)(L);
}

int coro_park(lua_State *L, lua_CFunction k)
{
    vm_of(L)->parking = true;
    mark(L, CORO_LEAF);
    lua_settop(L, 0);
    return lua_yieldk(L, 0, (lua_KContext)k, unparked);
}

/* A hook yields without values and goes on by itself, at the same instruction. */
void coro_hook_park(lua_State *L)
{
    vm_of(L)->parking = true;
    mark(L, CORO_LEAF);
    lua_yield(L, 0);
}

/* A coroutine that can yield does so, if only to whoever resumed it (step raises from there): after
 * a hook that raised, its to-be-closed variables would run with hooks off, and a loop in one of
 * them could not be ended. Where it raises, what is unwound closes its variables, in the time that
 * is left for that; after that it stays armed: every instruction raises. */
void coro_hook_quit(lua_State *L)
{
    struct vm *vm = vm_of(L);
    if (coro_waitable(L) || (lua_isyieldable(L) && vm->fiber && L != vm->fiber->co)) {
        coro_hook_park(L);
        return;
    }
    vm->raised = true;
    vm->raised_in = L;
    if (vm->doomed)
        interrupt_arm(vm);
    lua_pushliteral(L, "not enough memory");
    lua_error(L);
}

/* Everything that resumes goes through here. A parked leaf is unmarked; its parents unmark
 * themselves as they are resumed. */
static int resume(struct vm *vm, lua_State *co, lua_State *from, int narg, int *count)
{
    lua_State *const before = vm->current;
    if (mark_of(co) == CORO_LEAF)
        mark(co, NULL);
    vm->raised_in = NULL;
    interrupt_follow(vm, co);
    const int status = lua_resume(co, from, narg, count);
    interrupt_follow(vm, before);
    return status;
}

int coro_run(lua_State *co, lua_State *from, int narg)
{
    int count;
    return resume(vm_of(co), co, from, narg, &count);
}

lua_State *coro_innermost(lua_State *co)
{
    for (void *child; (child = mark_of(co)) && child != CORO_LEAF;)
        co = child;
    return co;
}

/* lua_resetthread, whose __close methods run on top of this C call and so cannot yield. */
static int reset_thread(lua_State *co)
{
    struct vm *vm = vm_of(co);
    lua_State *const before = vm->current;
    mark(co, NULL);
    interrupt_follow(vm, co);
    vm->unyieldable++;
    const int status = lua_resetthread(co);
    vm->unyieldable--;
    interrupt_follow(vm, before);
    return status;
}

void coro_reset(lua_State *co)
{
    void *child = mark_of(co);
    if (child && child != CORO_LEAF)
        coro_reset(child);
    vm_of(co)->parking = false;
    reset_thread(co);
    lua_settop(co, 0);
}

/* --- the coroutine library -------------------------------------------------------------------- */

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "thread");
    return co;
}

static bool is_base(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    return L == vm->L || (vm->fiber && L == vm->fiber->co);
}

static const char *status_of(lua_State *L, lua_State *co)
{
    if (L == co)
        return "running";
    if (mark_of(co) || is_base(co))
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

/* The functions for resume and those for wrap differ in what they make of an error; `wrapped` tells
 * which, and where the child is. It travels as the context of the continuation. */
static lua_State *child_of(lua_State *L, lua_KContext wrapped)
{
    return wrapped ? lua_tothread(L, lua_upvalueindex(1)) : lua_tothread(L, 1);
}

/* The error value is on top of L. */
static int fail(lua_State *L, int status, lua_KContext wrapped)
{
    if (!wrapped) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int child_failed(lua_State *L, lua_State *co, int status, lua_KContext wrapped)
{
    if (wrapped)
        status = reset_thread(co); /* as the stock one: its pending to-be-closed variables */
    lua_xmove(co, L, 1);
    return fail(L, status, wrapped);
}

/* The kill went through the child: its to-be-closed variables run before the parent's. Not while
 * staging, where a raise from the hook may have left them with hooks off. */
static int quit_with(lua_State *L, lua_State *co)
{
    struct vm *vm = vm_of(L);
    if (!vm->doomed && mark_of(co) != CORO_SPENT) {
        vm->closing++;
        reset_thread(co);
        vm->closing--;
    }
    return coro_quit(L);
}

static int resume_on(lua_State *L, int status, lua_KContext wrapped);

/* Resumes the child with `narg` values of its own stack and delivers what comes of it to the
 * caller. */
static int step(lua_State *L, int narg, lua_KContext wrapped)
{
    struct vm *vm = vm_of(L);
    lua_State *co = child_of(L, wrapped);
    const bool unyieldable = !lua_isyieldable(L), after = vm->raised;
    int count;
    if (vm->look)
        vm->look(L, NULL);
    vm->unyieldable += unyieldable;
    const int status = resume(vm, co, L, narg, &count);
    vm->unyieldable -= unyieldable;
    if (vm->raised_in == co) /* no pcall there, which would have put the hooks on again */
        mark(co, CORO_SPENT);
    if (status == LUA_YIELD && vm->parking && being_killed(vm) && !coro_waitable(L)) {
        vm->parking = false;
        return quit_with(L, co);
    }
    if (status == LUA_YIELD && vm->parking) {
        mark(L, co);
        return lua_yieldk(L, 0, wrapped, resume_on);
    }
    if (holds_a_kill(vm, after))
        return quit_with(L, co);
    if (status != LUA_OK && status != LUA_YIELD)
        return child_failed(L, co, status, wrapped);
    if (!lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return fail(L, LUA_OK, wrapped);
    }
    if (!wrapped)
        lua_pushboolean(L, 1);
    lua_xmove(co, L, count);
    return count + (wrapped ? 0 : 1);
}

/* The runtime resumed a parked chain: hand it on to the child. */
static int resume_on(lua_State *L, int status, lua_KContext wrapped)
{
    (void)status;
    mark(L, NULL);
    return step(L, 0, wrapped);
}

static int start_step(lua_State *L, lua_State *co, int narg, lua_KContext wrapped)
{
    const char *status = status_of(L, co);
    if (strcmp(status, "suspended") != 0) {
        lua_pushfstring(L, "cannot resume %s coroutine",
                        strcmp(status, "dead") == 0 ? "dead" : "non-suspended");
        return fail(L, LUA_OK, wrapped);
    }
    if (!lua_checkstack(co, narg)) {
        lua_pushliteral(L, "too many arguments to resume");
        return fail(L, LUA_OK, wrapped);
    }
    lua_xmove(L, co, narg);
    return step(L, narg, wrapped);
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

static int co_yield (lua_State *L)
{
    if (is_base(L))
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

/* To its task a job's own coroutine is the main one: it cannot yield. */
static int co_running(lua_State *L)
{
    lua_pushthread(L);
    lua_pushboolean(L, is_base(L));
    return 2;
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

static bool stack_is_deep(const struct vm *vm)
{
    const char *here = __builtin_frame_address(0); /* not a local's address: ASan moves those */
    return vm->stack && (size_t)llabs(vm->stack - here) > CLOSE_STACK_BYTES;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    const char *status = status_of(L, co);
    struct vm *vm = vm_of(L);
    if (strcmp(status, "dead") != 0 && strcmp(status, "suspended") != 0)
        return luaL_error(L, "cannot close a %s coroutine", status);
    if (stack_is_deep(vm))
        return luaL_error(L, "C stack overflow");
    const bool after = vm->raised;
    const int rc = reset_thread(co);
    if (holds_a_kill(vm, after))
        return coro_quit(L);
    lua_pushboolean(L, rc == LUA_OK);
    if (rc == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

/* --- pcall and xpcall ------------------------------------------------------------------------- */

/* The context of `called`: how many values are below the results, and whether a kill had raised
 * when it began. */
enum { BELOW = 3, AFTER = 4 };

/* As the stock ones, but they do not hold a kill. */
static int called(lua_State *L, int status, lua_KContext context)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)(context & BELOW);
    struct vm *vm = vm_of(L);
    if (vm->raised_in == L)
        vm->raised_in = NULL;
    if (holds_a_kill(vm, context & AFTER))
        return coro_quit(L);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int safe_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1); /* first result */
    lua_insert(L, 1);
    const lua_KContext context = vm_of(L)->raised ? AFTER : 0;
    return called(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, context, called), context);
}

static int safe_xpcall(lua_State *L)
{
    const int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushboolean(L, 1); /* first result */
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* f, handler, true, f, args... */
    const lua_KContext context = vm_of(L)->raised ? 2 | AFTER : 2;
    return called(L, lua_pcallk(L, count - 2, LUA_MULTRET, 2, context, called), context);
}

void coro_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", co_create}, {"resume", co_resume},   {"wrap", co_wrap},
        {"yield", co_yield },  {"status", co_status},   {"isyieldable", co_isyieldable},
        {"close", co_close},   {"running", co_running}, {NULL, NULL},
    };
    lua_getglobal(L, LUA_COLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
    lua_register(L, "pcall", safe_pcall);
    lua_register(L, "xpcall", safe_xpcall);
}
