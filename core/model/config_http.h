/* The values of [http]: text to field. Any thread. */
#ifndef MODEL_CONFIG_HTTP_H
#define MODEL_CONFIG_HTTP_H

#include "model/config_value.h"

bool config_http_text(const struct value_env *env, const struct option *option, void *record,
                      const char *text, struct buf *why);

#endif
