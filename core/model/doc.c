#include "model/doc.h"

#include "base/text.h"
#include "model/json.h"
#include "neap.h"

#include <string.h>

/* No string ends in one of these two, since it ends in a quote. */
static void begin(struct buf *out, const char *key)
{
    const char last = out->len ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        buf_byte(out, ',');
    if (!key)
        return;
    json_put_string(out, key, strlen(key));
    buf_byte(out, ':');
}

void doc_open(struct buf *out, const char *key)
{
    begin(out, key);
    buf_byte(out, '{');
}

void doc_close(struct buf *out)
{
    buf_byte(out, '}');
}

void doc_array(struct buf *out, const char *key)
{
    begin(out, key);
    buf_byte(out, '[');
}

void doc_array_close(struct buf *out)
{
    buf_byte(out, ']');
}

void doc_text_n(struct buf *out, const char *key, const char *text, size_t len)
{
    begin(out, key);
    json_put_string(out, text, len);
}

void doc_text(struct buf *out, const char *key, const char *text)
{
    if (text)
        doc_text_n(out, key, text, strlen(text));
}

void doc_integer(struct buf *out, const char *key, int64_t value)
{
    begin(out, key);
    json_put_integer(out, value);
}

void doc_float(struct buf *out, const char *key, double value)
{
    begin(out, key);
    json_put_float(out, value);
}

void doc_bool(struct buf *out, const char *key, bool value)
{
    begin(out, key);
    buf_text(out, value ? "true" : "false");
}

void doc_null(struct buf *out, const char *key)
{
    begin(out, key);
    buf_text(out, "null");
}

void doc_time(struct buf *out, const char *key, int64_t ms)
{
    if (!ms)
        return;
    begin(out, key);
    buf_byte(out, '"');
    text_put_time(out, ms);
    buf_byte(out, '"');
}

void doc_id(struct buf *out, const char *key, uint64_t id)
{
    char text[NEAP_ID_CHARS + 1];
    if (!id)
        return;
    neap_id_text(id, text);
    doc_text(out, key, text);
}

void doc_value(struct buf *out, const char *key, const void *msgpack, size_t len)
{
    if (!msgpack || !len)
        return;
    begin(out, key);
    if (json_from_msgpack(msgpack, len, out, NULL)) /* never: it was checked on its way in */
        buf_text(out, "null");
}

void doc_json(struct buf *out, const char *key, const char *json)
{
    if (!json)
        return;
    begin(out, key);
    buf_text(out, json);
}
