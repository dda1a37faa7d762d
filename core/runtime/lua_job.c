/* Submitting jobs and asking after them. */
#include "runtime/lua_core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/codec.h"
#include "runtime/lua_ties.h"
#include "runtime/worker_run.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define HANDLE "neap.job"
#define FAILURE "neap.error"

/* --- options ---------------------------------------------------------------------------------- */

struct submit_options {
    int64_t due_ms, expires_ms; /* 0: none */
    int priority;               /* INT_MIN: the task's */
    struct gate *gate;          /* NULL: the task's */
    int64_t timeout_ms;         /* -1: the task's */
    struct retry retry;
    bool has_retry;
    struct lua_ties ties;
};

static int priority_at(lua_State *L, int index, const char *who)
{
    static const char *const names[] = {"low", "normal", "high", "critical"};
    static const int values[] = {-10, 0, 10, 20};
    if (lua_isinteger(L, index)) {
        const lua_Integer value = lua_tointeger(L, index);
        if (value >= NEAP_PRIORITY_MIN && value <= NEAP_PRIORITY_MAX)
            return (int)value;
    } else if (lua_type(L, index) == LUA_TSTRING) {
        for (size_t i = 0; i < 4; i++)
            if (strcmp(lua_tostring(L, index), names[i]) == 0)
                return values[i];
    }
    return luaL_error(
        L, "%s: priority is an integer from -128 to 127 or low, normal, high, critical", who);
}

static void retry_field(lua_State *L, const char *who, const char *key, struct retry *retry)
{
    static const char *const known[] = {"max", "backoff", "base", "cap", "jitter"};
    static const char *const backoffs[] = {"exponential", "linear", "fixed"};
    const int index = lua_gettop(L);
    if (strcmp(key, "max") == 0) {
        if (!lua_isinteger(L, index) || lua_tointeger(L, index) < 0 ||
            lua_tointeger(L, index) > 1000000)
            luaL_error(L, "%s: retry.max is an integer from 0 to 1000000", who);
        retry->max = (int)lua_tointeger(L, index);
    } else if (strcmp(key, "base") == 0) {
        retry->base_ms = lua_check_duration(L, index, "retry.base");
    } else if (strcmp(key, "cap") == 0) {
        retry->cap_ms = lua_check_duration(L, index, "retry.cap");
    } else if (strcmp(key, "jitter") == 0) {
        retry->jitter = lua_isnumber(L, index) ? lua_tonumber(L, index) : -1;
        if (!(retry->jitter >= 0 && retry->jitter <= 1))
            luaL_error(L, "%s: retry.jitter is a number from 0 to 1", who);
    } else if (strcmp(key, "backoff") == 0) {
        const char *text = lua_tostring(L, index);
        for (int i = 0; text && i < 3; i++)
            if (strcmp(text, backoffs[i]) == 0)
                retry->backoff = i;
        if (retry->backoff < 0)
            luaL_error(L, "%s: retry.backoff is exponential, linear or fixed", who);
    } else {
        lua_unknown_option(L, who, "retry option", key, known, 5);
    }
}

static struct retry retry_at(lua_State *L, int index, const char *who)
{
    struct retry retry = RETRY_UNSET;
    if (lua_isinteger(L, index)) {
        lua_pushvalue(L, index);
        retry_field(L, who, "max", &retry);
        lua_pop(L, 1);
        return retry;
    }
    if (!lua_istable(L, index))
        luaL_error(L, "%s: retry is a number of retries or a table", who);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: the keys of retry are names", who);
        retry_field(L, who, lua_tostring(L, -2), &retry);
    }
    return retry;
}

static int64_t time_at(lua_State *L, int index, const char *who, const char *what)
{
    int64_t ms = -1;
    if (lua_type(L, index) == LUA_TNUMBER && lua_tonumber(L, index) >= 0 &&
        lua_tonumber(L, index) < 9e15)
        ms = (int64_t)(lua_tonumber(L, index) * 1000);
    else if (lua_type(L, index) != LUA_TSTRING || !text_time(lua_tostring(L, index), &ms))
        luaL_error(L, "%s: %s is Unix seconds or RFC 3339 text such as \"2026-01-31T03:00:00Z\"",
                   who, what);
    return ms;
}

