/* What a task says of its arguments, as far as turning text into them needs it. */
#ifndef FACES_CLI_SCHEMA_H
#define FACES_CLI_SCHEMA_H

#include "base/buf.h"

#include <stdbool.h>

struct schema; /* main thread */

/* From neap_task.args_schema; NULL for a task without a schema, which takes any text as text. */
struct schema *schema_new(const char *json);
void schema_free(struct schema *schema); /* NULL is fine */

bool schema_single(const struct schema *schema); /* one value, no fields */
/* The only required field; NULL where there is none or more than one, and then their names, joined,
 * in `names`. Borrowed. */
const char *schema_required(const struct schema *schema, struct buf *names);

/* Is there such an argument? Else what is wrong is appended to `why`. */
bool schema_has(const struct schema *schema, const char *field, struct buf *why);

/* Appends `text` as the MessagePack of what field `field` wants. False with what is wrong appended
 * to `why`. Without a schema everything is text. */
bool schema_convert(const struct schema *schema, const char *field, const char *text, size_t len,
                    struct buf *out, struct buf *why);

#endif
