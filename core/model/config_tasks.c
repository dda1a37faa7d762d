/* The settings of one task, from all [task PATTERN] sections that match it. */
#include "model/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/config_private.h"
#include "model/life.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *pattern, const char *task)
{
    size_t len = strlen(pattern);
    return pattern[len - 1] == '*' ? strncmp(pattern, task, len - 1) == 0
                                   : strcmp(pattern, task) == 0;
}

/* The next section from *i on that matches; the most specific come first. NULL: no more. */
static const struct config_task *next_match(const struct config *config, const char *task,
                                            size_t *i)
{
    while (*i < config->n_tasks) {
        const struct config_task *found = &config->tasks[(*i)++];
        if (matches(found->pattern, task))
            return found;
    }
    return NULL;
}

void config_task_retry(const struct config *config, const char *task, struct retry *out)
{
    *out = RETRY_UNSET;
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        *out = retry_merge(out, &t->retry);
}

const char *config_task_queue(const struct config *config, const char *task)
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        if (t->queue)
            return t->queue;
    return NULL;
}

int config_task_priority(const struct config *config, const char *task)
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        if (t->priority != INT_MIN)
            return t->priority;
    return INT_MIN;
}

int64_t config_task_timeout(const struct config *config, const char *task)
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        if (t->timeout_ms >= 0)
            return t->timeout_ms;
    return -1;
}

static bool is_alert_task(const struct config *config, const char *task)
{
    for (size_t i = 0; i < config->n_tasks; i++)
        if (config->tasks[i].on_dead && strcmp(config->tasks[i].on_dead, task) == 0)
            return true;
    return false;
}

const char *config_task_on_dead(const struct config *config, const char *task)
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        if (t->on_dead)
            return *t->on_dead && !is_alert_task(config, task) ? t->on_dead : NULL;
    return NULL;
}

void config_each_task_name(const struct config *config, void *user,
                           void (*each)(void *user, const char *where, const char *task))
{
    for (size_t i = 0; i < config->private->n_blocks; i++) {
        const struct config_block *block = config->private->blocks[i];
        for (size_t n = 0; n < block->n_entries; n++) {
            const struct config_entry *entry = &block->entries[n];
            if (entry->option->type != OPTION_TASK || strcmp(entry->text, "none") == 0)
                continue;
            char *place = config_place_text(config, entry->place);
            char *where = mem_format("%s: [%s] %s", place, block->label, entry->key);
            each(user, where, entry->text);
            free(where);
            free(place);
        }
    }
}

static const struct config_pair *find_pair(const struct config_task *task, const char *key)
{
    for (size_t i = 0; i < task->n_config; i++)
        if (strcmp(task->config[i].key, key) == 0)
            return &task->config[i];
    return NULL;
}

/* The most specific section that matches and has the key. */
static const struct config_task *find_setter(const struct config *config, const char *task,
                                             const char *key)
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));)
        if (find_pair(t, key))
            return t;
    return NULL;
}

void config_task_each(const struct config *config, const char *task, void *user,
                      void (*each)(void *user, const char *key, const char *value, bool secret))
{
    size_t i = 0;
    for (const struct config_task *t; (t = next_match(config, task, &i));) {
        for (size_t n = 0; n < t->n_config; n++) {
            const struct config_pair *pair = &t->config[n];
            if (find_setter(config, task, pair->key) == t)
                each(user, pair->key, pair->value, pair->secret);
        }
    }
}

char *config_task_where(const struct config *config, const char *task, const char *key)
{
    const struct config_task *setter = find_setter(config, task, key);
    if (!setter)
        return NULL;
    char *label = mem_format("task %s", setter->pattern), *name = mem_format("config.%s", key);
    const struct config_entry *entry = config_entry_find(config_block_find(config, label), name);
    char *place = config_place_text(config, entry->place);
    char *where = mem_format("%s: [%s] %s", place, label, name);
    free(place);
    free(label);
    free(name);
    return where;
}
