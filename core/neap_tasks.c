/* The tasks known now, as structs and as documents: of the catalogue, without asking the engine. */
#include "neap_ask.h"

#include "base/mem.h"
#include "model/doc.h"
#include "neap_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct neap_task describe(const struct task_info *info)
{
    const struct source *source = info->plugin->source;
    return (struct neap_task){
        .name = mem_text(info->name->text),
        .summary = mem_text(info->summary),
        .file = mem_format("%s/%s", source->dir, source->files[info->file].path),
        .queue = mem_text(info->gate->name),
        .generation = info->plugin->generation,
        .args_schema = mem_text(info->args_schema),
    };
}

int neap_tasks(neap *n, struct neap_task **out, size_t *count, struct neap_error *err)
{
    struct catalogue *catalogue = host_catalogue(n);
    struct neap_task *tasks = mem_zero(catalogue->n_tasks, sizeof *tasks);
    size_t found = 0;
    (void)err;
    for (size_t p = 0; p < catalogue->n_plugins; p++)
        for (size_t t = 0; t < catalogue->plugins[p]->n_tasks; t++)
            tasks[found++] = describe(&catalogue->plugins[p]->tasks[t]);
    catalogue_unref(catalogue);
    *out = tasks;
    *count = found;
    return NEAP_OK;
}

void neap_tasks_free(struct neap_task *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((void *)tasks[i].name);
        free((void *)tasks[i].summary);
        free((void *)tasks[i].file);
        free((void *)tasks[i].queue);
        free((void *)tasks[i].args_schema);
    }
    free(tasks);
}

/* --- documents ----------------------------------------------------------------------------------
 */

static const struct broken_plugin *broken_find(const struct catalogue *c, const char *plugin)
{
    for (size_t i = 0; i < c->broken; i++)
        if (strcmp(c->broken_plugins[i].name, plugin) == 0)
            return &c->broken_plugins[i];
    return NULL;
}

static void put_seconds(struct buf *out, const char *key, int64_t ms)
{
    doc_float(out, key, (double)ms / 1000);
}

static void put_retry(const struct retry *retry, struct buf *out)
{
    static const char *const backoffs[] = {"exponential", "linear", "fixed"};
    doc_open(out, "retry");
    doc_integer(out, "max", retry->max);
    if (retry->max) {
        doc_text(out, "backoff", backoffs[retry->backoff]);
        put_seconds(out, "base_seconds", retry->base_ms);
        put_seconds(out, "cap_seconds", retry->cap_ms);
        doc_float(out, "jitter", retry->jitter);
    }
    doc_close(out);
}

static void put_task(const struct catalogue *c, const struct task_info *info, struct buf *out)
{
    const struct source *source = info->plugin->source;
    const struct broken_plugin *broken = broken_find(c, source->name);
    char *file = mem_format("%s/%s", source->dir, source->files[info->file].path);
    doc_open(out, NULL);
    doc_text(out, "name", info->name->text);
    doc_text(out, "plugin", source->name);
    doc_text(out, "summary", info->summary);
    doc_text(out, "file", file);
    doc_integer(out, "generation", info->plugin->generation);
    doc_text(out, "queue", info->gate->name);
    doc_integer(out, "priority", info->priority);
    if (info->timeout_ms)
        put_seconds(out, "timeout_seconds", info->timeout_ms);
    put_retry(&info->retry, out);
    doc_bool(out, "on_dead", info->has_on_dead);
    doc_bool(out, "reentrant", info->reentrant);
    doc_json(out, "args", info->args_schema);
    doc_text(out, "load_error", broken ? broken->error : NULL);
    doc_close(out);
    free(file);
}

static void put_all(const struct catalogue *c, struct buf *out)
{
    doc_open(out, NULL);
    doc_array(out, "tasks");
    for (size_t p = 0; p < c->n_plugins; p++)
        for (size_t t = 0; t < c->plugins[p]->n_tasks; t++)
            put_task(c, &c->plugins[p]->tasks[t], out);
    doc_array_close(out);
    doc_array(out, "broken");
    for (size_t i = 0; i < c->broken; i++) {
        doc_open(out, NULL);
        doc_text(out, "plugin", c->broken_plugins[i].name);
        doc_text(out, "dir", c->broken_plugins[i].dir);
        doc_text(out, "load_error", c->broken_plugins[i].error);
        doc_close(out);
    }
    doc_array_close(out);
    doc_close(out);
}

/* A task that never loaded has its plugin's error to show. */
static void say_broken(const struct catalogue *c, struct ask *ask)
{
    char plugin[NEAP_TASK_MAX + 1];
    snprintf(plugin, sizeof plugin, "%.*s", (int)strcspn(ask->name, "."), ask->name);
    const struct broken_plugin *broken = broken_find(c, plugin);
    if (broken && broken->error)
        snprintf(ask->message, sizeof ask->message, "no such task: %.64s; plugin %s is broken: %s",
                 ask->name, plugin, broken->error);
}

int ask_tasks(neap *n, struct ask *ask)
{
    struct catalogue *catalogue = host_catalogue(n);
    int rc = NEAP_OK;
    if (ask->what == NEAP_ASK_TASKS) {
        put_all(catalogue, &ask->call.reply);
    } else {
        const struct task_name *name = names_find(n->names, ask->name);
        const struct task_info *info = name ? catalogue_task(catalogue, name) : NULL;
        struct neap_error err = {0};
        if (info)
            put_task(catalogue, info, &ask->call.reply);
        else
            rc = catalogue_no_task(catalogue, ask->name, &err);
        if (rc) {
            snprintf(ask->message, sizeof ask->message, "%.*s", (int)sizeof ask->message - 1,
                     err.message);
            say_broken(catalogue, ask);
        }
    }
    catalogue_unref(catalogue);
    return rc;
}
