#include "model/unique.h"

#include "base/error.h"
#include "base/siphash.h"
#include "model/json.h"
#include "model/msgpack.h"

#include <string.h>

_Static_assert(JOB_KEY_BYTES == SIPHASH_BYTES, "the key is the hash");

/* Moves past one whole value. The bytes have been checked. */
static bool skip(struct msgpack_reader *r)
{
    struct msgpack_item item;
    for (size_t left = 1; left > 0; left--) {
        if (msgpack_read(r, &item))
            return false;
        left += item.type == MSGPACK_MAP ? 2 * item.len : item.type == MSGPACK_ARRAY ? item.len : 0;
    }
    return true;
}

/* The bytes of the field's value, or nothing where it is absent. */
static void find_field(const void *args, size_t len, const char *field, const uint8_t **value,
                       size_t *value_len)
{
    struct msgpack_reader r = msgpack_reader(args, len);
    struct msgpack_item map = {0}, key;
    *value_len = 0;
    if (msgpack_read(&r, &map))
        return;
    for (size_t i = 0; i < map.len; i++) {
        if (msgpack_read(&r, &key))
            return;
        const uint8_t *from = r.at;
        if (!skip(&r))
            return;
        if (key.type == MSGPACK_TEXT && key.len == strlen(field) &&
            memcmp(key.text, field, key.len) == 0) {
            *value = from;
            *value_len = (size_t)(r.at - from);
        }
    }
}

/* As JSON: its keys are sorted. */
static int put_fields(struct buf *out, const void *args, size_t len, const struct unique_by *by,
                      struct neap_error *err)
{
    struct msgpack_item top = {.type = MSGPACK_MAP};
    struct msgpack_reader r = {0};
    if (len) {
        r = msgpack_reader(args, len);
        msgpack_read(&r, &top);
    }
    if (top.type != MSGPACK_MAP && !(top.type == MSGPACK_ARRAY && top.len == 0))
        return error_set(err, NEAP_EINVAL, "unique: `by` names arguments, but they are no table");
    for (size_t i = 0; i < by->n_fields; i++) {
        const uint8_t *value = NULL;
        size_t value_len = 0;
        if (len)
            find_field(args, len, by->fields[i], &value, &value_len);
        json_put_string(out, by->fields[i], strlen(by->fields[i]));
        buf_byte(out, value_len ? ':' : '-');
        if (value_len && json_from_msgpack(value, value_len, out, err))
            return NEAP_EINVAL;
        buf_byte(out, ',');
    }
    return NEAP_OK;
}

int unique_key(const char *task, const void *args, size_t args_len, const struct unique_by *by,
               unsigned char out[JOB_KEY_BYTES], struct neap_error *err)
{
    struct buf text = {0};
    int rc = NEAP_OK;
    buf_text(&text, task);
    buf_byte(&text, by->text ? '=' : by->n_fields ? '.' : '*');
    if (by->text)
        buf_put(&text, by->text, by->text_len);
    else if (by->n_fields)
        rc = put_fields(&text, args, args_len, by, err);
    else if (args_len)
        rc = json_from_msgpack(args, args_len, &text, err);
    siphash(text.data, text.len, out);
    buf_close(&text);
    return rc;
}
