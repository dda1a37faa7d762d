/* What tasks exist now and how they behave: immutable once published, shared by reference (any
 * thread). The loader builds a new one at each change. */
#ifndef PARTS_CATALOGUE_H
#define PARTS_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/config.h"
#include "model/job.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/source.h"

#define CATALOGUE_TIMEOUT_MAX_MS (INT64_C(100) * 365 * 24 * 3600 * 1000)

struct task_info { /* settings resolved: INI > file > default */
    const struct task_name *name;
    struct plugin *plugin; /* that it belongs to; not counted */
    size_t file;           /* index in plugin->source->files */
    char *summary;         /* or NULL */
    struct gate *gate;
    int8_t priority;
    bool has_on_dead;
    struct retry retry; /* no field unset */
    int64_t timeout_ms; /* of an attempt; 0: none */
    bool reentrant;     /* while it is preempted, others of its plugin may run in its state */
    char *args_schema;  /* JSON, or NULL */
    void *config;       /* checked values, MessagePack; NULL: none */
    size_t config_len;
};

struct plugin {    /* one version */
    unsigned refs; /* atomic */
    unsigned generation;
    struct source *source; /* owned reference */
    uint64_t config_hash;  /* of the INI settings that its tasks took in */
    struct task_info *tasks;
    size_t n_tasks;
};

struct broken_plugin { /* its newest version could not be loaded; an older one may serve */
    char name[NEAP_TASK_MAX + 1];
    char *dir, *error; /* error: what was said, lines */
};

struct catalogue {
    unsigned refs;           /* atomic */
    uint64_t serial;         /* goes up by one at each publication */
    struct config *config;   /* owned reference */
    struct plugin **plugins; /* by name; owned references */
    size_t n_plugins;
    struct task_info **tasks;             /* by task_name index; NULL: not now */
    size_t n_tasks;                       /* length of the array */
    size_t broken;                        /* plugins whose newest version could not be loaded, */
    struct broken_plugin *broken_plugins; /* so many, by name */
};

/* Takes over a reference to `source`; the tasks are zeroed but for `plugin`. */
struct plugin *plugin_new(struct source *source, unsigned generation, size_t n_tasks);
struct plugin *plugin_ref(struct plugin *plugin);
void plugin_unref(struct plugin *plugin); /* NULL is fine */

/* Takes over the references in `plugins` (the array is copied) and one to config. */
struct catalogue *catalogue_new(uint64_t serial, struct config *config, struct plugin **plugins,
                                size_t n_plugins, size_t n_names, size_t broken);
/* Before it is published: copies what is wrong with catalogue->broken plugins. */
void catalogue_set_broken(struct catalogue *catalogue, const struct broken_plugin *plugins);
struct catalogue *catalogue_ref(struct catalogue *catalogue);
void catalogue_unref(struct catalogue *catalogue); /* NULL is fine */
static inline const struct task_info *             /* NULL: none */
catalogue_task(const struct catalogue *c, const struct task_name *name)
{
    return name->index < c->n_tasks ? c->tasks[name->index] : NULL;
}
/* How long an attempt that starts now may take; 0: as long as it wants. At most a hundred years. */
static inline int64_t catalogue_timeout(const struct task_info *task, const struct job *job)
{
    const int64_t own_ms = job_terms(job)->timeout_ms;
    const int64_t ms = own_ms >= 0 ? own_ms : task->timeout_ms;
    return ms < CATALOGUE_TIMEOUT_MAX_MS ? ms : CATALOGUE_TIMEOUT_MAX_MS;
}
/* "no such task: mail.sned (did you mean mail.send?)" */
int catalogue_no_task(const struct catalogue *catalogue, const char *name, struct neap_error *err);

#endif
