#include "model/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

/* No value of NEAP_VALUE_MAX needs more text than this, spaces aside: \u0000 is six bytes for one.
 */
#define TEXT_MAX ((size_t)8 * NEAP_VALUE_MAX)

#define STRING(x) #x
#define STRING_OF(x) STRING(x)
static const char too_deep[] = "nested deeper than " STRING_OF(NEAP_DEPTH_MAX);

static void put_escaped(struct buf *out, unsigned char c)
{
    static const char short_forms[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *found = c ? strchr(short_forms, c) : NULL;
    if (found) {
        buf_byte(out, '\\');
        buf_byte(out, (uint8_t)letters[found - short_forms]);
    } else {
        buf_format(out, "\\u%04x", c);
    }
}

void json_put_string(struct buf *out, const char *text, size_t len)
{
    buf_reserve(out, len + 2);
    buf_byte(out, '"');
    for (size_t i = 0; i < len;) {
        size_t from = i;
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80) { /* no ASCII byte is part of a longer sequence: each run stands alone */
            while (i < len && (unsigned char)text[i] >= 0x80)
                i++;
            text_put_utf8(out, text + from, i - from);
        } else if (c < 0x20 || c == '"' || c == '\\') {
            put_escaped(out, c);
            i++;
        } else {
            while (i < len && (c = (unsigned char)text[i]) >= 0x20 && c < 0x80 && c != '"' &&
                   c != '\\')
                i++;
            buf_put(out, text + from, i - from);
        }
    }
    buf_byte(out, '"');
}

/* The process may have a locale with a decimal comma (of several bytes, even): whatever is no part
 * of a number is the point. */
static void put_digits(struct buf *out, const char *digits)
{
    bool has_point = false, has_exponent = false;
    for (const char *c = digits; *c; c++) {
        if ((*c >= '0' && *c <= '9') || *c == '-' || *c == '+') {
            buf_byte(out, (uint8_t)*c);
        } else if (*c == 'e') {
            has_exponent = true;
            buf_byte(out, 'e');
        } else if (!has_point) {
            has_point = true;
            buf_byte(out, '.');
        }
    }
    if (!has_point && !has_exponent)
        buf_text(out, ".0");
}

void json_put_float(struct buf *out, double value)
{
    char digits[48];
    if (!isfinite(value)) {
        buf_text(out, "null");
        return;
    }
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    put_digits(out, digits);
}

void json_put_integer(struct buf *out, int64_t value)
{
    char digits[24], *end = digits + sizeof digits, *at = end;
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--at = '-';
    buf_put(out, at, (size_t)(end - at));
}

/* MessagePack to text. Each function returns NULL or what is wrong with the bytes. */

struct pair {                /* of an object, as printed */
    size_t at, key_len, len; /* in the output; the key without its quotes */
    const char *text;        /* at `at`, once it does not move any more */
};

#define PAIRS_NEAR 32 /* more than that are on the heap */

struct printer { /* on the stack of json_from_msgpack */
    struct buf *out;
    struct msgpack_reader in;
    struct pair *pairs; /* of the objects being printed, the innermost last */
    size_t n_pairs, cap_pairs;
    struct pair near[PAIRS_NEAR];
};

static const char *print_value(struct printer *p, int depth);

static const char *print_key(struct printer *p)
{
    struct msgpack_item key;
    const char *problem = msgpack_read(&p->in, &key);
    if (problem)
        return problem;
    switch (key.type) {
    case MSGPACK_TEXT:
        json_put_string(p->out, key.text, key.len);
        return NULL;
    case MSGPACK_NIL:
        return "a key that is nil";
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        return "a key that is an array or a map";
    default:
        break;
    }
    buf_byte(p->out, '"');
    if (key.type == MSGPACK_INTEGER)
        json_put_integer(p->out, key.integer);
    else if (key.type == MSGPACK_FLOAT)
        json_put_float(p->out, key.number);
    else
        buf_text(p->out, key.integer ? "true" : "false");
    buf_byte(p->out, '"');
    return NULL;
}

static void note_pair(struct printer *p, size_t at, size_t key_len)
{
    if (p->n_pairs == p->cap_pairs) {
        const bool near = p->pairs == p->near;
        p->cap_pairs *= 4;
        p->pairs = mem_grow(near ? NULL : p->pairs, p->cap_pairs, sizeof *p->pairs);
        if (near)
            memcpy(p->pairs, p->near, sizeof p->near);
    }
    p->pairs[p->n_pairs++] = (struct pair){at, key_len, p->out->len - at, NULL};
}

