#include "faces/cli_value.h"

#include "base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void put_big_endian(struct buf *out, uint8_t type, uint64_t number, int bytes)
{
    buf_byte(out, type);
    while (bytes--)
        buf_byte(out, (uint8_t)(number >> (8 * bytes)));
}

void value_put_text(struct buf *out, const char *text, size_t len)
{
    if (len < 32)
        buf_byte(out, (uint8_t)(0xa0 | len));
    else if (len <= UINT8_MAX)
        put_big_endian(out, 0xd9, len, 1);
    else if (len <= UINT16_MAX)
        put_big_endian(out, 0xda, len, 2);
    else
        put_big_endian(out, 0xdb, len, 4);
    buf_put(out, text, len);
}

void value_put_map(struct buf *out, size_t pairs)
{
    if (pairs < 16)
        buf_byte(out, (uint8_t)(0x80 | pairs));
    else
        put_big_endian(out, 0xde, pairs, 2);
}

bool value_put_json(struct buf *out, const char *json, size_t len, struct neap_error *err)
{
    size_t size;
    void *data = neap_from_json(json, len, &size, err);
    if (!data)
        return false;
    buf_put(out, data, size);
    free(data);
    return true;
}

bool value_text(const void *data, size_t len, const char **text, size_t *text_len)
{
    const uint8_t *p = data;
    size_t head = 1, size = 0;
    if (len == 0)
        return false;
    if (p[0] >= 0xa0 && p[0] <= 0xbf)
        size = p[0] & 31;
    else if ((p[0] >= 0xd9 && p[0] <= 0xdb) || (p[0] >= 0xc4 && p[0] <= 0xc6))
        head += (size_t)1 << (p[0] >= 0xd9 ? p[0] - 0xd9 : p[0] - 0xc4);
    else
        return false;
    if (len < head)
        return false;
    for (size_t i = 1; i < head; i++)
        size = size << 8 | p[i];
    if (len - head != size)
        return false;
    *text = (const char *)p + head;
    *text_len = size;
    return true;
}

void value_json(struct buf *out, const void *msgpack, size_t len)
{
    char *json = msgpack ? neap_to_json(msgpack, len) : NULL;
    buf_text(out, json ? json : "null");
    free(json);
}

void value_json_text(struct buf *out, const char *text, size_t len)
{
    struct buf value = {0};
    if (text)
        value_put_text(&value, text, len);
    value_json(out, value.data, value.len);
    buf_close(&value);
}

void value_result(struct buf *out, const void *msgpack, size_t len)
{
    const char *text;
    size_t text_len;
    if (!msgpack || (len == 1 && *(const uint8_t *)msgpack == 0xc0))
        return;
    if (!value_text(msgpack, len, &text, &text_len)) {
        value_json(out, msgpack, len);
        buf_byte(out, '\n');
        return;
    }
    buf_put(out, text, text_len);
    if (text_len == 0 || text[text_len - 1] != '\n')
        buf_byte(out, '\n');
}

/* The longest start of at most `max` bytes that does not end inside a UTF-8 sequence. */
static size_t cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t at = max;
    while (at > 0 && max - at < 3 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

static void put_control(struct buf *out, unsigned char c)
{
    switch (c) {
    case '\n':
        buf_text(out, "\\n");
        break;
    case '\t':
        buf_text(out, "\\t");
        break;
    case '\r':
        buf_text(out, "\\r");
        break;
    case '\\':
        buf_text(out, "\\\\");
        break;
    default:
        buf_format(out, "\\x%02x", c);
    }
}

void value_shown(struct buf *out, const char *text, size_t len, size_t max)
{
    const size_t end = max ? cut(text, len, max) : len;
    for (size_t i = 0; i < end; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            put_control(out, c);
        else
            buf_byte(out, c);
    }
    if (end < len)
        buf_text(out, "...");
}