static struct gate *queue_at(lua_State *L, int index, const char *who)
{
    const struct worker_env *env = worker_env(vm_of(L)->worker);
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    struct gate *gate = gates_find(env->gates, name);
    if (gate && atomic_load_explicit(&gate->open, memory_order_relaxed))
        return gate;
    const unsigned count = gates_count(env->gates);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    size_t known = 0;
    for (unsigned i = 0; i < count; i++)
        if (atomic_load_explicit(&gates_at(env->gates, i)->open, memory_order_relaxed))
            names[known++] = gates_at(env->gates, i)->name;
    lua_unknown_option(L, who, "queue", name, names, known);
}

static void submit_option(lua_State *L, const char *who, const char *key, struct submit_options *o)
{
    static const char *const known[] = {"delay", "at",      "expires", "priority", "queue",
                                        "retry", "timeout", "unique",  "after",    "after_failed"};
    const int index = lua_gettop(L);
    if (strcmp(key, "delay") == 0)
        o->due_ms = clock_unix_ms() + lua_check_duration(L, index, "delay");
    else if (strcmp(key, "at") == 0)
        o->due_ms = time_at(L, index, who, "at");
    else if (strcmp(key, "expires") == 0) /* from now as a duration, or a time as text */
        o->expires_ms = lua_type(L, index) == LUA_TSTRING && strchr(lua_tostring(L, index), 'T')
                            ? time_at(L, index, who, "expires")
                            : clock_unix_ms() + lua_check_duration(L, index, "expires");
    else if (strcmp(key, "priority") == 0)
        o->priority = priority_at(L, index, who);
    else if (strcmp(key, "queue") == 0)
        o->gate = queue_at(L, index, who);
    else if (strcmp(key, "retry") == 0)
        o->retry = retry_at(L, index, who), o->has_retry = true;
    else if (strcmp(key, "timeout") == 0)
        o->timeout_ms = lua_check_timeout(L, index, "timeout");
    else if (!lua_ties_option(L, who, key, &o->ties))
        lua_unknown_option(L, who, "option", key, known, sizeof known / sizeof *known);
}

static void read_options(lua_State *L, int index, const char *who, struct submit_options *o)
{
    if (!lua_istable(L, index))
        luaL_error(L, "%s: options are a table", who);
    const int kept = index + 1; /* what options point to, until the job is built */
    lua_settop(L, index);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, index);) {
        if (lua_type(L, kept + 1) != LUA_TSTRING)
            luaL_error(L, "%s: the keys of options are names", who);
        submit_option(L, who, lua_tostring(L, kept + 1), o);
        for (; lua_gettop(L) > kept + 2; lua_rawseti(L, kept, (lua_Integer)lua_rawlen(L, kept) + 1))
            ;
        lua_settop(L, kept + 1);
    }
    if (lua_getfield(L, index, "delay") != LUA_TNIL && lua_getfield(L, index, "at") != LUA_TNIL)
        luaL_error(L, "%s: either delay or at, not both", who);
    lua_settop(L, kept);
}

/* --- building a job --------------------------------------------------------------------------- */

_Noreturn static void no_task(lua_State *L, const struct catalogue *catalogue, const char *name,
                              const char *who)
{
    struct neap_error err;
    catalogue_no_task(catalogue, name, &err);
    luaL_error(L, "%s: %s", who, err.message);
    abort(); /* it does not return */
}

/* Who submits does so again, with the same string: what was found last time is there until the
 * catalogue is another. The registry keeps the string, so that its address is not another's. */
static const struct task_info *task_at(lua_State *L, struct vm *vm, int index, const char *who)
{
    if (lua_type(L, index) != LUA_TSTRING)
        luaL_error(L, "%s: the task's name is a string, got %s", who, luaL_typename(L, index));
    const struct catalogue *catalogue = worker_catalogue(vm->worker);
    const char *text = lua_tostring(L, index);
    struct vm_task *known = &vm->tasks[(uintptr_t)text / 32 % VM_TASKS];
    if (known->text == text && known->serial == catalogue->serial)
        return known->info;
    const struct task_name *name = names_find(worker_env(vm->worker)->names, text);
    const struct task_info *info = name ? catalogue_task(catalogue, name) : NULL;
    if (!info)
        no_task(L, catalogue, text, who);
    lua_pushvalue(L, index);
    lua_rawsetp(L, LUA_REGISTRYINDEX, known);
    *known = (struct vm_task){text, catalogue->serial, info};
    return info;
}