static const char *print_pair(struct printer *p, int depth)
{
    const size_t at = p->out->len;
    const char *problem = print_key(p);
    const size_t key_len = p->out->len - at - 2;
    if (problem)
        return problem;
    buf_byte(p->out, ':');
    problem = print_value(p, depth);
    note_pair(p, at, key_len);
    return problem;
}

static int by_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

/* Equal keys (1 and "1") by the rest, so that the order is the same each time. */
static int by_key(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    const int order = by_bytes(x->text + 1, x->key_len, y->text + 1, y->key_len);
    return order ? order : by_bytes(x->text, x->len, y->text, y->len);
}

/* Puts the pairs from `base` on, the end of the output, into the order of their keys. */
static void arrange(struct printer *p, size_t base)
{
    struct buf *out = p->out;
    struct pair *first = p->pairs + base, *end = p->pairs + p->n_pairs;
    const size_t start = first->at, len = out->len - start;
    buf_reserve(out, len);
    for (struct pair *at = first; at < end; at++)
        at->text = out->data + at->at;
    qsort(first, (size_t)(end - first), sizeof *first, by_key);
    for (const struct pair *at = first; at < end; at++) {
        if (at > first)
            buf_byte(out, ',');
        buf_put(out, at->text, at->len);
    }
    memcpy(out->data + start, out->data + start + len, len);
    out->len = start + len;
}

static bool in_order(const struct printer *p) /* the last two pairs */
{
    const struct pair *a = &p->pairs[p->n_pairs - 2], *b = &p->pairs[p->n_pairs - 1];
    const char *data = p->out->data + 1;
    return by_bytes(data + a->at, a->key_len, data + b->at, b->key_len) < 0;
}

/* As most objects are small or in order already, they are printed first and sorted where need be.
 */
static const char *print_object(struct printer *p, size_t len, int depth)
{
    const size_t base = p->n_pairs;
    bool sorted = true;
    buf_byte(p->out, '{');
    for (size_t i = 0; i < len; i++) {
        if (i)
            buf_byte(p->out, ',');
        const char *problem = print_pair(p, depth);
        if (problem)
            return problem;
        sorted = sorted && (i == 0 || in_order(p));
    }
    if (!sorted)
        arrange(p, base);
    p->n_pairs = base;
    buf_byte(p->out, '}');
    return NULL;
}

static const char *print_array(struct printer *p, size_t len, int depth)
{
    buf_byte(p->out, '[');
    for (size_t i = 0; i < len; i++) {
        if (i)
            buf_byte(p->out, ',');
        const char *problem = print_value(p, depth);
        if (problem)
            return problem;
    }
    buf_byte(p->out, ']');
    return NULL;
}

/* `depth`: of the containers around. */
static const char *print_value(struct printer *p, int depth)
{
    struct msgpack_item item;
    const char *problem = msgpack_read(&p->in, &item);
    if (problem)
        return problem;
    switch (item.type) {
    case MSGPACK_NIL:
        buf_text(p->out, "null");
        break;
    case MSGPACK_BOOL:
        buf_text(p->out, item.integer ? "true" : "false");
        break;
    case MSGPACK_INTEGER:
        json_put_integer(p->out, item.integer);
        break;
    case MSGPACK_FLOAT:
        json_put_float(p->out, item.number);
        break;
    case MSGPACK_TEXT:
        json_put_string(p->out, item.text, item.len);
        break;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP:
        if (depth == NEAP_DEPTH_MAX)
            return too_deep;
        return item.type == MSGPACK_MAP ? print_object(p, item.len, depth + 1)
                                        : print_array(p, item.len, depth + 1);
    }
    return NULL;
}

int json_from_msgpack(const void *data, size_t len, struct buf *out, struct neap_error *err)
{
    if (len == 0) {
        buf_text(out, "null");
        return NEAP_OK;
    }
    struct printer p;
    p.out = out;
    p.in = msgpack_reader(data, len);
    p.pairs = p.near; /* which stays as it is until it is written */
    p.n_pairs = 0;
    p.cap_pairs = PAIRS_NEAR;
    const size_t before = out->len;
    const char *problem = print_value(&p, 0);
    if (p.pairs != p.near)
        free(p.pairs);
    if (!problem && p.in.at != p.in.end)
        problem = "bytes after the end of the value";
    if (!problem)
        return NEAP_OK;
    out->len = before;
    return error_set(err, NEAP_EINVAL, "malformed value: %s at byte %zu", problem,
                     (size_t)(p.in.at - (const uint8_t *)data));
}

/* jansson's tree to MessagePack. */

enum outcome { STORED, TOO_DEEP, TOO_LARGE };

static enum outcome store_value(struct buf *out, size_t limit, json_t *value, int depth);

