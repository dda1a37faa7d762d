/* From the sources, in order of precedence, to a finished configuration. */
#include "model/config_private.h"

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "model/config_reader.h"
#include "model/config_value.h"

#include <stdlib.h>
#include <string.h>

#define FILE_BYTES ((size_t)4 * 1024 * 1024)

/* ---- files and what they include */

static bool is_among(const struct file_id *id, const struct file_id *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (id->device == list[i].device && id->inode == list[i].inode)
            return true;
    return false;
}

static void push(struct file_id **list, size_t *count, const struct file_id *id)
{
    *list = mem_grow(*list, *count + 1, sizeof **list);
    (*list)[(*count)++] = *id;
}

static void read_text(struct config_loading *l, const char *path, const char *text, size_t len)
{
    char *dir = path_dir(path);
    l->file = config_file_add(l->config, path);
    l->dir = dir;
    l->block = NULL;
    l->skip = false;
    config_read_text(text, len, &loading_events, l);
    l->block = NULL;
    l->dir = "";
    free(dir);
}

static void read_includes(struct config_loading *l, const char *path);

/* `from`: where it is included; NULL for the main file. */
static void read_file(struct config_loading *l, const char *path, const struct config_place *from)
{
    struct config_place place = from ? *from : PLACE_NOWHERE;
    const char *section = from ? "neap" : NULL, *key = from ? "include" : NULL;
    struct buf text = {0};
    struct file_id id;
    struct neap_error err;
    if (file_read(path, FILE_BYTES, &text, &id, &err)) {
        loading_problem(l, place, section, key, "%s", err.message);
    } else if (is_among(&id, l->open, l->n_open)) {
        loading_problem(l, place, section, key, "%s is being read already: it includes itself",
                        path);
    } else if (!is_among(&id, l->read, l->n_read)) {
        push(&l->read, &l->n_read, &id);
        push(&l->open, &l->n_open, &id);
        read_text(l, path, buf_string(&text), text.len);
        read_includes(l, path);
        l->n_open--;
    }
    buf_close(&text);
}

/* After the file itself, so that what it includes wins over it. */
static void read_includes(struct config_loading *l, const char *path)
{
    const char *key = "include";
    struct config_block *block = config_block_find(l->config, "neap");
    struct config_entry *entry = config_entry_find(block, key);
    if (!entry || entry->place.file != l->file)
        return;
    struct config_place place = entry->place;
    char *text = mem_text(entry->text), *dir = path_dir(path);
    char **patterns = value_list(text);
    for (char **p = patterns; p && *p; p++) {
        struct neap_error err;
        char **paths = NULL;
        if (l->alone)
            loading_problem(l, place, block->label, key, "no file can be read here");
        else if (path_match(dir, *p, &paths, &err))
            loading_problem(l, place, block->label, key, "%s", err.message);
        for (char **found = paths; found && *found; found++)
            read_file(l, *found, &place);
        strings_free(paths);
    }
    strings_free(patterns);
    free(dir);
    entry = config_entry_find(block, key); /* theirs have replaced it */
    free(entry->text);
    entry->text = text;
    entry->place = place;
}

/* ---- the command line */

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

static char *trimmed(const char *s, const char *e)
{
    s = skip_space(s);
    while (e > s && strchr(" \t\r\n", e[-1]))
        e--;
    return mem_format("%.*s", (int)(e > s ? e - s : 0), s);
}

/* "[section] key=value": as in a file, but of any length and without comments. */
static void read_setting(struct config_loading *l, const char *text)
{
    const char *s = skip_space(text), *close = strchr(s, ']');
    const char *equals = close ? strchr(close, '=') : NULL;
    if (*s != '[' || !equals || skip_space(close + 1) == equals) {
        struct buf quoted = {0};
        value_put_quoted(&quoted, text);
        loading_problem(l, (struct config_place){l->file, 0}, NULL, NULL,
                        "%s is not \"[section] key=value\"", buf_string(&quoted));
        buf_close(&quoted);
        return;
    }
    char *header = trimmed(s + 1, close), *key = trimmed(close + 1, equals);
    char *value = trimmed(equals + 1, equals + strlen(equals));
    for (char *p = header; *p; p++)
        if (*p == '\t' || *p == '\r' || *p == '\n')
            *p = ' ';
    l->block = NULL;
    loading_events.section(l, header, 0);
    loading_item(l, key, value, 0, false);
    l->block = NULL;
    free(header);
    free(key);
    free(value);
}

static void read_settings(struct config_loading *l)
{
    l->dir = "";
    if (l->source->n_settings)
        l->file = config_file_add(l->config, "--set");
    for (size_t i = 0; i < l->source->n_settings; i++)
        read_setting(l, l->source->settings[i]);
    if (l->source->n_plugins) {
        l->file = config_file_add(l->config, "--plugins");
        struct buf list = {0};
        for (size_t i = 0; i < l->source->n_plugins; i++)
            buf_format(&list, "%s%s", i ? "," : "", l->source->plugins[i]);
        l->block = config_block_find(l->config, "neap");
        loading_item(l, "plugins", buf_string(&list), 0, false);
        l->block = NULL;
        buf_close(&list);
        strings_free(l->config->plugins); /* a comma may be part of a path here */
        l->config->plugins = mem_zero(l->source->n_plugins + 1, sizeof(char *));
        for (size_t i = 0; i < l->source->n_plugins; i++)
            l->config->plugins[i] = mem_text(l->source->plugins[i]);
    }
}

