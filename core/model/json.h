/* JSON at the edges, by way of MessagePack bytes. Parsing by jansson; the writer is ours because
 * jansson prints 0.1 as 0.10000000000000001. inf and nan become null, bad UTF-8 becomes U+FFFD,
 * keys that are no strings become strings. */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <stddef.h>

#include "base/buf.h"
#include "model/msgpack.h" /* for building values by hand (stats, schemas) */
#include "neap.h"

/* Any JSON value; depth and size as in codec.h. Errors name line and column of the text ("line 1,
 * column 9: ..."; a column counts characters, from 1). The last of two equal keys wins. Integers
 * beyond 64 bits, and NUL in a key, are errors. `null` at the top becomes 0xc0. On error `out` is
 * as it was. */
int json_to_msgpack(const char *text, size_t len, struct buf *out, struct neap_error *err);

/* Compact, one line, the keys of objects sorted by their bytes as printed; integers exact, floats
 * the shortest that reads back the same and always with '.' or 'e' (1.0 stays 1.0). Zero bytes of
 * input are `null`. On error (malformed bytes) `out` is as it was. */
int json_from_msgpack(const void *data, size_t len, struct buf *out, struct neap_error *err);

/* Appends a JSON string literal of any bytes. */
void json_put_string(struct buf *out, const char *text, size_t len);

/* Appends a number as described above; `null` for inf and nan. */
void json_put_integer(struct buf *out, int64_t value);
void json_put_float(struct buf *out, double value);

#endif
