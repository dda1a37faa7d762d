/* ctx: what a job knows of itself, and the calls that end it. */
#include "runtime/lua_core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/job_main.h"
#include "runtime/worker_run.h"

#include <string.h>

#include <lauxlib.h>

#define CTX "neap.ctx"
#define PROGRESS_EVERY_MS 100
#define PROGRESS_TEXT_MAX 1024 /* bytes; the rest is cut */
#define CHILDREN_BYTES_MAX                                                                         \
    (64 << 20) /* of ctx:submit: they wait outside of Lua, which does not count them */

struct ctx {
    struct run *run;
    uint64_t id; /* run->job->id while it is that job's */
};

void lua_ctx_push(lua_State *L, struct run *run)
{
    struct ctx *ctx = lua_newuserdatauv(L, sizeof *ctx, 0);
    ctx->run = run;
    ctx->id = run->job->id;
    luaL_setmetatable(L, CTX);
}

static struct run *ctx_run(lua_State *L)
{
    const struct ctx *ctx = luaL_checkudata(L, 1, CTX);
    if (!ctx->run->job || ctx->run->job->id != ctx->id)
        luaL_error(L, "this ctx is of a job that has ended");
    return ctx->run;
}

/* For what acts: the ctx of the job that runs, not of another one of the plugin. */
static struct run *ctx_self(lua_State *L, const char *name)
{
    struct run *run = ctx_run(L);
    if (run_check(L, name) != run)
        luaL_error(L, "%s: this ctx is another job's", name);
    return run;
}

/* --- fields ----------------------------------------------------------------------------------- */

static void push_entry_field(lua_State *L, const struct run *run, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->entry->table_ref);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* Unix seconds, or nil. */
static void push_deadline(lua_State *L, const struct run *run)
{
    if (run->deadline.key == INT64_MAX)
        lua_pushnil(L);
    else
        lua_pushnumber(L, (double)run->job->running_since_ms / 1e3 +
                              (double)(run->deadline.key - run->started_ns) / 1e9);
}

