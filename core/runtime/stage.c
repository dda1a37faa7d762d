#include "runtime/stage.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/codec.h"
#include "runtime/coro.h"
#include "runtime/declared.h"
#include "runtime/entry.h"
#include "runtime/vm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STAGE_MS 2000 /* of this thread's time: a busy machine breaks no plugin */
#define STAGE_MIB 256
#define LOOK_EVERY 200 /* instructions between two looks at the clocks and the memory */

/* Owner: the thread that stages. */
struct stage {
    struct vm vm;
    int64_t until_ns, not_before_ns; /* of this thread's CPU time; of the cheaper clock */
    const struct stage_env *env;
    struct source *source;
    size_t problems;
    const char *pool; /* whose strict sandbox it runs in; NULL: the standard one */
    int table_ref;    /* what was loaded, to be kept with the state */
    bool late;        /* past that; else, if it is doomed, too big */
};

/* --- the deadline ----------------------------------------------------------------------------- */

/* Once it is past a limit every instruction raises, so that no pcall in a loop outlives it. */
static void look(lua_State *L, lua_Debug *ar)
{
    struct vm *vm = vm_of(L);
    struct stage *stage = (struct stage *)(void *)vm; /* vm is its first member */
    (void)ar;
    if (!vm->look) { /* a coroutine from then that a worker resumes now */
        lua_sethook(L, NULL, 0, 0);
        return;
    }
    if (clock_read_ns(CLOCK_MONOTONIC_COARSE) >= stage->not_before_ns)
        stage->late |= clock_read_ns(CLOCK_THREAD_CPUTIME_ID) >= stage->until_ns;
    vm->doomed |= stage->late || vm->bytes > STAGE_MIB * 1024 * 1024;
    if (!vm->doomed)
        return;
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    coro_quit(L);
}

/* --- what comes back -------------------------------------------------------------------------- */

static void report(struct stage *stage, const char *text)
{
    stage->problems++;
    if (!stage->env->problem)
        return;
    char *full = stage->pool ? mem_format("%s (pool %s is strict)", text, stage->pool) : NULL;
    stage->env->problem(stage->env->user, full ? full : text);
    free(full);
}

static void push_config(void *user, const char *key, const char *value, bool secret)
{
    lua_State *L = user;
    (void)secret;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

/* {["task name"] = {key = text}} for main.stage. */
static void push_settings(struct stage *stage, lua_State *L)
{
    const struct source *source = stage->source;
    lua_newtable(L);
    for (size_t i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        if (!file->task)
            continue;
        const size_t len = strlen(file->path);
        if (source->single)
            lua_pushstring(L, source->name);
        else
            lua_pushfstring(L, "%s.%s", source->name,
                            lua_pushlstring(L, file->path, len > 4 ? len - 4 : 0));
        lua_newtable(L);
        config_task_each(stage->env->config, lua_tostring(L, -2), L, push_config);
        lua_rawset(L, source->single ? -3 : -4);
        if (!source->single)
            lua_pop(L, 1);
    }
}

static int run_stage(lua_State *L) /* 1: stage (light) ─► what main.stage returns */
{
    struct stage *stage = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, stage->vm.main_ref);
    lua_getfield(L, -1, "stage");
    entry_push_source(L, stage->source);
    push_settings(stage, L);
    stage->vm.look = look;
    lua_sethook(L, look, LUA_MASKCOUNT, LOOK_EVERY);
    lua_call(L, 2, 1);
    lua_sethook(L, NULL, 0, 0);
    return 1;
}

static int64_t field_integer(lua_State *L, int index, const char *name, int64_t otherwise)
{
    lua_getfield(L, index, name);
    const int64_t value = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : otherwise;
    lua_pop(L, 1);
    return value;
}