/* Raises nothing. */
static struct job *job_of(struct vm *vm, const struct task_info *info, const struct buf *packed)
{
    struct job *job = job_new(worker_cache(vm->worker), packed->data, packed->len);
    job->message.kind = ENGINE_SUBMIT;
    job->id = worker_new_id(vm->worker, &job->submitted_ms);
    job->parent = vm->run ? vm->run->job->id : 0;
    job->task = info->name;
    job->gate = info->gate;
    job->priority = info->priority;
    return job;
}

static struct job *build_with(lua_State *L, struct vm *vm, const struct task_info *info, int args,
                              int opts, const char *who)
{
    struct neap_error err;
    struct submit_options o = {.priority = INT_MIN, .retry = RETRY_UNSET, .timeout_ms = -1};
    read_options(L, opts, who, &o);
    struct buf *packed = vm_scratch(vm);
    if (codec_encode(L, args, "args", packed, &err) ||
        (o.ties.has_unique && unique_key(info->name->text, packed->data, packed->len, &o.ties.by,
                                         o.ties.unique.key, &err)))
        luaL_error(L, "%s: %s", who, err.message);
    struct job *job = job_of(vm, info, packed);
    if (o.gate)
        job->gate = o.gate;
    if (o.priority != INT_MIN)
        job->priority = (int8_t)o.priority;
    job->available_ms = o.due_ms;
    if (o.expires_ms || o.timeout_ms != -1) {
        job_terms_own(job)->expires_ms = o.expires_ms;
        job_terms_own(job)->timeout_ms = o.timeout_ms;
    }
    if (o.has_retry)
        job_terms_own(job)->retry = mem_copy(&o.retry, sizeof o.retry);
    if (o.ties.has_unique)
        job_terms_own(job)->unique = mem_copy(&o.ties.unique, sizeof o.ties.unique);
    if (o.ties.n_after)
        job_terms_own(job)->after = job_after_new(o.ties.after, o.ties.n_after, o.ties.on_failure);
    return job;
}

struct job *lua_job_build(lua_State *L, int task, int args, int opts, const char *who)
{
    struct vm *vm = vm_of(L);
    struct neap_error err;
    if (vm->strict)
        vm_check_trusted(L, who); /* another task may do what this code may not */
    const struct task_info *info = task_at(L, vm, task, who);
    if (!lua_isnoneornil(L, opts))
        return build_with(L, vm, info, args, opts, who);
    struct buf *packed = vm_scratch(vm);
    if (codec_encode(L, args, "args", packed, &err))
        luaL_error(L, "%s: %s", who, err.message);
    return job_of(vm, info, packed);
}

int lua_job_refused(lua_State *L, struct job *job)
{
    const bool dropped = gate_refuse(job->gate);
    job_free(worker_cache(vm_of(L)->worker), job);
    lua_pushnil(L);
    lua_pushstring(L, dropped ? "dropped" : "full");
    return 2;
}

/* --- handles ------------------------------------------------------------------------------------
 *
 * A handle is its id as a light userdata: it costs nothing to make, and two of the same job are
 * equal. All light userdata of a state have one metatable, so what is a pointer (neap.null, those
 * of C modules) is told from a handle by its value: HANDLE_FROM is more than any address of user
 * space, and ids reach the end of what is left in the year 2108. */

#define HANDLE_FROM ((uint64_t)1 << 56)
_Static_assert(sizeof(void *) == sizeof(uint64_t), "a handle has the bits of an id");

void lua_job_push(lua_State *L, uint64_t id)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)(id + HANDLE_FROM));
}

/* Whether it is one. */
static bool handle_test(lua_State *L, int index, uint64_t *id)
{
    if (lua_type(L, index) != LUA_TLIGHTUSERDATA)
        return false;
    const uint64_t bits = (uint64_t)(uintptr_t)lua_touserdata(L, index);
    *id = bits - HANDLE_FROM;
    return bits >= HANDLE_FROM;
}

static uint64_t handle_at(lua_State *L, int index)
{
    uint64_t id = 0;
    if (!handle_test(L, index, &id))
        luaL_typeerror(L, index, HANDLE);
    return id;
}