/* ---- the whole */

static void add_missing(struct config_loading *l)
{
    struct config *config = l->config;
    config->plugins_set = config_entry_find(config_block_find(config, "neap"), "plugins") != NULL;
    if (!config->plugins_set) {
        char *dir = path_dir(l->source->file ? l->source->file : "");
        config->plugins = mem_zero(2, sizeof *config->plugins);
        config->plugins[0] = path_join(*dir ? dir : ".", "plugins");
        free(dir);
    }
    const struct config_private *private = config->private;
    for (size_t i = 0; i < private->n_blocks; i++)
        if (private->blocks[i]->kind->number == SECTION_POOL)
            return;
    loading_block(l, &section_kinds[SECTION_POOL], "default", PLACE_DEFAULT);
}

static int breadth(const char *pattern)
{
    size_t len = strlen(pattern);
    return pattern[len - 1] != '*' ? 0 : len > 1 ? 1 : 2;
}

static int by_breadth(const void *a, const void *b)
{
    const struct config_block *x = *(struct config_block *const *)a;
    const struct config_block *y = *(struct config_block *const *)b;
    int order = breadth(x->name) - breadth(y->name);
    return order ? order : strcmp(x->name, y->name);
}

/* Moves the records of a kind, where they stand one by one, into one array. */
static void *gather(struct config *config, enum section_number number, size_t *count)
{
    struct config_private *private = config->private;
    size_t size = section_kinds[number].record_size, n = 0;
    struct config_block **blocks = mem_zero(private->n_blocks, sizeof(struct config_block *));
    for (size_t i = 0; i < private->n_blocks; i++)
        if (private->blocks[i]->kind->number == number)
            blocks[n++] = private->blocks[i];
    if (number == SECTION_TASK && n)
        qsort(blocks, n, sizeof(struct config_block *), by_breadth);
    char *array = mem_zero(n, size);
    for (size_t i = 0; i < n; i++) {
        memcpy(array + i * size, blocks[i]->record, size);
        free(blocks[i]->record);
        blocks[i]->record = array + i * size;
    }
    free(blocks);
    *count = n;
    return array;
}

static void gather_all(struct config *config)
{
    config->pools = gather(config, SECTION_POOL, &config->n_pools);
    config->queues = gather(config, SECTION_QUEUE, &config->n_queues);
    config->tasks = gather(config, SECTION_TASK, &config->n_tasks);
    config->schedules = gather(config, SECTION_SCHEDULE, &config->n_schedules);
}

static void begin(struct config_loading *l, const struct config_source *source)
{
    struct config *config = mem_zero(1, sizeof *config);
    config->private = mem_zero(1, sizeof *config->private);
    atomic_init(&config->private->refs, 1);
    config->private->service = source->service;
    *l = (struct config_loading){.config = config, .source = source, .dir = ""};
    config_file_add(config, "default");
    loading_block(l, &section_kinds[SECTION_NEAP], NULL, PLACE_DEFAULT);
    loading_block(l, &section_kinds[SECTION_STORE], NULL, PLACE_DEFAULT);
    loading_block(l, &section_kinds[SECTION_HTTP], NULL, PLACE_DEFAULT);
    loading_block(l, &section_kinds[SECTION_LOG], NULL, PLACE_DEFAULT);
}

static int finish(struct config_loading *l, struct config **out, struct neap_error *err)
{
    read_settings(l);
    add_missing(l);
    loading_check(l);
    gather_all(l->config);
    int rc = loading_report(l, err);
    if (rc)
        config_unref(l->config);
    else
        *out = l->config;
    free(l->open);
    free(l->read);
    return rc;
}

int config_load(struct config **out, const struct config_source *source, struct neap_error *err)
{
    struct config_loading l;
    begin(&l, source);
    if (source->file)
        read_file(&l, source->file, NULL);
    return finish(&l, out, err);
}

static void ignore(void *user, const char *text)
{
    (void)user, (void)text;
}

char *config_look(const char *file, const char *section, const char *key, char **origin)
{
    struct config_loading l;
    struct config *config = NULL;
    struct neap_error err;
    const struct config_source source = {.file = file, .service = true, .problem = ignore};
    char *text = NULL;
    begin(&l, &source);
    read_file(&l, file, NULL);
    const struct config_block *block = config_block_find(l.config, section);
    const struct config_entry *entry = block ? config_entry_find(block, key) : NULL;
    if (entry) {
        text = mem_text(entry->text);
        *origin = config_place_text(l.config, entry->place);
    }
    if (finish(&l, &config, &err) == NEAP_OK)
        config_unref(config);
    return text;
}

int config_load_text(struct config **out, const struct config_source *source, const char *name,
                     const char *text, size_t len, struct neap_error *err)
{
    struct config_loading l;
    begin(&l, source);
    l.alone = true;
    read_text(&l, name, text, len);
    read_includes(&l, name);
    return finish(&l, out, err);
}
