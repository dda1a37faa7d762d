#include "model/msgpack.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static const char cut_short[] = "the bytes end too early";

/* The tag and the low `bytes` bytes of `value`, highest first. */
static inline void put_tagged(struct buf *out, uint8_t tag, uint64_t value, unsigned bytes)
{
    if (out->cap - out->len < 9)
        buf_reserve(out, 9);
    uint64_t big = htobe64(value << (64 - 8 * bytes));
    out->data[out->len] = (char)tag;
    memcpy(out->data + out->len + 1, &big, sizeof big);
    out->len += 1 + bytes;
}

void msgpack_long_integer(struct buf *out, int64_t value)
{
    uint64_t bits = (uint64_t)value;
    if (value >= -32 && value <= 127)
        buf_byte(out, (uint8_t)value);
    else if (value >= 0 ? value <= UINT8_MAX : value >= INT8_MIN)
        put_tagged(out, value >= 0 ? 0xcc : 0xd0, bits, 1);
    else if (value >= 0 ? value <= UINT16_MAX : value >= INT16_MIN)
        put_tagged(out, value >= 0 ? 0xcd : 0xd1, bits, 2);
    else if (value >= 0 ? value <= UINT32_MAX : value >= INT32_MIN)
        put_tagged(out, value >= 0 ? 0xce : 0xd2, bits, 4);
    else
        put_tagged(out, value >= 0 ? 0xcf : 0xd3, bits, 8);
}

void msgpack_long_text(struct buf *out, const char *text, size_t len)
{
    assert(len <= UINT32_MAX);
    if (len <= 31)
        buf_byte(out, (uint8_t)(0xa0 | len));
    else if (len <= UINT8_MAX)
        put_tagged(out, 0xd9, len, 1);
    else if (len <= UINT16_MAX)
        put_tagged(out, 0xda, len, 2);
    else
        put_tagged(out, 0xdb, len, 4);
    buf_put(out, text, len);
}

/* Headers of containers: up to 15 in the byte `small`, else 16 bits after `large`, else 32 after
 * large + 1. */
static void put_count(struct buf *out, uint8_t small, uint8_t large, size_t count)
{
    assert(count <= UINT32_MAX);
    if (count <= 15)
        buf_byte(out, (uint8_t)(small | count));
    else if (count <= UINT16_MAX)
        put_tagged(out, large, count, 2);
    else
        put_tagged(out, (uint8_t)(large + 1), count, 4);
}

void msgpack_map(struct buf *out, size_t pairs)
{
    put_count(out, 0x80, 0xde, pairs);
}

void msgpack_array(struct buf *out, size_t items)
{
    put_count(out, 0x90, 0xdc, items);
}

size_t msgpack_map_open(struct buf *out)
{
    buf_byte(out, 0x80);
    return out->len - 1;
}

void msgpack_map_close(struct buf *out, size_t where, size_t pairs)
{
    if (pairs <= 15) {
        out->data[where] = (char)(0x80 | pairs);
        return;
    }
    char bytes[9];
    struct buf header = {bytes, 0, sizeof bytes};
    put_count(&header, 0x80, 0xde, pairs);
    size_t more = header.len - 1, body = out->len - where - 1;
    buf_reserve(out, more);
    memmove(out->data + where + header.len, out->data + where + 1, body);
    memcpy(out->data + where, bytes, header.len);
    out->len += more;
}

void msgpack_float(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_tagged(out, 0xcb, bits, 8);
}

void msgpack_bool(struct buf *out, int value)
{
    buf_byte(out, value ? 0xc3 : 0xc2);
}

void msgpack_nil(struct buf *out)
{
    buf_byte(out, 0xc0);
}

/* The unsigned number of `bytes` bytes after the tag; false if they are not there. */
static inline bool get_number(const struct msgpack_reader *r, unsigned bytes, uint64_t *out)
{
    if ((size_t)(r->end - r->at) < 1 + (size_t)bytes)
        return false;
    uint64_t value = 0;
    for (unsigned i = 1; i <= bytes; i++)
        value = value << 8 | r->at[i];
    *out = value;
    return true;
}

static const char *read_text(struct msgpack_reader *r, struct msgpack_item *item, size_t header,
                             uint64_t len)
{
    size_t left = (size_t)(r->end - r->at) - header;
    if (len > left)
        return cut_short;
    item->type = MSGPACK_TEXT;
    item->text = (const char *)r->at + header;
    item->len = (size_t)len;
    r->at += header + len;
    r->owed--;
    return NULL;
}

