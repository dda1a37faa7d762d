/* Values of the configuration: text to field. Any thread. */
#ifndef MODEL_CONFIG_VALUE_H
#define MODEL_CONFIG_VALUE_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/config_options.h"

struct value_env {
    const char *dir; /* that relative paths start from */
    bool alone;      /* no other file is read: for text from nobody knows where */
    int *cpus;       /* what `auto` is, counted at its first use if it is 0; NULL: each time */
};

/* Stores `text` in the record of its section. False, and `why` says what is wrong; the field is
 * then as it was. `key` is as written: of "config.NAME" it holds the name. */
bool value_store(const struct value_env *env, const struct option *option, void *record,
                 const char *key, const char *text, struct buf *why);

/* The number in a field of an integer type (also bool, choices, durations in ms, rates in ns);
 * `otherwise` for what is no number. */
int64_t value_integer(const struct option *option, const void *record, int64_t otherwise);

/* "a whole number from 1 to 1024" */
void value_put_shape(struct buf *out, const struct option *option);

/* In double quotes, cut where it is long. */
void value_put_quoted(struct buf *out, const char *text);

/* What env:NAME or file:PATH stands for, to free(). NULL: `why` says why not. */
char *value_secret(const struct value_env *env, const char *text, struct buf *why);

/* The items of a list, trimmed; commas between. NULL: one is empty. For strings_free. */
char **value_list(const char *text);

bool value_is_task(const char *text);    /* "mail.send" or "send" */
bool value_is_pattern(const char *text); /* that, or "mail.*" or "*" */

#endif
