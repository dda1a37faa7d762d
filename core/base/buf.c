#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void buf_close(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_reserve(struct buf *b, size_t more)
{
    if (b->cap - b->len >= more)
        return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap - b->len < more)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    b->data = mem_grow(b->data, cap, 1);
    b->cap = cap;
}

void buf_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_format(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    buf_reserve(b, 32); /* mostly there is room, and it is done once */
    const int len = vsnprintf(b->data + b->len, b->cap - b->len, format, args);
    va_end(args);
    if (len > 0) {
        if ((size_t)len >= b->cap - b->len) {
            buf_reserve(b, (size_t)len + 1);
            vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
        }
        b->len += (size_t)len;
    }
    va_end(again);
}

char *buf_string(struct buf *b)
{
    buf_reserve(b, 1);
    b->data[b->len] = 0;
    return b->data;
}

char *buf_take(struct buf *b)
{
    char *data = buf_string(b);
    *b = (struct buf){0};
    return data;
}
