/* What no single value shows: sections and keys that do not fit together. */
#include "model/config_private.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The next section of a kind from *i on, or NULL. */
static struct config_block *next_block(const struct config_loading *l, enum section_number number,
                                       size_t *i)
{
    const struct config_private *private = l->config->private;
    while (*i < private->n_blocks) {
        struct config_block *block = private->blocks[(*i)++];
        if (block->kind->number == number)
            return block;
    }
    return NULL;
}

static struct config_place place_of(const struct config_block *block, const char *key)
{
    const struct config_entry *entry = config_entry_find(block, key);
    return entry ? entry->place : block->place;
}

/* ---- directories */

static void check_directory(struct config_loading *l, const struct config_entry *entry,
                            const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        errno = S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    if (errno == ENOENT)
        loading_problem(l, entry->place, "neap", entry->key, "no such directory: %s", path);
    else if (errno == ENOTDIR)
        loading_problem(l, entry->place, "neap", entry->key, "not a directory: %s", path);
    else if (errno)
        loading_problem(l, entry->place, "neap", entry->key, "%s: %s", path, strerror(errno));
}

/* Those of the configuration only: what --plugins names is no mistake in a file, and the loader
 * tells of it. */
static void check_directories(struct config_loading *l)
{
    const struct config_entry *entry =
        config_entry_find(config_block_find(l->config, "neap"), "plugins");
    if (!entry || l->alone || l->source->n_plugins)
        return;
    for (char **path = l->config->plugins; path && *path; path++)
        check_directory(l, entry, *path);
}

/* ---- pools and queues */

static bool serves_rest(const struct config_block *pool)
{
    return strcmp(((const struct config_pool *)pool->record)->queues[0], "*") == 0;
}

static void check_pools(struct config_loading *l)
{
    struct config_block *first = NULL;
    size_t i = 0;
    for (struct config_block *pool; (pool = next_block(l, SECTION_POOL, &i));) {
        if (!serves_rest(pool) || pool->damaged)
            continue;
        if (first)
            loading_problem(l, place_of(pool, "queues"), pool->label, "queues",
                            "[%s] serves * already%s (name the queues of one of them)",
                            first->label,
                            config_entry_find(pool, "queues") ? "" : ", and that is the default");
        else
            first = pool;
    }
}

static bool is_served(const struct config_loading *l, const char *queue)
{
    size_t i = 0;
    for (struct config_block *pool; (pool = next_block(l, SECTION_POOL, &i));) {
        if (pool->damaged || serves_rest(pool))
            return true;
        char **queues = ((struct config_pool *)pool->record)->queues;
        for (; *queues; queues++)
            if (strcmp(*queues, queue) == 0)
                return true;
    }
    return false;
}

static void check_served(struct config_loading *l, struct config_place place,
                         const struct config_block *block, const char *key, const char *queue)
{
    if (is_served(l, queue))
        return;
    const char **names = NULL;
    size_t count = 0, i = 0;
    for (struct config_block *pool; (pool = next_block(l, SECTION_POOL, &i));) {
        char **queues = ((struct config_pool *)pool->record)->queues;
        for (; *queues; queues++) {
            names = mem_grow(names, count + 1, sizeof *names);
            names[count++] = *queues;
        }
    }
    const char *near = text_nearest(queue, names, count);
    const char *what = key ? "the queue" : "it";
    if (near)
        loading_problem(l, place, block->label, key, "no pool serves %s (did you mean %s?)", what,
                        near);
    else
        loading_problem(
            l, place, block->label, key,
            "no pool serves %s (name it in `queues` of a [pool], or have a pool with *)", what);
    free(names);
}

static void check_queues(struct config_loading *l)
{
    size_t i = 0;
    for (struct config_block *block; (block = next_block(l, SECTION_QUEUE, &i));)
        check_served(l, block->place, block, NULL, block->name);
    i = 0;
    for (struct config_block *block; (block = next_block(l, SECTION_TASK, &i));) {
        const struct config_task *task = block->record;
        if (task->queue)
            check_served(l, place_of(block, "queue"), block, "queue", task->queue);
    }
}

/* ---- schedules */

static void check_zone(struct config_loading *l, struct config_block *block)
{
    struct config_schedule *schedule = block->record;
    struct neap_error err;
    if (!schedule->has_cron || block->damaged)
        return;
    if (!schedule->zone && zone_open(&schedule->zone, "local", &err))
        loading_problem(l, block->place, block->label, "tz", "%s", err.message);
    else if (cron_next(&schedule->cron, schedule->zone, 0) == INT64_MAX)
        loading_problem(l, place_of(block, "cron"), block->label, "cron",
                        "it never happens (no such day in that month)");
}

static void check_schedules(struct config_loading *l)
{
    size_t i = 0;
    for (struct config_block *block; (block = next_block(l, SECTION_SCHEDULE, &i));) {
        const struct config_entry *cron = config_entry_find(block, "cron");
        const struct config_entry *every = config_entry_find(block, "every");
        const struct config_entry *zone = config_entry_find(block, "tz");
        if (cron && every)
            loading_problem(l, every->place, block->label, "every",
                            "there is `cron` already (only one of the two)");
        if (zone && every && !cron)
            loading_problem(l, zone->place, block->label, "tz", "it counts only with `cron`");
        if (!block->damaged && !config_entry_find(block, "task"))
            loading_problem(l, block->place, block->label, NULL, "`task` is missing");
        if (!block->damaged && !cron && !every)
            loading_problem(
                l, block->place, block->label, NULL,
                "`cron` or `every` is missing (such as cron = 0 3 * * 1-5, every = 10s)");
        check_zone(l, block);
    }
}

void loading_check(struct config_loading *l)
{
    check_directories(l);
    check_pools(l);
    check_queues(l);
    check_schedules(l);
}
