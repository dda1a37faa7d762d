/* Writing JSON documents by hand, in order: commas come by themselves. `key` NULL: an item of an
 * array. What has nothing to say (NULL text, time 0) is left out. Pure. */
#ifndef MODEL_DOC_H
#define MODEL_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

void doc_open(struct buf *out, const char *key);  /* {  */
void doc_close(struct buf *out);                  /* }  */
void doc_array(struct buf *out, const char *key); /* [  */
void doc_array_close(struct buf *out);            /* ]  */

void doc_text(struct buf *out, const char *key, const char *text);
void doc_text_n(struct buf *out, const char *key, const char *text, size_t len);
void doc_integer(struct buf *out, const char *key, int64_t value);
void doc_float(struct buf *out, const char *key, double value);
void doc_bool(struct buf *out, const char *key, bool value);
void doc_null(struct buf *out, const char *key);
void doc_time(struct buf *out, const char *key, int64_t ms); /* Unix ms as RFC 3339 */
void doc_id(struct buf *out, const char *key, uint64_t id);  /* 0: left out */
/* A value of MessagePack; NULL: left out. */
void doc_value(struct buf *out, const char *key, const void *msgpack, size_t len);
void doc_json(struct buf *out, const char *key, const char *json); /* as it is */

#endif
