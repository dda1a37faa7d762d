/* -o of the client commands, and documents printed as they came. */
#ifndef FACES_CLIENT_FORMAT_H
#define FACES_CLIENT_FORMAT_H

#include "base/buf.h"
#include "faces/cli_options.h"
#include "faces/json_text.h"

#include <jansson.h>

enum client_format { FORMAT_TABLE, FORMAT_WIDE, FORMAT_JSON, FORMAT_JSONL, FORMAT_NAME };

enum client_format client_format(const struct cli_args *args);

static inline struct json_text json_text_of(const struct buf *body)
{
    return (struct json_text){body->data ? body->data : "", body->len};
}

/* To json_decref; NULL for what jansson cannot hold, such as a key with a NUL. */
json_t *json_read(struct json_text text);
const char *json_word(const json_t *object, const char *name); /* NULL: none, or no text */
int64_t json_whole(const json_t *object, const char *name);    /* 0: none */
int64_t json_time(const json_t *object, const char *name);     /* Unix ms; 0: none */

/* A line: spaces and newlines at the ends taken away, nothing else changed. */
void json_put_line(struct buf *out, struct json_text text);

/* Prints a document by -o: json as it came, jsonl and name each element of its array `list` (NULL:
 * the document itself), by its member `key`. False for a table, which is the caller's. */
bool client_print(struct buf *out, enum client_format format, const struct buf *body,
                  const char *list, const char *key);

#endif
