/* What a task's file declares, and what becomes of that with the INI and the defaults. Pure but for
 * names and queues, which it enters. */
#ifndef RUNTIME_DECLARED_H
#define RUNTIME_DECLARED_H

#include "runtime/stage.h"

struct declared { /* -1 and NULL: the file says nothing about it; texts are the caller's */
    const char *name;
    size_t file; /* index in the source */
    const char *summary, *queue;
    const char *args_schema; /* JSON */
    const void *config;      /* checked values, MessagePack */
    size_t config_len;
    int priority;
    int64_t timeout_ms;
    struct retry retry;
    bool has_on_dead, reentrant;
};

/* Fills in the task of that plugin. */
void declared_resolve(const struct declared *declared, const struct stage_env *env,
                      struct task_info *info, struct plugin *plugin);

/* A stock plugin from what was read off it at build time. NULL: it has to be run, because it is
 * none, or the INI or $NEAP_SCRIPTS may change what it declares. */
struct plugin *declared_stock(struct source *source, unsigned generation,
                              const struct stage_env *env);

#endif
