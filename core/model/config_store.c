#include "model/config_store.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/config.h"
#include "model/config_file.h"

#include <stdlib.h>
#include <string.h>

#define SQLITE "sqlite:"

static bool not_so(const struct option *option, const char *text, struct buf *why)
{
    value_put_quoted(why, text);
    buf_text(why, " is not ");
    value_put_shape(why, option);
    return false;
}

bool config_store_url(const struct value_env *env, const struct option *option, void *record,
                      const char *text, struct buf *why)
{
    static const char *const known[] = {"memory", "sqlite"};
    const size_t scheme = strlen(SQLITE);
    const bool sqlite = strncmp(text, SQLITE, scheme) == 0 && text[scheme];
    if (!sqlite && strcmp(text, "memory") != 0) {
        char *word = mem_format("%.*s", (int)strcspn(text, ":"), text);
        const char *near = text_nearest(word, known, 2);
        not_so(option, text, why);
        if (near)
            buf_format(why, " (did you mean %s?)", near == known[0] ? near : SQLITE "PATH");
        free(word);
        return false;
    }
    char **field = (char **)(void *)((char *)record + option->offset);
    free(*field);
    if (sqlite) {
        char *path = path_join(env->dir, text + scheme);
        *field = mem_format(SQLITE "%s", path);
        free(path);
    } else {
        *field = mem_text(text);
    }
    return true;
}

static bool keep_one(const char *text, struct config_keep *keep, bool *aged, bool *counted)
{
    int64_t value;
    if (text_integer(text, &value) && value >= 0 && !*counted) { /* a bare number is a count */
        keep->count = value ? value : -1;
        return *counted = true;
    }
    if (text_duration(text, &value) && value > 0 && !*aged) {
        keep->age_ms = value;
        return *aged = true;
    }
    return false;
}

bool config_store_keep(const struct option *option, void *record, const char *text, struct buf *why)
{
    struct config_keep keep = {0}; /* no limit */
    bool aged = false, counted = false, ok = true;
    char **list = value_list(text);
    for (char **item = list; list && *item; item++)
        if (strcmp(*item, "none") != 0)
            ok = ok && keep_one(*item, &keep, &aged, &counted);
    ok = ok && list && list[0] && (!list[1] || !list[2]);
    strings_free(list);
    if (!ok)
        return not_so(option, text, why);
    *(struct config_keep *)(void *)((char *)record + option->offset) = keep;
    return true;
}
