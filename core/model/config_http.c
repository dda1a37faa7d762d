#include "model/config_http.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/config.h"
#include "model/config_file.h"
#include "model/config_private.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

static bool is_address(const char *text)
{
    unsigned char parsed[16];
    int64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || !text_integer(colon + 1, &port) || port < 0 || port > 65535)
        return false;
    const bool bracket = *text == '[' && colon > text + 1 && colon[-1] == ']';
    char *host =
        mem_format("%.*s", (int)(colon - text) - (bracket ? 2 : 0), text + (bracket ? 1 : 0));
    const bool is = inet_pton(bracket ? AF_INET6 : AF_INET, host, parsed) == 1;
    free(host);
    return is;
}

static bool is_secret(const char *text)
{
    return (strncmp(text, "env:", 4) == 0 && text[4]) ||
           (strncmp(text, "file:", 5) == 0 && text[5]);
}

static bool are_hosts(const char *text)
{
    char **list = value_list(text);
    bool are = list != NULL;
    for (char **at = list; at && *at; at++)
        are &= strspn(*at, HOST_CHARS) == strlen(*at);
    strings_free(list);
    return are;
}

static bool is_right(const struct option *option, const char *text)
{
    switch (option->type) {
    case OPTION_LISTEN:
        return is_address(text);
    case OPTION_SECRET:
        return is_secret(text);
    case OPTION_HOSTS:
        return are_hosts(text);
    default:
        return true;
    }
}

bool config_http_text(const struct value_env *env, const struct option *option, void *record,
                      const char *text, struct buf *why)
{
    const bool none = strcmp(text, "none") == 0, path = option->type == OPTION_SOCKET;
    const bool file = option->type == OPTION_SECRET && strncmp(text, "file:", 5) == 0;
    if (!none && !is_right(option, text)) {
        if (option->type == OPTION_SECRET)
            buf_text(why, "it"); /* it may be the secret itself */
        else
            value_put_quoted(why, text);
        buf_text(why, " is not ");
        value_put_shape(why, option);
        return false;
    }
    char **field = (char **)(void *)((char *)record + option->offset);
    char *joined = none ? NULL : path || file ? path_join(env->dir, text + (file ? 5 : 0)) : NULL;
    free(*field);
    *field = none ? NULL : file ? mem_format("file:%s", joined) : mem_text(path ? joined : text);
    free(joined);
    return true;
}

int config_text(const struct config *config, const char *section, const char *key, char **out,
                struct neap_error *err)
{
    const struct config_block *block = config_block_find(config, section);
    const struct option *option = block ? option_find(block->kind, key) : NULL;
    struct buf why = {0};
    *out = NULL;
    if (!option || option->type < OPTION_SOCKET || option->type > OPTION_HOSTS)
        return NEAP_OK;
    const char *text = *(char *const *)(const void *)((const char *)block->record + option->offset);
    const struct value_env env = {.dir = ""};
    *out = text && option->type == OPTION_SECRET ? value_secret(&env, text, &why) : mem_text(text);
    const int rc = text && !*out
                       ? error_set(err, NEAP_ECONFIG, "[%s] %s: %s", section, key, buf_string(&why))
                       : NEAP_OK;
    buf_close(&why);
    return rc;
}
