/* What the reader sees becomes sections (blocks) and their records. */
#include "model/config_private.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/config_reader.h"
#include "model/config_value.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct config_place place_at(const struct config_loading *l, int line)
{
    return (struct config_place){l->file, line};
}

/* ---- sections */

static void store_defaults(struct config_loading *l, struct config_block *block)
{
    struct value_env env = {.dir = "", .cpus = &l->cpus};
    struct buf why = {0};
    for (size_t i = 0; i < block->kind->n_options; i++) {
        const struct option *option = &block->kind->options[i];
        const char *text = l->source->service && option->service_fallback ? option->service_fallback
                                                                          : option->fallback;
        if (text && option->type != OPTION_PATHS) { /* that depends on the file */
            bool fine = value_store(&env, option, block->record, option->key, text, &why);
            assert(fine); /* else the table is wrong */
        }
    }
    buf_close(&why);
}

struct config_block *loading_block(struct config_loading *l, const struct section_kind *kind,
                                   const char *name, struct config_place place)
{
    char *label = name ? mem_format("%s %s", kind->name, name) : mem_text(kind->name);
    struct config_block *block = config_block_find(l->config, label);
    if (block) {
        free(label);
        if (block->place.file == 0)
            block->place = place;
        return block;
    }
    block = mem_zero(1, sizeof *block);
    *block =
        (struct config_block){.kind = kind, .label = label, .name = mem_text(name), .place = place};
    block->record = kind->record_size ? mem_zero(1, kind->record_size) : l->config;
    if (name)
        *(char **)block->record = mem_text(name); /* all records begin with their name */
    if (kind->number == SECTION_TASK) {
        struct config_task *task = block->record;
        task->retry = RETRY_UNSET;
        task->priority = INT_MIN;
        task->timeout_ms = -1;
    } else if (kind->number == SECTION_SCHEDULE) {
        ((struct config_schedule *)block->record)->origin = config_place_text(l->config, place);
    }
    store_defaults(l, block);
    struct config_private *private = l->config->private;
    private->blocks =
        mem_grow(private->blocks, private->n_blocks + 1, sizeof(struct config_block *));
    private->blocks[private->n_blocks++] = block;
    return block;
}

static void put_kind(struct buf *out, const struct section_kind *kind)
{
    buf_format(out, "[%s%s%s]", kind->name, kind->argument ? " " : "",
               kind->argument ? kind->argument : "");
}

static void put_choice(struct buf *out, size_t i, size_t count)
{
    if (i)
        buf_text(out, i + 1 < count ? ", " : " and ");
}

static void unknown_section(struct config_loading *l, struct config_place place, const char *label,
                            const char *word)
{
    const char *names[SECTIONS];
    struct buf hint = {0};
    for (size_t i = 0; i < SECTIONS; i++)
        names[i] = section_kinds[i].name;
    const char *near = text_nearest(word, names, SECTIONS);
    for (size_t i = 0; i < SECTIONS; i++)
        if (strcasecmp(names[i], word) == 0)
            near = names[i];
    for (size_t i = 0; i < SECTIONS; i++) {
        if (!near)
            put_choice(&hint, i, SECTIONS);
        if (!near || near == names[i])
            put_kind(&hint, &section_kinds[i]);
    }
    loading_problem(l, place, label, NULL,
                    near ? "unknown section (did you mean %s?)" : "unknown section (there are %s)",
                    buf_string(&hint));
    buf_close(&hint);
}

static bool check_name(struct config_loading *l, struct config_place place, const char *label,
                       const struct section_kind *kind, const char *name)
{
    if (kind->argument && !name)
        loading_problem(l, place, label, NULL, "it needs a name: [%s %s]", kind->name,
                        kind->argument);
    else if (!kind->argument && name)
        loading_problem(l, place, label, NULL, "it takes no name: [%s]", kind->name);
    else if (name && kind->number == SECTION_TASK && !value_is_pattern(name))
        loading_problem(l, place, label, NULL,
                        "%s is no task (mail.send), plugin (mail.*) or *, of at most %d bytes",
                        name, NEAP_TASK_MAX);
    else if (name && kind->number != SECTION_TASK && !text_name(name, strlen(name), NEAP_TASK_MAX))
        loading_problem(l, place, label, NULL,
                        "%s is not a name (letters, digits, _ and -, at most %d)", name,
                        NEAP_TASK_MAX);
    else
        return true;
    return false;
}

static void on_section(void *user, const char *label, int line)
{
    struct config_loading *l = user;
    l->block = NULL;
    l->skip = true;
    if (!label)
        return;
    struct config_place place = place_at(l, line);
    size_t len = strcspn(label, " ");
    const char *name = label[len] ? label + len + 1 : NULL;
    const struct section_kind *kind = section_find(label, len);
    if (!kind) {
        char *word = mem_format("%.*s", (int)len, label);
        unknown_section(l, place, label, word);
        free(word);
    } else if (check_name(l, place, label, kind, name)) {
        l->block = loading_block(l, kind, name, place);
    }
}

