#include "runtime/declared.h"

#include "base/embedded.h"
#include "base/mem.h"
#include "model/json.h"
#include "model/life.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE_RETRIES 20 /* DESIGN: about nine hours with the defaults below */
#define SERVICE_TIMEOUT_MS (60 * 60 * 1000)
#define RETRY_BASE_MS 1000
#define RETRY_CAP_MS (60 * 60 * 1000)
#define RETRY_JITTER 0.1

/* --- the INI, then the file, then the defaults ------------------------------------------------ */

static struct retry resolve_retry(const struct stage_env *env, const char *name,
                                  const struct retry *declared)
{
    struct retry from_ini = RETRY_UNSET;
    const struct retry defaults = {env->service ? SERVICE_RETRIES : 0, NEAP_EXPONENTIAL,
                                   RETRY_BASE_MS, RETRY_CAP_MS, RETRY_JITTER};
    config_task_retry(env->config, name, &from_ini);
    const struct retry merged = retry_merge(&from_ini, declared);
    return retry_merge(&merged, &defaults);
}

static int64_t resolve_timeout(const struct stage_env *env, const char *name, int64_t declared_ms)
{
    const int64_t from_ini = config_task_timeout(env->config, name);
    if (from_ini >= 0)
        return from_ini;
    return declared_ms >= 0 ? declared_ms : env->service ? SERVICE_TIMEOUT_MS : 0;
}

static struct gate *resolve_queue(const struct stage_env *env, const char *name,
                                  const char *declared)
{
    const char *queue = config_task_queue(env->config, name);
    if (!queue)
        queue = declared ? declared : "default";
    return gates_intern(env->gates, queue);
}

void declared_resolve(const struct declared *declared, const struct stage_env *env,
                      struct task_info *info, struct plugin *plugin)
{
    const int priority = config_task_priority(env->config, declared->name);
    *info = (struct task_info){
        .name = names_intern(env->names, declared->name),
        .plugin = plugin,
        .file = declared->file,
        .summary = mem_text(declared->summary),
        .gate = resolve_queue(env, declared->name, declared->queue),
        .priority = (int8_t)(priority != INT_MIN ? priority : declared->priority),
        .has_on_dead = declared->has_on_dead,
        .retry = resolve_retry(env, declared->name, &declared->retry),
        .timeout_ms = resolve_timeout(env, declared->name, declared->timeout_ms),
        .reentrant = declared->reentrant,
        .args_schema = mem_text(declared->args_schema),
        .config = declared->config_len ? mem_copy(declared->config, declared->config_len) : NULL,
        .config_len = declared->config_len,
    };
}

/* --- stock plugins ---------------------------------------------------------------------------- */

static void note_setting(void *user, const char *key, const char *value, bool secret)
{
    (void)key, (void)value, (void)secret;
    *(bool *)user = true;
}

/* A value of the INI is converted and checked by the task's schema: that is Lua's. */
static bool has_settings(const struct config *config, const char *task)
{
    bool any = false;
    config_task_each(config, task, &any, note_setting);
    return any;
}

static bool is_strict(const struct config *config)
{
    for (size_t i = 0; i < config->n_pools; i++)
        if (config->pools[i].strict)
            return true;
    return false;
}

static const struct embedded_task *find(const struct source *source, const char *file)
{
    for (const struct embedded_task *task = embedded_tasks; task->name; task++)
        if (strcmp(task->plugin, source->name) == 0 && strcmp(task->file, file) == 0)
            return task;
    return NULL;
}

/* How many tasks it has; 0: one of them is not known well enough. */
static size_t count_known(const struct source *source, const struct stage_env *env)
{
    size_t count = 0;
    for (size_t i = 0; i < source->n_files; i++) {
        if (!source->files[i].task)
            continue;
        const struct embedded_task *task = find(source, source->files[i].path);
        if (!task || has_settings(env->config, task->name))
            return 0;
        count++;
    }
    return count;
}

static void take(const struct embedded_task *task, size_t file, const struct stage_env *env,
                 struct task_info *info, struct plugin *plugin)
{
    struct buf config = {0};
    struct neap_error err;
    if (task->config) {
        const int rc = json_to_msgpack(task->config, strlen(task->config), &config, &err);
        assert(!rc);
        (void)rc;
    }
    const struct declared declared = {
        .name = task->name,
        .file = file,
        .summary = task->summary,
        .queue = task->queue,
        .args_schema = task->args_schema,
        .config = config.data,
        .config_len = config.len,
        .priority = task->priority,
        .timeout_ms = task->timeout_ms,
        .retry = {task->retry_max, task->retry_backoff, task->retry_base_ms, task->retry_cap_ms,
                  task->retry_jitter},
        .has_on_dead = task->has_on_dead,
        .reentrant = task->reentrant,
    };
    declared_resolve(&declared, env, info, plugin);
    buf_close(&config);
}

struct plugin *declared_stock(struct source *source, unsigned generation,
                              const struct stage_env *env)
{
    if (!source->stock || is_strict(env->config) || getenv("NEAP_SCRIPTS"))
        return NULL;
    const size_t count = count_known(source, env);
    if (!count)
        return NULL;
    struct plugin *plugin = plugin_new(source_ref(source), generation, count);
    size_t n = 0;
    for (size_t i = 0; i < source->n_files; i++)
        if (source->files[i].task)
            take(find(source, source->files[i].path), i, env, &plugin->tasks[n++], plugin);
    return plugin;
}
