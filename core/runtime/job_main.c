#include "runtime/job_main.h"

#include "base/error.h"
#include "base/mem.h"
#include "model/codec.h"
#include "model/msgpack.h"
#include "runtime/coro.h"
#include "runtime/lua_core.h"
#include "runtime/worker_run.h"

#include <assert.h>
#include <string.h>

void job_main_failed(struct run *run, const char *code, const char *message, const char *traceback)
{
    struct run_more *more = run_more(run);
    if (more->error)
        return;
    run->kind = OUTCOME_FAILED;
    more->error = job_error_new(code, (int)run_attempt(run), message, strlen(message), traceback,
                                traceback ? strlen(traceback) : 0);
}

/* --- the outcome ------------------------------------------------------------------------------ */

/* On top: {message=, traceback=} of vm_traceback, or what Lua itself left: no memory, or an error
 * in the error handling. */
static void keep_error(lua_State *L, struct run *run, int status)
{
    if (!lua_istable(L, -1)) {
        const char *message = lua_tostring(L, -1);
        job_main_failed(run, status == LUA_ERRMEM ? "memory" : "error",
                        message ? message : "unknown error", NULL);
        return;
    }
    lua_getfield(L, -1, "message");
    lua_getfield(L, -2, "traceback");
    job_main_failed(run, run->in_args ? "args" : "error", lua_tostring(L, -2),
                    run->in_args ? NULL : lua_tostring(L, -1));
}

#define TRACEBACK 1 /* where job_main has the message handler, */
#define RUN 2 /* the `run` of the task it called last; what the next one gave is behind them */

/* Behind RUN: value, message. */
static void keep_result(lua_State *L, struct run *run)
{
    struct neap_error err;
    if (lua_gettop(L) == RUN) { /* often there is nothing */
        run->kind = OUTCOME_COMPLETED;
        return;
    }
    lua_settop(L, RUN + 2);
    if (lua_isnil(L, -2) && !lua_isnil(L, -1)) {
        vm_error_text(L, -1, &(size_t){0});
        if (!run->ended) /* else it was killed in its __tostring */
            job_main_failed(run, "error", lua_tostring(L, -1), NULL);
        return;
    }
    run->kind = OUTCOME_COMPLETED;
    if (lua_isnil(L, -2))
        return;
    struct buf *out = vm_scratch(vm_of(L));
    if (codec_encode(L, -2, "result", out, &err)) {
        job_main_failed(run, "error", err.message, NULL);
        return;
    }
    run->result_len = (uint32_t)out->len;
    fiber_let_go(run_worker(run), &run->main);
    run->main.result = mem_copy(out->data, out->len);
    run->main.holds = HOLDS_RESULT;
}

static int job_done(lua_State *L, int status, lua_KContext context)
{
    struct run *run = (struct run *)context;
    if (run->ended) /* ctx:fail and the like have settled it; an error only unwound the stack */
        return 0;
    if (status != LUA_OK && status != LUA_YIELD)
        keep_error(L, run, status);
    else
        keep_result(L, run);
    return 0;
}

/* --- the way to run --------------------------------------------------------------------------- */

/* Pushes them. */
static int decode_args(lua_State *L, const struct run *run, struct neap_error *err)
{
    const struct job *job = run->job;
    struct neap_error why;
    int64_t integer;
    if (job->args_len == 0 && run->entry->single_args)
        lua_pushnil(L);
    else if (job->args_len == 0)
        lua_newtable(L);
    else if (msgpack_is_integer(job->args, job->args_len, &integer))
        lua_pushinteger(L, integer);
    else if (codec_decode(L, job->args, job->args_len, &why))
        return error_set(err, NEAP_EINVAL, "args: %s", why.message);
    return NEAP_OK;
}

static void push_args(lua_State *L, const struct run *run)
{
    struct neap_error err;
    if (decode_args(L, run, &err))
        luaL_error(L, "%s", err.message);
}

/* Replaces the args on top by what the schema makes of them; raises what it finds wrong. */
static void check_args(lua_State *L, struct run *run)
{
    if (run->entry->check_ref == LUA_NOREF)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->entry->check_ref);
    lua_insert(L, -2);
    lua_pushliteral(L, "args");
    run->in_args = true;
    lua_call(L, 2, 2);
    if (!lua_isnil(L, -1)) {
        lua_pushvalue(L, -1);
        lua_error(L);
    }
    run->in_args = false;
    lua_pop(L, 1);
}

static int returned(lua_State *L, int status, lua_KContext context)
{
    (void)status, (void)context;
    return lua_gettop(L);
}

