#include "parts/catalogue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

struct plugin *plugin_new(struct source *source, unsigned generation, size_t n_tasks)
{
    struct plugin *plugin = mem_zero(1, sizeof *plugin);
    plugin->refs = 1;
    plugin->generation = generation;
    plugin->source = source;
    plugin->tasks = mem_zero(n_tasks, sizeof *plugin->tasks);
    plugin->n_tasks = n_tasks;
    for (size_t i = 0; i < n_tasks; i++)
        plugin->tasks[i].plugin = plugin;
    return plugin;
}

struct plugin *plugin_ref(struct plugin *plugin)
{
    __atomic_add_fetch(&plugin->refs, 1, __ATOMIC_RELAXED);
    return plugin;
}

void plugin_unref(struct plugin *plugin)
{
    if (!plugin || __atomic_sub_fetch(&plugin->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < plugin->n_tasks; i++) {
        free(plugin->tasks[i].summary);
        free(plugin->tasks[i].args_schema);
        free(plugin->tasks[i].config);
    }
    source_unref(plugin->source);
    free(plugin->tasks);
    free(plugin);
}

struct catalogue *catalogue_new(uint64_t serial, struct config *config, struct plugin **plugins,
                                size_t n_plugins, size_t n_names, size_t broken)
{
    struct catalogue *c = mem_zero(1, sizeof *c);
    *c = (struct catalogue){.refs = 1,
                            .serial = serial,
                            .config = config,
                            .plugins = mem_copy(plugins, n_plugins * sizeof(struct plugin *)),
                            .n_plugins = n_plugins,
                            .tasks = mem_zero(n_names, sizeof(struct task_info *)),
                            .n_tasks = n_names,
                            .broken = broken};
    for (size_t i = 0; i < n_plugins; i++) {
        assert(!i || strcmp(plugins[i - 1]->source->name, plugins[i]->source->name) < 0);
        for (size_t k = 0; k < plugins[i]->n_tasks; k++) {
            struct task_info *task = &plugins[i]->tasks[k];
            assert(task->name && task->name->index < n_names && !c->tasks[task->name->index]);
            c->tasks[task->name->index] = task;
        }
    }
    return c;
}

void catalogue_set_broken(struct catalogue *c, const struct broken_plugin *plugins)
{
    c->broken_plugins = mem_zero(c->broken, sizeof *c->broken_plugins);
    for (size_t i = 0; i < c->broken; i++) {
        c->broken_plugins[i] = plugins[i];
        c->broken_plugins[i].dir = mem_text(plugins[i].dir);
        c->broken_plugins[i].error = mem_text(plugins[i].error);
    }
}

static void free_broken(struct catalogue *c)
{
    for (size_t i = 0; c->broken_plugins && i < c->broken; i++) {
        free(c->broken_plugins[i].dir);
        free(c->broken_plugins[i].error);
    }
    free(c->broken_plugins);
}

struct catalogue *catalogue_ref(struct catalogue *c)
{
    __atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void catalogue_unref(struct catalogue *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < c->n_plugins; i++)
        plugin_unref(c->plugins[i]);
    config_unref(c->config);
    free_broken(c);
    free(c->plugins);
    free(c->tasks);
    free(c);
}

int catalogue_no_task(const struct catalogue *c, const char *name, struct neap_error *err)
{
    const char **known = mem_zero(c->n_tasks, sizeof *known), *nearest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < c->n_tasks; i++)
        if (c->tasks[i])
            known[count++] = c->tasks[i]->name->text;
    if (strlen(name) <= 2 * NEAP_TASK_MAX)
        nearest = text_nearest(name, known, count);
    int rc = nearest
                 ? error_set(err, NEAP_ENOENT, "no such task: %s (did you mean %s?)", name, nearest)
                 : error_set(err, NEAP_ENOENT, "no such task: %.200s", name);
    free(known);
    return rc;
}