uint64_t lua_job_id(lua_State *L, int index, const char *who)
{
    uint64_t id = 0;
    if (handle_test(L, index, &id))
        return id;
    if (lua_type(L, index) != LUA_TSTRING || neap_id_parse(lua_tostring(L, index), &id))
        luaL_error(L, "%s: a job is what neap.submit returned, or its id", who);
    return id;
}

/* neap.job(id) -> job, whether or not there is one with that id */
static int neap_job_handle(lua_State *L)
{
    const uint64_t id = lua_job_id(L, 1, "neap.job");
    luaL_argcheck(L, id + HANDLE_FROM >= HANDLE_FROM, 1, "no job has this id");
    lua_job_push(L, id);
    return 1;
}

static int handle_index(lua_State *L) /* upvalue 1: the methods */
{
    uint64_t id = 0;
    if (!handle_test(L, 1, &id))
        return luaL_error(L, "attempt to index a userdata value");
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "id") == 0) {
        char text[NEAP_ID_CHARS + 1];
        neap_id_text(id, text);
        lua_pushstring(L, text);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

static int handle_text(lua_State *L)
{
    uint64_t id = 0;
    char text[NEAP_ID_CHARS + 1];
    if (handle_test(L, 1, &id)) {
        neap_id_text(id, text);
        lua_pushfstring(L, "job %s", text);
    } else {
        lua_pushfstring(L, "userdata: %p", lua_topointer(L, 1));
    }
    return 1;
}

static struct call *answer_of(lua_State *L)
{
    const struct fiber *fiber = vm_of(L)->fiber;
    return fiber->holds == HOLDS_ANSWER ? fiber->answer : NULL;
}

static int failure_text(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "message");
    lua_rawget(L, 1);
    luaL_tolstring(L, -1, NULL);
    return 1;
}

void lua_error_push(lua_State *L, const char *code, const char *message,
                    const struct job_error *error)
{
    lua_createtable(L, 0, 4);
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    if (error) {
        lua_pushstring(L, error->traceback);
        lua_setfield(L, -2, "traceback");
        lua_pushinteger(L, error->attempt);
        lua_setfield(L, -2, "attempt");
    }
    luaL_setmetatable(L, FAILURE);
}

static int wait_answered(lua_State *L)
{
    const struct call *call = answer_of(L);
    struct neap_error err;
    if (call->rc == NEAP_OK && call->state == NEAP_COMPLETED) {
        lua_pushboolean(L, 1);
        if (!call->has_result)
            lua_pushnil(L);
        else if (codec_decode(L, call->reply.data, call->reply.len, &err))
            return luaL_error(L, "result: %s", err.message);
        return 2;
    }
    lua_pushboolean(L, 0);
    if (call->rc == NEAP_ETIME)
        lua_error_push(L, "timeout", "the job has not ended yet", NULL);
    else if (call->rc == NEAP_ENOENT)
        lua_error_push(L, "unknown", "no such job: it ended long ago and is forgotten", NULL);
    else if (call->rc != NEAP_OK)
        lua_error_push(L, "closed", "neap is shutting down", NULL);
    else if (call->error)
        lua_error_push(L, call->error->code, call->error->message, call->error);
    else
        lua_error_push(L, "cancelled", "the job was cancelled", NULL);
    return 2;
}

/* job:wait([timeout]) -> true, result | false, error */
static int job_wait(lua_State *L)
{
    const uint64_t id = handle_at(L, 1);
    const struct run *run = run_check(L, "job:wait");
    int64_t deadline_ms = INT64_MAX;
    if (!lua_isnoneornil(L, 2))
        deadline_ms = clock_unix_ms() + lua_check_duration(L, 2, "job:wait");
    if (id == run->job->id)
        return luaL_error(L, "job:wait: a job cannot wait for itself");
    struct call *call = run_call_new(L, ENGINE_CALL_WAIT, id);
    call->deadline_ms = deadline_ms;
    return run_ask(L, call, wait_answered);
}

static int state_answered(lua_State *L)
{
    const struct call *call = answer_of(L);
    if (call->rc == NEAP_OK)
        lua_pushstring(L, neap_state_name(call->state));
    else
        lua_pushnil(L);
    return 1;
}