/* ---- keys */

static const struct section_kind *kind_with(const char *key)
{
    for (size_t i = 0; i < SECTIONS; i++)
        if (option_find(&section_kinds[i], key))
            return &section_kinds[i];
    return NULL;
}

static void unknown_key(struct config_loading *l, struct config_place place, const char *key)
{
    const struct section_kind *kind = l->block->kind, *other = kind_with(key);
    const char *names[32], *near = NULL;
    struct buf hint = {0};
    assert(kind->n_options <= sizeof names / sizeof *names);
    for (size_t i = 0; i < kind->n_options; i++) {
        names[i] = kind->options[i].key;
        if (strcasecmp(names[i], key) == 0)
            near = names[i];
    }
    if (other && !near) {
        put_kind(&hint, other);
        loading_problem(l, place, l->block->label, key, "unknown key here (it belongs in %s)",
                        buf_string(&hint));
        goto out;
    }
    if (!near)
        near = text_nearest(key, names, kind->n_options);
    for (size_t i = 0; i < kind->n_options; i++) {
        if (!near)
            put_choice(&hint, i, kind->n_options);
        if (!near || near == names[i])
            buf_format(&hint, "%s%s", names[i],
                       kind->options[i].type == OPTION_CONFIG ? "NAME" : "");
    }
    loading_problem(l, place, l->block->label, key,
                    near ? "unknown key (did you mean %s?)" : "unknown key (there are %s)",
                    buf_string(&hint));
out:
    buf_close(&hint);
}

static void remember(struct config_block *block, const struct option *option, const char *key,
                     const char *value, struct config_place place)
{
    struct config_entry *entry = config_entry_find(block, key);
    if (!entry) {
        block->entries = mem_grow(block->entries, block->n_entries + 1, sizeof *block->entries);
        entry = &block->entries[block->n_entries++];
        *entry = (struct config_entry){.option = option, .key = mem_text(key)};
    }
    free(entry->text);
    entry->text = mem_text(value);
    entry->place = place;
}

/* Stores one value. False: there was something wrong with it. */
static bool store_item(struct config_loading *l, struct config_place place,
                       const struct option *option, const char *key, const char *value, bool cut)
{
    bool json = option->type == OPTION_JSON || *value == '{' || *value == '[';
    if (cut && (json || *value == '"')) {
        loading_problem(l, place, l->block->label, key,
                        "` ;` starts a comment, inside quotes too, and cuts the value (write %s)",
                        json ? "\\u003b for the semicolon"
                             : "it without the space, or use file:PATH");
        return false;
    }
    struct value_env env = {.dir = l->dir, .alone = l->alone, .cpus = &l->cpus};
    struct buf why = {0};
    bool fine = value_store(&env, option, l->block->record, key, value, &why);
    if (!fine)
        loading_problem(l, place, l->block->label, key, "%s", buf_string(&why));
    buf_close(&why);
    return fine;
}

/* Of the section being read. */
static bool take_item(struct config_loading *l, struct config_place place, const char *key,
                      const char *value, bool cut)
{
    const struct option *option = option_find(l->block->kind, key);
    if (!option) {
        unknown_key(l, place, key);
        return false;
    }
    if (option->type != OPTION_CONFIG)
        key = option->key; /* retry is retry.max */
    const struct config_entry *before = config_entry_find(l->block, key);
    if (place.line && before && before->place.file == place.file) {
        loading_problem(l, place, l->block->label, key, "set twice, first on line %d",
                        before->place.line);
        return false;
    }
    if (option->type == OPTION_PATTERNS && !place.line) {
        loading_problem(l, place, l->block->label, key, "only a file can include files");
        return false;
    }
    remember(l->block, option, key, value, place);
    return store_item(l, place, option, key, value, cut);
}

void loading_item(struct config_loading *l, const char *key, const char *value, int line, bool cut)
{
    struct config_place place = place_at(l, line);
    if (l->block && !take_item(l, place, key, value, cut))
        l->block->damaged = true;
    else if (!l->block && !l->skip)
        loading_problem(l, place, NULL, key, "a key before the first [section]");
}

static void on_item(void *user, const struct config_item *item)
{
    loading_item(user, item->key, item->value, item->line, item->cut);
}

static void on_problem(void *user, int line, const char *key, const char *text)
{
    struct config_loading *l = user;
    if (l->block)
        l->block->damaged = true;
    loading_problem(l, place_at(l, line), l->block ? l->block->label : NULL, key, "%s", text);
}

const struct config_events loading_events = {on_section, on_item, on_problem};
