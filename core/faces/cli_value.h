/* Values as the command line meets them: bytes of MessagePack in and out, and text fit to be shown.
 */
#ifndef FACES_CLI_VALUE_H
#define FACES_CLI_VALUE_H

#include "base/buf.h"
#include "neap.h"

#include <stdbool.h>

/* MessagePack. A map is followed by its keys and values in turn. */
void value_put_text(struct buf *out, const char *text, size_t len);
void value_put_map(struct buf *out, size_t pairs);
/* Any JSON value. False with `err`. */
bool value_put_json(struct buf *out, const char *json, size_t len, struct neap_error *err);

/* Is it a string? Then its bytes, inside `data`. */
bool value_text(const void *data, size_t len, const char **text, size_t *text_len);

/* JSON. Of a value (NULL: null), and of any bytes as a string (NULL: null). */
void value_json(struct buf *out, const void *msgpack, size_t len);
void value_json_text(struct buf *out, const char *text, size_t len);

/* A result as it is printed: a string as it is, with a newline unless it ends in one, nothing for
 * nil, else a line of JSON. */
void value_result(struct buf *out, const void *msgpack, size_t len);

/* One line fit for a terminal or a table: control characters as \n, \t, \xHH, a backslash doubled.
 * Longer than `max` bytes (0: any length) it is cut and ends in "...". */
void value_shown(struct buf *out, const char *text, size_t len, size_t max);

#endif
