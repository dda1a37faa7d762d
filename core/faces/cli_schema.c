#include "faces/cli_schema.h"

#include "base/mem.h"
#include "base/text.h"
#include "faces/cli_value.h"

#include <jansson.h>

#include <stdlib.h>
#include <string.h>

struct schema {
    json_t *root; /* {"type": ...} or {"field": {"type": ...}, ...} */
};

struct schema *schema_new(const char *json)
{
    json_t *root = json ? json_loads(json, 0, NULL) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    struct schema *schema = mem_zero(1, sizeof *schema);
    schema->root = root;
    return schema;
}

void schema_free(struct schema *schema)
{
    if (!schema)
        return;
    json_decref(schema->root);
    free(schema);
}

bool schema_single(const struct schema *schema)
{
    return schema && json_is_string(json_object_get(schema->root, "type"));
}

const char *schema_required(const struct schema *schema, struct buf *names)
{
    const char *only = NULL, *name;
    json_t *field;
    size_t count = 0;
    json_object_foreach(schema->root, name, field)
    {
        if (json_is_true(json_object_get(field, "optional")))
            continue;
        buf_format(names, "%s%s", count++ ? ", " : "", name);
        only = name;
    }
    return count == 1 ? only : NULL;
}

static bool put_number(const char *text, struct buf *out, bool whole, struct buf *why)
{
    int64_t integer;
    double number;
    struct buf json = {0};
    if (text_integer(text, &integer))
        buf_format(&json, "%lld", (long long)integer);
    else if (!whole && text_number(text, &number))
        buf_format(&json, "%.17g", number);
    const bool ok = json.len && value_put_json(out, json.data, json.len, NULL);
    if (!ok)
        buf_text(why, whole ? "not a whole number" : "not a number");
    buf_close(&json);
    return ok;
}

static bool put_boolean(const char *text, struct buf *out, struct buf *why)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return value_put_json(out, text, strlen(text), NULL);
    buf_text(why, "neither true nor false");
    return false;
}

static bool put_json(const char *text, size_t len, struct buf *out, struct buf *why)
{
    struct neap_error err = {0};
    if (value_put_json(out, text, len, &err))
        return true;
    buf_text(why, err.message);
    return false;
}

static bool put_typed(const char *type, const char *text, size_t len, struct buf *out,
                      struct buf *why)
{
    if (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)
        return put_number(text, out, type[0] == 'i', why);
    if (strcmp(type, "boolean") == 0)
        return put_boolean(text, out, why);
    if (strcmp(type, "table") == 0 || strcmp(type, "object") == 0 || strcmp(type, "array") == 0)
        return put_json(text, len, out, why);
    value_put_text(out, text,
                   len); /* strings, and what is written as one: durations, sizes, anything */
    return true;
}

static bool unknown_field(const struct schema *schema, const char *field, struct buf *why)
{
    const size_t count = json_object_size(schema->root);
    const char **names = mem_zero(count + 1, sizeof *names), *name;
    json_t *value;
    size_t i = 0;
    json_object_foreach(schema->root, name, value) names[i++] = name;
    const char *near = text_nearest(field, names, count);
    buf_text(why, "no such argument");
    if (near)
        buf_format(why, " (did you mean %s?)", near);
    free(names);
    return false;
}

bool schema_has(const struct schema *schema, const char *field, struct buf *why)
{
    if (schema_single(schema)) {
        buf_text(why, "the task takes a single value, no named arguments");
        return false;
    }
    return json_object_get(schema->root, field) || unknown_field(schema, field, why);
}

bool schema_convert(const struct schema *schema, const char *field, const char *text, size_t len,
                    struct buf *out, struct buf *why)
{
    if (!schema) {
        value_put_text(out, text, len);
        return true;
    }
    if (!schema_has(schema, field, why))
        return false;
    const json_t *type = json_object_get(json_object_get(schema->root, field), "type");
    struct buf ended = {0};
    buf_put(&ended, text, len);
    const bool ok = put_typed(json_is_string(type) ? json_string_value(type) : "any",
                              buf_string(&ended), len, out, why);
    buf_close(&ended);
    return ok;
}
