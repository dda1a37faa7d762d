/* JSON at the edges, by way of MessagePack bytes. Parsing by jansson; the writer is ours because jansson prints
 * 0.1 as 0.10000000000000001. inf and nan become null, bad UTF-8 becomes U+FFFD, integer keys become strings. */
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <stddef.h>

#include "base/buf.h"
#include "neap.h"

/* Any JSON value; depth and size as in codec.h. Errors name line and column of the text. Integers beyond 64 bits are an error.
 * `null` at the top becomes 0xc0. */
int json_to_msgpack(const char *text, size_t len, struct buf *out, struct neap_error *err);

/* Compact, one line, object keys in the order of the bytes; integers exact, floats the shortest that reads back the same and
 * always with '.' or 'e' (1.0 stays 1.0). Zero bytes of input are `null`. */
int json_from_msgpack(const void *data, size_t len, struct buf *out, struct neap_error *err);

/* Appends a JSON string literal of any bytes. */
void json_put_string(struct buf *out, const char *text, size_t len);

/* Building MessagePack by hand (stats, schemas). */
void msgpack_map(struct buf *out, size_t pairs);
void msgpack_array(struct buf *out, size_t items);
void msgpack_text(struct buf *out, const char *text, size_t len);
void msgpack_integer(struct buf *out, int64_t value);
void msgpack_float(struct buf *out, double value);
void msgpack_bool(struct buf *out, int value);
void msgpack_nil(struct buf *out);

#endif
