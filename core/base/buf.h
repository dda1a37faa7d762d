/* A growing byte buffer. Owned by one thread; zeroed is empty. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct buf {
    char *data; /* NULL while empty */
    size_t len, cap;
};

void buf_close(struct buf *b); /* frees, leaves it empty */
void buf_reserve(struct buf *b, size_t more);
void buf_text(struct buf *b, const char *text);
void buf_format(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *buf_string(struct buf *b); /* NUL-terminated contents (the NUL is not counted); borrowed */
char *buf_take(struct buf *b);   /* the same, to free(); the buffer is empty after it */

static inline void buf_put(struct buf *b, const void *data, size_t len)
{
    if (b->cap - b->len < len)
        buf_reserve(b, len);
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

static inline void buf_byte(struct buf *b, uint8_t byte)
{
    if (b->cap == b->len)
        buf_reserve(b, 1);
    b->data[b->len++] = (char)byte;
}

#endif