/* The ids of the jobs that it waited for, in order; nil: none. */
static void push_after(lua_State *L, const struct job *job)
{
    char id[NEAP_ID_CHARS + 1];
    if (!job_terms(job)->after) {
        lua_pushnil(L);
        return;
    }
    lua_createtable(L, (int)job_terms(job)->after->count, 0);
    for (uint32_t i = 0; i < job_terms(job)->after->count; i++) {
        neap_id_text(job_terms(job)->after->ids[i], id);
        lua_pushstring(L, id);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static bool push_field(lua_State *L, const struct run *run, const char *key)
{
    const struct job *job = run->job;
    char id[NEAP_ID_CHARS + 1];
    if (strcmp(key, "id") == 0) {
        neap_id_text(job->id, id);
        lua_pushstring(L, id);
    } else if (strcmp(key, "task") == 0) {
        lua_pushstring(L, job->task->text);
    } else if (strcmp(key, "queue") == 0) {
        lua_pushstring(L, job->gate->name);
    } else if (strcmp(key, "attempt") == 0) {
        lua_pushinteger(L, run_attempt(run));
    } else if (strcmp(key, "generation") == 0) {
        lua_pushinteger(L, run->entry->loaded->plugin->generation);
    } else if (strcmp(key, "dir") == 0) {
        lua_pushstring(L, run->entry->loaded->plugin->source->dir);
    } else if (strcmp(key, "config") == 0 || strcmp(key, "state") == 0) {
        push_entry_field(L, run, key);
    } else if (strcmp(key, "after") == 0) {
        push_after(L, job);
    } else if (strcmp(key, "deadline") == 0) {
        push_deadline(L, run);
    } else if (strcmp(key, "scheduled_at") == 0 && job->flags & JOB_TICK) {
        lua_pushnumber(L, (double)job_terms(job)->tag / 1e3);
    } else {
        return false;
    }
    return true;
}

static int ctx_index(lua_State *L) /* upvalue 1: the methods */
{
    const char *key = luaL_checkstring(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    return push_field(L, ctx_run(L), key);
}

static int ctx_text(lua_State *L)
{
    const struct ctx *ctx = luaL_checkudata(L, 1, CTX);
    char id[NEAP_ID_CHARS + 1];
    neap_id_text(ctx->id, id);
    lua_pushfstring(L, "ctx of job %s", id);
    return 1;
}

/* --- methods ---------------------------------------------------------------------------------- */

/* ctx:submit(task, args, opts): submitted together with this attempt's completion. */
static int ctx_submit(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:submit");
    struct job *job = lua_job_build(L, 2, 3, 4, "ctx:submit");
    struct run_more *more = run_more(run);
    more->children_bytes += sizeof *job + job->args_len;
    if (more->children_bytes > CHILDREN_BYTES_MAX) {
        job_free(worker_cache(run_worker(run)), job);
        return luaL_error(L, "ctx:submit: the jobs of one attempt take more than %d MiB",
                          CHILDREN_BYTES_MAX >> 20);
    }
    if (!worker_enter(run_worker(run), job->gate)) {
        if (atomic_load_explicit(&job->gate->policy, memory_order_relaxed) != GATE_BLOCK)
            return lua_job_refused(L, job);
        gate_force(job->gate); /* this attempt cannot wait for room that its own end may make */
    }
    const uint64_t id = job->id;
    list_push(&more->children, &job->message.link);
    lua_job_push(L, id);
    return 1;
}

/* ctx:progress(fraction [, text]) */
static int ctx_progress(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:progress");
    const double fraction = luaL_checknumber(L, 2);
    const char *text = luaL_optstring(L, 3, "");
    const int64_t now_ms = clock_mono_ms();
    luaL_argcheck(L, fraction >= 0 && fraction <= 1, 2, "a fraction from 0 to 1");
    struct run_more *more = run_more(run);
    if (now_ms - more->progress_ms < PROGRESS_EVERY_MS && (fraction < 1 || more->progress_full))
        return 0;
    more->progress_ms = now_ms;
    more->progress_full = fraction >= 1;
    struct progress *progress = mem_zero(1, sizeof *progress);
    progress->message.kind = ENGINE_PROGRESS;
    progress->id = run->job->id;
    progress->fraction = fraction;
    progress->text = mem_format("%.*s", PROGRESS_TEXT_MAX, text);
    worker_tell(run_worker(run), &progress->message);
    return 0;
}

static void keep_reason(lua_State *L, struct run *run, int index, const char *otherwise)
{
    size_t len;
    if (lua_isnoneornil(L, index)) {
        job_main_failed(run, "error", otherwise, NULL);
        return;
    }
    vm_push_traceback(L);
    const char *traceback = lua_tostring(L, -1);
    const char *text = vm_error_text(L, index, &len);
    if (!run->ended) /* else it was killed in its __tostring */
        job_main_failed(run, "error", text, traceback);
}

/* ctx:retry([after [, why]]): this attempt failed; try again after that time. */
static int ctx_retry(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:retry");
    const bool given = !lua_isnoneornil(L, 2);
    const int64_t after_ms = given ? lua_check_duration(L, 2, "ctx:retry") : 0;
    if (run->ended)
        return run_end(L, run, run->kind);
    keep_reason(L, run, 3, "the task asked for a retry");
    run_more(run)->after_ms = after_ms;
    return run_end(L, run, given ? OUTCOME_RETRY : OUTCOME_FAILED);
}

/* ctx:snooze(after): later, and this attempt does not count. */
static int ctx_snooze(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:snooze");
    const int64_t after_ms = lua_check_duration(L, 2, "ctx:snooze");
    if (!run->ended)
        run_more(run)->after_ms = after_ms;
    return run_end(L, run, OUTCOME_SNOOZED);
}

static int ctx_cancel(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:cancel");
    if (!run->ended && !lua_isnoneornil(L, 2))
        keep_reason(L, run, 2, "");
    return run_end(L, run, OUTCOME_CANCELLED);
}

static int ctx_fail(lua_State *L)
{
    struct run *run = ctx_self(L, "ctx:fail");
    if (!run->ended)
        keep_reason(L, run, 2, "the task failed for good");
    return run_end(L, run, OUTCOME_DEAD);
}

void lua_ctx_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"submit", ctx_submit}, {"progress", ctx_progress}, {"retry", ctx_retry},
        {"snooze", ctx_snooze}, {"cancel", ctx_cancel},     {"fail", ctx_fail},
        {NULL, NULL},
    };
    lua_core_class(L, CTX, methods, ctx_index, ctx_text);
}