static struct retry field_retry(lua_State *L, int index)
{
    struct retry retry = RETRY_UNSET;
    if (lua_getfield(L, index, "retry") == LUA_TTABLE) {
        const int at = lua_gettop(L);
        retry.max = (int)field_integer(L, at, "max", -1);
        retry.backoff = (int)field_integer(L, at, "backoff", -1);
        retry.base_ms = field_integer(L, at, "base_ms", -1);
        retry.cap_ms = field_integer(L, at, "cap_ms", -1);
        if (lua_getfield(L, at, "jitter") == LUA_TNUMBER)
            retry.jitter = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return retry;
}

static bool field_flag(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

/* The text stays in its table. */
static const char *field_text(lua_State *L, int index, const char *name)
{
    const char *text = lua_getfield(L, index, name) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return text;
}

static void read_config(struct stage *stage, lua_State *L, struct buf *packed)
{
    struct neap_error err;
    lua_getfield(L, 2, "config");
    if (codec_encode(L, -1, "config", packed, &err))
        report(stage, err.message);
    lua_pop(L, 1);
}

/* Stack: 2 the task's entry in the list. Raises only for lack of memory. */
static void take_task(struct stage *stage, lua_State *L, struct plugin *plugin,
                      struct task_info *info)
{
    struct buf config = {0};
    struct declared declared = {
        .name = field_text(L, 2, "name"),
        .file = (size_t)field_integer(L, 2, "file", 0),
        .summary = field_text(L, 2, "summary"),
        .queue = field_text(L, 2, "queue"),
        .args_schema = field_text(L, 2, "args_schema"),
        .priority = (int)field_integer(L, 2, "priority", 0),
        .timeout_ms = field_integer(L, 2, "timeout_ms", -1),
        .retry = field_retry(L, 2),
        .has_on_dead = field_flag(L, 2, "has_on_dead"),
        .reentrant = field_flag(L, 2, "reentrant"),
    };
    read_config(stage, L, &config);
    declared.config = config.data;
    declared.config_len = config.len;
    declared_resolve(&declared, stage->env, info, plugin);
    buf_close(&config);
}

struct taking {
    struct stage *stage;
    unsigned generation;
    struct plugin *plugin;
};

static int take_result(lua_State *L) /* 1: what main.stage returned; 2: taking (light) */
{
    struct taking *taking = lua_touserdata(L, 2);
    lua_getfield(L, 1, "problems");
    for (lua_Integer i = 1; lua_rawgeti(L, 3, i) == LUA_TSTRING; i++, lua_settop(L, 3))
        report(taking->stage, lua_tostring(L, -1));
    if (taking->stage->problems)
        return 0;
    lua_getfield(L, 1, "loaded");
    taking->stage->table_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, 1, "tasks");
    lua_replace(L, 1);
    const size_t count = lua_rawlen(L, 1);
    taking->plugin = plugin_new(source_ref(taking->stage->source), taking->generation, count);
    for (size_t i = 0; i < count; i++) {
        lua_settop(L, 1);
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        take_task(taking->stage, L, taking->plugin, &taking->plugin->tasks[i]);
    }
    return 0;
}

static int64_t limit_ms(const struct stage *stage)
{
    return stage->env->limit_ms ? stage->env->limit_ms : STAGE_MS;
}

/* The trial run itself failed: on top of the stack is why. */
static void report_failure(struct stage *stage)
{
    const struct vm *vm = &stage->vm;
    const char *where = vm->at ? vm->at : stage->source->dir;
    const char *why = lua_tostring(vm->L, -1);
    char *text;
    if (stage->late)
        text = mem_format("%s: the top level of the file did not end within %d ms", where,
                          (int)limit_ms(stage));
    else if (vm->doomed)
        text = mem_format("%s: the top level of the file needs more than %d MiB", where, STAGE_MIB);
    else
        text = mem_format("%s: %s", where, why ? why : "cannot be loaded");
    report(stage, text);
    free(text);
}

static void try_out(struct stage *stage, struct taking *taking)
{
    lua_State *L = stage->vm.L;
    stage->vm.stack = __builtin_frame_address(0);
    stage->vm.limit_bytes = (size_t)STAGE_MIB * 2 * 1024 * 1024; /* for one giant block */
    stage->vm.limited = true;
    stage->until_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + limit_ms(stage) * 1000000;
    stage->not_before_ns = clock_read_ns(CLOCK_MONOTONIC_COARSE) + limit_ms(stage) * 1000000;
    lua_pushcfunction(L, run_stage);
    lua_pushlightuserdata(L, stage);
    const int rc = lua_pcall(L, 1, 1, 0);
    lua_sethook(L, NULL, 0, 0);
    stage->vm.limited = false; /* reading off what it declares must not fail half-way */
    if (rc != LUA_OK || stage->vm.doomed) {
        report_failure(stage);
        return;
    }
    lua_pushcfunction(L, take_result);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, taking);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        report_failure(stage);
}

static void nothing(void *user, const char *text)
{
    (void)user, (void)text;
}