static int job_state(lua_State *L)
{
    run_check(L, "job:state");
    return run_ask(L, run_call_new(L, ENGINE_CALL_STATE, handle_at(L, 1)), state_answered);
}

static int done_answered(lua_State *L)
{
    if (answer_of(L)->rc == NEAP_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, answer_of(L)->rc == NEAP_ENOENT ? "no such job" : "it has ended");
    return 2;
}

static int job_cancel(lua_State *L)
{
    run_check(L, "job:cancel");
    return run_ask(L, run_call_new(L, ENGINE_CALL_CANCEL, handle_at(L, 1)), done_answered);
}

static int job_stored(lua_State *L)
{
    run_check(L, "job:stored");
    return run_ask(L, run_call_new(L, ENGINE_CALL_STORED, handle_at(L, 1)), done_answered);
}

/* --- neap.submit, sleep, stats ---------------------------------------------------------------- */

static int submit_answered(lua_State *L)
{
    const struct call *call = answer_of(L);
    if (call->rc == NEAP_ENOENT)
        return luaL_error(L, "neap.submit: %s", call->reply.data);
    if (call->rc != NEAP_OK) {
        lua_pushnil(L);
        lua_pushliteral(L, "closed");
        return 2;
    }
    lua_job_push(L, call->id);
    if (!call->duplicate)
        return 1;
    lua_pushliteral(L, "duplicate");
    return 2;
}

static int ask_to_submit(lua_State *L, struct job *job, int kind)
{
    struct call *call = run_call_new(L, kind, job->id);
    call->job = job;
    call->rc = NEAP_ECLOSED; /* so that an unanswered call takes the job along */
    return run_ask(L, call, submit_answered);
}

/* neap.submit(task, args, opts) -> job | job, "duplicate" | nil, "full" | nil, "dropped" */
static int neap_submit_task(lua_State *L)
{
    run_check(L, "neap.submit");
    struct worker *worker = vm_of(L)->worker;
    struct job *job = lua_job_build(L, 1, 2, 3, "neap.submit");
    if (worker_enter(worker, job->gate)) {
        const uint64_t id = job->id;
        if (job_terms(job)->unique ||
            job_terms(job)->after) /* what becomes of it, only the engine knows */
            return ask_to_submit(L, job, ENGINE_CALL_SUBMIT);
        worker_leave(worker, &job->message);
        mailbox_hint(worker_env(worker)->engine);
        lua_job_push(L, id);
        return 1;
    }
    if (atomic_load_explicit(&job->gate->policy, memory_order_relaxed) == GATE_BLOCK)
        return ask_to_submit(L, job, ENGINE_CALL_ROOM);
    return lua_job_refused(L, job);
}

static int slept(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int neap_sleep(lua_State *L)
{
    run_check(L, "neap.sleep");
    return run_sleep(L, lua_check_duration(L, 1, "neap.sleep"), slept);
}

static int stats_answered(lua_State *L)
{
    struct neap_error err;
    const struct call *call = answer_of(L);
    if (codec_decode(L, call->reply.data, call->reply.len, &err))
        return luaL_error(L, "neap.stats: %s", err.message);
    return 1;
}

static int neap_stats_table(lua_State *L)
{
    run_check(L, "neap.stats");
    return run_ask(L, run_call_new(L, ENGINE_CALL_STATS, 0), stats_answered);
}

void lua_job_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"wait", job_wait},
                                       {"state", job_state},
                                       {"cancel", job_cancel},
                                       {"stored", job_stored},
                                       {NULL, NULL}};
    static const luaL_Reg public[] = {{"submit", neap_submit_task},
                                      {"job", neap_job_handle},
                                      {"sleep", neap_sleep},
                                      {"stats", neap_stats_table},
                                      {NULL, NULL}};
    luaL_newmetatable(L, FAILURE);
    lua_pushcfunction(L, failure_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_core_class(L, HANDLE, methods, handle_index, handle_text);
    lua_pushlightuserdata(L, NULL);
    luaL_getmetatable(L, HANDLE);
    lua_pushnil(L); /* messages would say it of every light userdata */
    lua_setfield(L, -2, "__name");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_getfield(L, -1, "neap");
    luaL_setfuncs(L, public, 0);
    lua_pop(L, 1);
}
