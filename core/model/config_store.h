/* The values of [store]: text to field. Any thread. */
#ifndef MODEL_CONFIG_STORE_H
#define MODEL_CONFIG_STORE_H

#include "model/config_value.h"

bool config_store_url(const struct value_env *env, const struct option *option, void *record,
                      const char *text, struct buf *why);
bool config_store_keep(const struct option *option, void *record, const char *text,
                       struct buf *why);

#endif
