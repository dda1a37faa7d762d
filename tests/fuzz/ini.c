/* Any bytes as an INI file: it loads, or says what is wrong in lines of text; never crashes. What
 * loads can be shown, and everything shown goes back in as a setting. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/config_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_problem(void *user, const char *text)
{
    size_t *count = user;
    ++*count;
    assert(*text);
    for (const char *p = text; *p; p++)
        assert((unsigned char)*p >= ' ' && *p != 127);
}

struct settings {
    char **texts;
    size_t count;
};

static void on_row(void *user, const char *section, const char *key, const char *value,
                   const char *origin)
{
    struct settings *settings = user;
    assert(*origin);
    if (strcmp(key, "include") == 0)
        return;
    settings->texts = mem_grow(settings->texts, settings->count + 1, sizeof *settings->texts);
    settings->texts[settings->count++] = mem_format("[%s] %s=%s", section, key, value);
}

static void on_pair(void *user, const char *key, const char *value, bool secret)
{
    (void)user;
    assert(key && value);
    assert(secret || strncmp(value, "env:", 4) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t problems = 0;
    struct config *config = NULL, *again = NULL;
    struct neap_error err;
    struct config_source source = {.problem = on_problem, .user = &problems};
    const int rc = config_load_text(&config, &source, "fuzz", (const char *)data, size, &err);
    assert((rc == NEAP_OK) == (problems == 0));
    if (rc)
        return 0;
    struct settings settings = {0};
    config_rows(config, &settings, on_row);
    for (size_t i = 0; i < config->n_tasks; i++)
        config_task_each(config, config->tasks[i].pattern, NULL, on_pair);
    source.settings = (const char *const *)settings.texts;
    source.n_settings = settings.count;
    const int same = config_load_text(&again, &source, "fuzz", "", 0, &err);
    assert(same == NEAP_OK);
    assert(again->n_queues <= config->n_queues && again->n_pools == config->n_pools);
    for (size_t i = 0; i < settings.count; i++)
        free(settings.texts[i]);
    free(settings.texts);
    config_unref(config);
    config_unref(again);
    return 0;
}