static int call_on_dead(lua_State *L, struct run *run)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->entry->table_ref);
    if (lua_getfield(L, -1, "on_dead") == LUA_TNIL)
        return 0;
    lua_replace(L, 1);
    lua_settop(L, 1);
    push_args(L, run); /* as given: they may be what was wrong */
    lua_ctx_push(L, run);
    lua_error_push(L, job_left(run->job)->error->code, job_left(run->job)->error->message,
                   job_left(run->job)->error);
    lua_callk(L, 3, 0, 0, returned);
    return 0;
}

static int call_run(lua_State *L, int status, lua_KContext context)
{
    struct run *run = vm_of(L)->run;
    (void)status, (void)context;
    if (run->job->flags & JOB_ON_DEAD)
        return call_on_dead(L, run);
    lua_settop(L, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->entry->run_ref);
    if (run->entry->params > 0 || run->entry->check_ref != LUA_NOREF) {
        push_args(L, run);
        check_args(L, run);
    }
    if (run->entry->params == 2)
        lua_ctx_push(L, run);
    lua_callk(L, lua_gettop(L) - 1, 2, 0, returned);
    return 2;
}

static int set_up(lua_State *L, int status, lua_KContext context) /* main.setup returned */
{
    vm_of(L)->run->entry->ready = true;
    return call_run(L, status, context);
}

static void load_task(lua_State *L, struct run *run)
{
    struct worker *worker = run_worker(run);
    const struct task_info *info = catalogue_task(worker_catalogue(worker), run->job->task);
    struct entries *entries = worker_entries(worker);
    struct entry *entry = entries_load(entries, L, info);
    if (!entry) {
        if (!run->ended) /* else it was killed in the middle of it */
            keep_error(L, run, LUA_ERRRUN);
        lua_settop(L, 0);
        luaL_error(L, "the task did not load");
        return; /* it does not */
    }
    run->entry = entry;
    entry_use(entry);
    entry_switch(vm_of(L), entry);
}

static int job_body(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct run *run = vm->run;
    if (!run->entry)
        load_task(L, run);
    assert(run->entry);
    if (run->entry->ready)
        return call_run(L, LUA_OK, 0);
    lua_rawgeti(L, LUA_REGISTRYINDEX, vm->main_ref);
    lua_getfield(L, -1, "setup");
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->entry->table_ref);
    lua_callk(L, 1, 0, 0, set_up);
    return set_up(L, LUA_OK, 0);
}

/* Nothing is to be done before `run` but to decode its arguments. */
static bool is_plain(const struct run *run)
{
    const struct entry *entry = run->entry;
    return entry && entry->ready && entry->check_ref == LUA_NOREF &&
           !(run->job->flags & JOB_ON_DEAD);
}

/* Pushes what is to be called and its arguments: how many, or -1 where they are no arguments.
 * `at_hand` is the task whose `run` is at RUN; no version goes away while job_main runs. */
static int push_call(lua_State *L, struct run *run, const struct entry **at_hand)
{
    const struct entry *entry = run->entry;
    struct neap_error err;
    if (!is_plain(run)) {
        lua_pushnil(L); /* of another plugin, perhaps: not kept for as long as this job runs */
        lua_replace(L, RUN);
        *at_hand = NULL;
        lua_pushcfunction(L, job_body);
        return 0;
    }
    if (entry != *at_hand) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, entry->run_ref);
        lua_replace(L, RUN);
        *at_hand = entry;
    }
    lua_pushvalue(L, RUN);
    if (entry->params > 0 && decode_args(L, run, &err)) {
        job_main_failed(run, "error", err.message, NULL);
        return -1;
    }
    if (entry->params == 2)
        lua_ctx_push(L, run);
    return entry->params;
}

/* One job after another, as long as they are simple: to leave the coroutine and to resume it again
 * costs as much as all else about a small job. */
int job_main(lua_State *L)
{
    const struct entry *at_hand = NULL;
    lua_pushcfunction(L, vm_traceback);
    for (struct run *run = vm_of(L)->run; run; run = worker_next(run)) {
        lua_settop(L, RUN);
        const int nargs = push_call(L, run, &at_hand);
        if (nargs < 0)
            continue;
        const lua_KContext context =
            (lua_KContext)run; /* where it fails or waits, job_done goes on */
        job_done(L, lua_pcallk(L, nargs, LUA_MULTRET, TRACEBACK, context, job_done), context);
    }
    return 0;
}

/* Its Lua half catches errors and keeps what came of it; this is for what that cannot. */
static int async_done(lua_State *L, int status, lua_KContext context)
{
    struct vm *vm = vm_of(L);
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD || vm->run->ended || vm->fiber->ended)
        return 0;
    keep_error(L, vm->run, status);
    vm->run->ended = true;
    return 0;
}

int job_async(lua_State *L)
{
    lua_pushcfunction(L, vm_traceback);
    lua_insert(L, 1);
    return async_done(L, lua_pcallk(L, 0, 0, 1, 0, async_done), 0);
}