/* In the strict sandbox of `pool`, or in the standard one: NULL. */
static int stage_in(const char *pool, struct source *source, unsigned generation,
                    const struct stage_env *env, struct plugin **out, struct neap_error *err)
{
    struct stage stage = {.env = env, .source = source, .pool = pool, .table_ref = LUA_NOREF};
    int rc = vm_init(&stage.vm, true, err);
    if (rc)
        return rc;
    stage.vm.preloads = env->preloads;
    stage.vm.strict = pool != NULL;
    struct taking taking = {.stage = &stage, .generation = generation};
    try_out(&stage, &taking);
    stage.vm.look = NULL;
    if (stage.problems || !env->keep || !source->beside ||
        !tried_keep(env->keep, &stage.vm, taking.plugin, stage.table_ref))
        vm_close(&stage.vm);
    if (stage.problems) {
        plugin_unref(taking.plugin);
        return error_set(err, NEAP_ECONFIG, "plugin %s is broken", source->name);
    }
    *out = taking.plugin;
    return NEAP_OK;
}

/* --- in which sandbox ------------------------------------------------------------------------- */

static bool names(const struct config_pool *pool, const char *queue)
{
    for (char **at = pool->queues; *at; at++)
        if (strcmp(*at, queue) == 0)
            return true;
    return false;
}

/* A strict pool that serves the queue, or NULL. `*` serves what no other pool names. */
static const char *strict_pool(const struct config *config, const char *queue)
{
    const char *strict = NULL;
    bool named = false;
    for (size_t i = 0; i < config->n_pools; i++) {
        const struct config_pool *pool = &config->pools[i];
        if (!names(pool, queue))
            continue;
        named = true;
        if (pool->strict)
            strict = pool->name;
    }
    for (size_t i = 0; !named && i < config->n_pools; i++)
        if (config->pools[i].strict && names(&config->pools[i], "*"))
            strict = config->pools[i].name;
    return strict;
}

static const char *any_strict_pool(const struct config *config)
{
    for (size_t i = 0; i < config->n_pools; i++)
        if (config->pools[i].strict)
            return config->pools[i].name;
    return NULL;
}

static bool all_strict(const struct config *config)
{
    for (size_t i = 0; i < config->n_pools; i++)
        if (!config->pools[i].strict)
            return false;
    return true;
}

/* May the task be for a standard pool? Its file may name any queue, unless the INI does. */
static bool trusted_queue(const struct config *config, const char *task)
{
    const char *queue = config_task_queue(config, task);
    return queue ? !strict_pool(config, queue) : !all_strict(config);
}

/* Does the INI put every task of it into the queue of a strict pool? */
static bool wholly_strict(const struct source *source, const struct config *config)
{
    bool any = false;
    for (size_t i = 0; i < source->n_files; i++) {
        const struct source_file *file = &source->files[i];
        if (!file->task)
            continue;
        char *task = source->single ? mem_text(source->name)
                                    : mem_format("%s.%.*s", source->name,
                                                 (int)strlen(file->path) - 4, file->path);
        const bool trusted = trusted_queue(config, task);
        free(task);
        if (trusted)
            return false;
        any = true;
    }
    return any;
}

static const char *pool_of(const struct plugin *plugin, const struct config *config)
{
    const char *pool = NULL;
    assert(plugin);
    for (size_t i = 0; !pool && i < plugin->n_tasks; i++)
        pool = strict_pool(config, plugin->tasks[i].gate->name);
    return pool;
}

/* With a strict pool about, each plugin is first tried as it would run there: what loads there
 * loads anywhere. One that does not is run in the standard sandbox only if the INI does not keep it
 * out, and is refused if a task of it then turns out to be for a strict pool. */
int stage_plugin(struct source *source, unsigned generation, const struct stage_env *env,
                 struct plugin **out, struct neap_error *err)
{
    struct stage_env silent = *env;
    const char *strict = any_strict_pool(env->config);
    silent.problem = nothing;
    if ((*out = declared_stock(source, generation, env)))
        return NEAP_OK;
    if (!strict)
        return stage_in(NULL, source, generation, env, out, err);
    if (wholly_strict(source, env->config))
        return stage_in(strict, source, generation, env, out, err);
    if (stage_in(strict, source, generation, &silent, out, err) == NEAP_OK)
        return NEAP_OK;
    const int rc = stage_in(NULL, source, generation, env, out, err);
    const char *pool = rc ? NULL : pool_of(*out, env->config);
    if (!pool)
        return rc;
    plugin_unref(*out);
    return stage_in(pool, source, generation, env, out, err);
}