static const char *read_count(struct msgpack_reader *r, struct msgpack_item *item,
                              enum msgpack_type type, size_t header, uint64_t count)
{
    size_t left = (size_t)(r->end - r->at) - header;
    size_t items = type == MSGPACK_MAP ? 2 * (size_t)count : (size_t)count, owed = r->owed - 1;
    if (owed > left || items > left - owed)
        return cut_short;
    item->type = type;
    item->len = (size_t)count;
    r->at += header;
    r->owed = owed + items;
    return NULL;
}

static const char *read_integer(struct msgpack_reader *r, struct msgpack_item *item, unsigned bytes,
                                bool is_signed)
{
    uint64_t value;
    if (!get_number(r, bytes, &value))
        return cut_short;
    if (!is_signed && value > INT64_MAX)
        return "an integer beyond 64 bits";
    unsigned unused = 64 - 8 * bytes;
    item->type = MSGPACK_INTEGER;
    item->integer = is_signed ? (int64_t)(value << unused) >> unused : (int64_t)value;
    r->at += 1 + bytes;
    r->owed--;
    return NULL;
}

static const char *read_float(struct msgpack_reader *r, struct msgpack_item *item, unsigned bytes)
{
    uint64_t bits;
    if (!get_number(r, bytes, &bits))
        return cut_short;
    item->type = MSGPACK_FLOAT;
    if (bytes == 4) {
        float small;
        memcpy(&small, &(uint32_t){(uint32_t)bits}, sizeof small);
        item->number = (double)small;
    } else {
        memcpy(&item->number, &bits, sizeof bits);
    }
    r->at += 1 + bytes;
    r->owed--;
    return NULL;
}

static const char *read_simple(struct msgpack_reader *r, struct msgpack_item *item,
                               enum msgpack_type type, int value)
{
    item->type = type;
    item->integer = value;
    r->at++;
    r->owed--;
    return NULL;
}

/* The length of a text or a container stands in `bytes` bytes after the tag. */
static const char *read_sized(struct msgpack_reader *r, struct msgpack_item *item,
                              enum msgpack_type type, unsigned bytes)
{
    uint64_t len;
    if (!get_number(r, bytes, &len))
        return cut_short;
    if (type == MSGPACK_TEXT)
        return read_text(r, item, 1 + bytes, len);
    return read_count(r, item, type, 1 + bytes, len);
}

/* Tags 0xc0 to 0xdf. */
static const char *read_tagged(struct msgpack_reader *r, struct msgpack_item *item)
{
    const uint8_t tag = *r->at;
    switch (tag) {
    case 0xc0:
        return read_simple(r, item, MSGPACK_NIL, 0);
    case 0xc1:
        return "the byte 0xc1 means nothing";
    case 0xc2:
    case 0xc3:
        return read_simple(r, item, MSGPACK_BOOL, tag & 1);
    case 0xc4:
    case 0xc5:
    case 0xc6: /* bin */
        return read_sized(r, item, MSGPACK_TEXT, 1u << (tag - 0xc4));
    case 0xca:
    case 0xcb:
        return read_float(r, item, tag == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return read_integer(r, item, 1u << (tag - 0xcc), false);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return read_integer(r, item, 1u << (tag - 0xd0), true);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return read_sized(r, item, MSGPACK_TEXT, 1u << (tag - 0xd9));
    case 0xdc:
    case 0xdd:
        return read_sized(r, item, MSGPACK_ARRAY, tag == 0xdc ? 2 : 4);
    case 0xde:
    case 0xdf:
        return read_sized(r, item, MSGPACK_MAP, tag == 0xde ? 2 : 4);
    default:
        return "an extension type";
    }
}

const char *msgpack_read_long(struct msgpack_reader *r, struct msgpack_item *item)
{
    if (r->at == r->end)
        return cut_short;
    const uint8_t tag = *r->at;
    if (tag < 0x80 || tag >= 0xe0)
        return read_simple(r, item, MSGPACK_INTEGER, (int8_t)tag);
    if (tag >= 0xc0)
        return read_tagged(r, item);
    if (tag >= 0xa0)
        return read_text(r, item, 1, tag & 0x1f);
    return read_count(r, item, tag < 0x90 ? MSGPACK_MAP : MSGPACK_ARRAY, 1, tag & 0x0f);
}
