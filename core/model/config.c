/* The finished configuration: references, and the lookups that the loading shares. */
#include "model/config.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/config_private.h"
#include "model/config_value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- life */

static void free_task(struct config_task *task)
{
    for (size_t i = 0; i < task->n_config; i++) {
        free(task->config[i].key);
        free(task->config[i].value);
    }
    free(task->config);
    free(task->queue);
    free(task->on_dead);
    free(task->pattern);
}

static void free_schedule(struct config_schedule *schedule)
{
    free(schedule->name);
    free(schedule->task);
    free(schedule->cron_text);
    free(schedule->zone_text);
    zone_free(schedule->zone);
    free(schedule->args);
    free(schedule->origin);
}

static void free_block(struct config_block *block)
{
    for (size_t i = 0; i < block->n_entries; i++) {
        free(block->entries[i].key);
        free(block->entries[i].text);
    }
    free(block->entries);
    free(block->label);
    free(block->name);
    free(block);
}

static void free_records(struct config *config)
{
    for (size_t i = 0; i < config->n_pools; i++) {
        free(config->pools[i].name);
        strings_free(config->pools[i].queues);
    }
    for (size_t i = 0; i < config->n_queues; i++)
        free(config->queues[i].name);
    for (size_t i = 0; i < config->n_tasks; i++)
        free_task(&config->tasks[i]);
    for (size_t i = 0; i < config->n_schedules; i++)
        free_schedule(&config->schedules[i]);
    free(config->pools);
    free(config->queues);
    free(config->tasks);
    free(config->schedules);
    strings_free(config->plugins);
    free(config->store_url);
    free(config->http_socket);
    free(config->http_listen);
    free(config->http_token);
    free(config->http_hosts);
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->private->refs, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    if (!config)
        return;
    struct config_private *private = config->private;
    if (atomic_fetch_sub_explicit(&private->refs, 1, memory_order_acq_rel) != 1)
        return;
    free_records(config);
    for (size_t i = 0; i < private->n_blocks; i++)
        free_block(private->blocks[i]);
    for (size_t i = 0; i < private->n_files; i++)
        free(private->files[i]);
    free(private->blocks);
    free(private->files);
    free(private);
    free(config);
}

/* ---- lookups of the parts */

size_t config_file_add(struct config *config, const char *name)
{
    struct config_private *private = config->private;
    private->files = mem_grow(private->files, private->n_files + 1, sizeof *private->files);
    private->files[private->n_files] = mem_text(name);
    return private->n_files++;
}

struct config_block *config_block_find(const struct config *config, const char *label)
{
    const struct config_private *private = config->private;
    for (size_t i = 0; i < private->n_blocks; i++)
        if (strcmp(private->blocks[i]->label, label) == 0)
            return private->blocks[i];
    return NULL;
}

struct config_entry *config_entry_find(const struct config_block *block, const char *key)
{
    for (size_t i = 0; i < block->n_entries; i++)
        if (strcmp(block->entries[i].key, key) == 0)
            return &block->entries[i];
    return NULL;
}

char *config_place_text(const struct config *config, struct config_place place)
{
    if (place.file >= config->private->n_files)
        return NULL;
    const char *file = config->private->files[place.file];
    return place.line ? mem_format("%s:%d", file, place.line) : mem_text(file);
}

/* ---- questions */

const struct config_queue *config_queue_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_queues; i++)
        if (strcmp(config->queues[i].name, name) == 0)
            return &config->queues[i];
    return NULL;
}

int64_t config_int(const struct config *config, const char *section, const char *key,
                   int64_t otherwise)
{
    const struct config_block *block = config_block_find(config, section);
    const struct option *option = block ? option_find(block->kind, key) : NULL;
    return option ? value_integer(option, block->record, otherwise) : otherwise;
}
