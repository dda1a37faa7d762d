/* MessagePack bytes, one item at a time. Writing appends the shortest form; integers stay integers,
 * floats are always 64 bits. Reading takes any form but ext, and never looks past the end. Pure. */
#ifndef MODEL_MSGPACK_H
#define MODEL_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* A map is followed by its keys and values in turn, an array by its items. */
void msgpack_map(struct buf *out, size_t pairs);
void msgpack_array(struct buf *out, size_t items);
void msgpack_float(struct buf *out, double value);
void msgpack_bool(struct buf *out, int value);
void msgpack_nil(struct buf *out);
static inline void msgpack_text(struct buf *out, const char *text, size_t len);
static inline void msgpack_integer(struct buf *out, int64_t value);

/* For a map whose size shows only at its end: where it begins; and its header put there. */
size_t msgpack_map_open(struct buf *out);
void msgpack_map_close(struct buf *out, size_t where, size_t pairs);

#define MSGPACK_SHORT 31 /* bytes of a text that has a header of one byte */

enum msgpack_type {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INTEGER,
    MSGPACK_FLOAT,
    MSGPACK_TEXT,
    MSGPACK_ARRAY,
    MSGPACK_MAP
};

struct msgpack_item {
    enum msgpack_type type;
    size_t len;       /* TEXT: bytes (bin counts as text); ARRAY: items; MAP: pairs */
    const char *text; /* TEXT: inside the input, no NUL after it */
    int64_t integer;  /* INTEGER, BOOL */
    double number;    /* FLOAT */
};

struct msgpack_reader {
    const uint8_t *at, *end;
    size_t owed; /* items still to come: 1 at first, and each takes a byte at least, so that a
                  * container that promises more than the bytes left is refused before anything is
                  * made for it */
};

static inline struct msgpack_reader msgpack_reader(const void *data, size_t len) /* len > 0 */
{
    return (struct msgpack_reader){data, (const uint8_t *)data + len, 1};
}

/* The next item; NULL, or what is wrong with it and then the reader stays before it. Not to be
 * called with owed == 0. */
static inline const char *msgpack_read(struct msgpack_reader *r, struct msgpack_item *item);

/* Are these bytes one integer and nothing else? Not of the forms that only negative ones have. */
static inline bool msgpack_is_integer(const void *data, size_t len, int64_t *out);

/* The long forms behind the inline ones. */
void msgpack_long_text(struct buf *out, const char *text, size_t len);
void msgpack_long_integer(struct buf *out, int64_t value);
const char *msgpack_read_long(struct msgpack_reader *r, struct msgpack_item *item);

static inline void msgpack_text(struct buf *out, const char *text, size_t len)
{
    if (len > MSGPACK_SHORT) {
        msgpack_long_text(out, text, len);
        return;
    }
    if (out->cap - out->len < 1 + MSGPACK_SHORT)
        buf_reserve(out, 1 + MSGPACK_SHORT);
    char *at = out->data + out->len;
    at[0] = (char)(0xa0 | len);
    if (len)
        memcpy(at + 1, text, len);
    out->len += 1 + len;
}

static inline void msgpack_integer(struct buf *out, int64_t value)
{
    if (value >= -32 && value <= 127)
        buf_byte(out, (uint8_t)value);
    else
        msgpack_long_integer(out, value);
}

/* Small integers and short texts are most of what there is. */
static inline const char *msgpack_read(struct msgpack_reader *r, struct msgpack_item *item)
{
    if (r->at == r->end)
        return msgpack_read_long(r, item);
    const uint8_t tag = *r->at;
    if (tag < 0x80 || tag >= 0xe0) {
        item->type = MSGPACK_INTEGER;
        item->integer = (int8_t)tag;
        r->at++;
    } else if ((tag & 0xe0) == 0xa0 && (size_t)(r->end - r->at) > (tag & 0x1fu)) {
        item->type = MSGPACK_TEXT;
        item->text = (const char *)r->at + 1;
        item->len = tag & 0x1f;
        r->at += 1 + item->len;
    } else {
        return msgpack_read_long(r, item);
    }
    r->owed--;
    return NULL;
}

static inline bool msgpack_is_integer(const void *data, size_t len, int64_t *out)
{
    const uint8_t *bytes = data;
    if (len == 1 && (bytes[0] < 0x80 || bytes[0] >= 0xe0))
        *out = (int8_t)bytes[0];
    else if (len == 2 && bytes[0] == 0xcc)
        *out = bytes[1];
    else if (len == 3 && bytes[0] == 0xcd)
        *out = bytes[1] << 8 | bytes[2];
    else if (len == 5 && bytes[0] == 0xce)
        *out = (int64_t)((uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 |
                         (uint32_t)bytes[3] << 8 | bytes[4]);
    else
        return false;
    return true;
}

#endif