static enum outcome store_text(struct buf *out, size_t limit, const char *text, size_t len)
{
    if (out->len > limit || len > limit - out->len)
        return TOO_LARGE;
    msgpack_text(out, text, len);
    return STORED;
}

static enum outcome store_object(struct buf *out, size_t limit, json_t *object, int depth)
{
    enum outcome rc = STORED;
    msgpack_map(out, json_object_size(object));
    for (void *i = json_object_iter(object); i && rc == STORED;
         i = json_object_iter_next(object, i)) {
        rc = store_text(out, limit, json_object_iter_key(i), json_object_iter_key_len(i));
        if (rc == STORED)
            rc = store_value(out, limit, json_object_iter_value(i), depth);
    }
    return rc;
}

static enum outcome store_array(struct buf *out, size_t limit, json_t *array, int depth)
{
    enum outcome rc = STORED;
    size_t len = json_array_size(array);
    msgpack_array(out, len);
    for (size_t i = 0; i < len && rc == STORED; i++)
        rc = store_value(out, limit, json_array_get(array, i), depth);
    return rc;
}

static enum outcome store_value(struct buf *out, size_t limit, json_t *value, int depth)
{
    enum outcome rc = STORED;
    json_type type = json_typeof(value);
    if (depth == NEAP_DEPTH_MAX && (type == JSON_OBJECT || type == JSON_ARRAY))
        return TOO_DEEP;
    switch (type) {
    case JSON_OBJECT:
        rc = store_object(out, limit, value, depth + 1);
        break;
    case JSON_ARRAY:
        rc = store_array(out, limit, value, depth + 1);
        break;
    case JSON_STRING:
        rc = store_text(out, limit, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        msgpack_integer(out, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_float(out, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_bool(out, 1);
        break;
    case JSON_FALSE:
        msgpack_bool(out, 0);
        break;
    case JSON_NULL:
        msgpack_nil(out);
        break;
    }
    return rc == STORED && out->len > limit ? TOO_LARGE : rc;
}

static int refuse_at(const char *text, size_t offset, const char *what, struct neap_error *err)
{
    int line = 1, column = 1;
    for (size_t i = 0; i < offset; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) { /* the first byte of a character */
            column++;
        }
    }
    return error_set(err, NEAP_EINVAL, "line %d, column %d: %s", line, column, what);
}

/* Sound JSON text, at least up to where it opens the container that is one too many. */
static int refuse_depth(const char *text, size_t len, struct neap_error *err)
{
    int depth = 0;
    bool in_string = false;
    size_t i = 0;
    for (; i < len; i++) {
        char c = text[i];
        if (c == '"')
            in_string = !in_string;
        else if (in_string && c == '\\')
            i++;
        else if (!in_string && (c == '[' || c == '{') && ++depth > NEAP_DEPTH_MAX)
            break;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return refuse_at(text, i, too_deep, err);
}

static int refuse_text(const char *text, size_t len, const json_error_t *error,
                       struct neap_error *err)
{
    if (json_error_code(error) == json_error_stack_overflow) /* jansson stops at 2048 */
        return refuse_depth(text, len, err);
    return error_set(err, NEAP_EINVAL, "line %d, column %d: %s", error->line, error->column,
                     error->text);
}

int json_to_msgpack(const char *text, size_t len, struct buf *out, struct neap_error *err)
{
    size_t before = out->len;
    if (len > TEXT_MAX)
        return error_set(err, NEAP_EINVAL, "JSON text longer than %zu KiB", TEXT_MAX / 1024);
    if (len == 0)
        return refuse_at(text, 0, "a JSON value expected, found nothing", err);
    const char *nul = memchr(text, 0, len);
    if (nul) /* jansson would take it for the end */
        return refuse_at(text, (size_t)(nul - text), "a NUL byte", err);
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!root)
        return refuse_text(text, len, &error, err);
    enum outcome rc = store_value(out, before + NEAP_VALUE_MAX, root, 0);
    json_decref(root);
    if (rc == STORED)
        return NEAP_OK;
    out->len = before;
    if (rc == TOO_DEEP)
        return refuse_depth(text, len, err);
    return error_set(err, NEAP_EINVAL, "a value larger than %d KiB", NEAP_VALUE_MAX / 1024);
}

char *neap_to_json(const void *msgpack, size_t len)
{
    struct buf out = {0};
    if (json_from_msgpack(msgpack, len, &out, NULL) == NEAP_OK)
        return buf_take(&out);
    buf_close(&out);
    return NULL;
}

void *neap_from_json(const char *json, size_t json_len, size_t *len, struct neap_error *err)
{
    struct buf out = {0};
    if (json_to_msgpack(json, json_len, &out, err)) {
        buf_close(&out);
        return NULL;
    }
    *len = out.len;
    return buf_take(&out);
}
