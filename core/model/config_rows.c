/* The configuration as it is shown, and as it may change while neap runs. */
#include "model/config.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/config_private.h"
#include "model/config_value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows */

struct rows {
    const struct config *config;
    void *user;
    void (*row)(void *user, const char *section, const char *key, const char *value,
                const char *origin);
};

static const char *default_text(const struct config *config, const struct option *option)
{
    return config->private->service && option->service_fallback ? option->service_fallback
                                                                : option->fallback;
}

static void show(const struct rows *rows, const struct config_block *block,
                 const struct option *option, const char *key, const struct config_entry *entry)
{
    const char *text = entry ? entry->text : default_text(rows->config, option);
    if (!text)
        return;
    char *origin = config_place_text(rows->config, entry ? entry->place : PLACE_DEFAULT);
    if (option->type == OPTION_WORKERS && strcmp(text, "auto") == 0) {
        int64_t workers = value_integer(option, block->record, 0);
        char *longer = mem_format("%s, %" PRId64 " here", origin, workers);
        free(origin);
        origin = longer;
    }
    rows->row(rows->user, block->label, key, text, origin);
    free(origin);
}

static void show_block(const struct rows *rows, const struct config_block *block)
{
    for (size_t i = 0; i < block->kind->n_options; i++) {
        const struct option *option = &block->kind->options[i];
        if (option->type != OPTION_CONFIG) {
            show(rows, block, option, option->key, config_entry_find(block, option->key));
            continue;
        }
        for (size_t n = 0; n < block->n_entries; n++)
            if (block->entries[n].option == option)
                show(rows, block, option, block->entries[n].key, &block->entries[n]);
    }
}

void config_rows(const struct config *config, void *user,
                 void (*row)(void *user, const char *section, const char *key, const char *value,
                             const char *origin))
{
    const struct rows rows = {config, user, row};
    const struct config_private *private = config->private;
    for (size_t kind = 0; kind < SECTIONS; kind++)
        for (size_t i = 0; i < private->n_blocks; i++)
            if (private->blocks[i]->kind == &section_kinds[kind])
                show_block(&rows, private->blocks[i]);
}

/* ---- reload */

struct change {
    const struct config *old, *new;
    const struct config_source *source;
    size_t count;
    char *last;
};

static void tell(struct change *change, struct config_place place, const char *label,
                 const char *key, const char *what)
{
    char *where = config_place_text(change->new, place);
    free(change->last);
    change->last =
        mem_format("%s: [%s]%s%s: %s", where, label, key ? " " : "", key ? key : "", what);
    free(where);
    change->count++;
    if (change->source && change->source->problem)
        change->source->problem(change->source->user, change->last);
}

static bool same_list(char **a, char **b)
{
    while (*a && *b && strcmp(*a, *b) == 0) {
        a++;
        b++;
    }
    return !*a && !*b;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_field(const struct option *option, const void *a, const void *b)
{
    if (option->type == OPTION_PATHS)
        return same_list(*(char ***)(void *)((char *)a + option->offset),
                         *(char ***)(void *)((char *)b + option->offset));
    if (option->type >= OPTION_STORE && option->type <= OPTION_HOSTS && option->type != OPTION_KEEP)
        return same_text(*(char *const *)(const void *)((const char *)a + option->offset),
                         *(char *const *)(const void *)((const char *)b + option->offset));
    return value_integer(option, a, 0) == value_integer(option, b, 0);
}

static void compare(struct change *change, const struct config_block *old,
                    const struct config_block *new)
{
    for (size_t i = 0; i < new->kind->n_options; i++) {
        const struct option *option = &new->kind->options[i];
        if (!(option->flags & OPTION_RESTART) || same_field(option, old->record, new->record))
            continue;
        const struct config_entry *before = config_entry_find(old, option->key);
        const struct config_entry *after = config_entry_find(new, option->key);
        char *what = mem_format("it was %s and is %s now, which takes a restart",
                                before ? before->text : default_text(change->old, option),
                                after ? after->text : default_text(change->new, option));
        tell(change, after ? after->place : PLACE_DEFAULT, new->label, option->key, what);
        free(what);
    }
}

int config_may_replace(const struct config *old, const struct config *new,
                       const struct config_source *source, struct neap_error *err)
{
    struct change change = {.old = old, .new = new, .source = source};
    const struct config_private *before = old->private, *after = new->private;
    int rc = NEAP_OK;
    for (size_t i = 0; i < after->n_blocks; i++) {
        const struct config_block *block = after->blocks[i];
        const struct config_block *twin = config_block_find(old, block->label);
        if (twin)
            compare(&change, twin, block);
        else if (block->kind->number == SECTION_POOL)
            tell(&change, block->place, block->label, NULL, "a new pool takes a restart");
    }
    for (size_t i = 0; i < before->n_blocks; i++) {
        const struct config_block *block = before->blocks[i];
        if (block->kind->number == SECTION_POOL && !config_block_find(new, block->label))
            tell(&change, after->n_files > 1 ? (struct config_place){1, 0} : PLACE_DEFAULT,
                 block->label, NULL, "it is gone, which takes a restart");
    }
    if (change.count == 1)
        rc = error_set(err, NEAP_ECONFIG, "%s", change.last);
    else if (change.count)
        rc = error_set(err, NEAP_ECONFIG, "%zu changes take a restart", change.count);
    free(change.last);
    return rc;
}
