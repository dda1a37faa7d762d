#include "faces/json_text.h"

#include <string.h>

static size_t skip_space(struct json_text t, size_t at)
{
    while (at < t.len && strchr(" \t\r\n", t.text[at]) && t.text[at])
        at++;
    return at;
}

static size_t skip_string(struct json_text t, size_t at) /* at its first quote */
{
    for (at++; at < t.len && t.text[at] != '"'; at++)
        if (t.text[at] == '\\')
            at++;
    return at < t.len ? at + 1 : t.len;
}

static size_t skip_value(struct json_text t, size_t at)
{
    size_t depth = 0;
    do {
        const char c = at < t.len ? t.text[at] : 0;
        if (c == '"') {
            at = skip_string(t, at);
            continue;
        }
        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth)
            depth--;
        else if (!depth) { /* a number or a word */
            while (at < t.len && !strchr(",]} \t\r\n", t.text[at]))
                at++;
            return at;
        }
        at++;
    } while (depth && at < t.len);
    return at < t.len ? at : t.len;
}

/* The value that begins at or behind `at`; returns where it ends. */
static size_t take_value(struct json_text t, size_t at, struct json_text *value)
{
    const size_t from = skip_space(t, at), to = skip_value(t, from);
    *value = (struct json_text){t.text + from, to - from};
    return to;
}

bool json_text_member(struct json_text object, const char *name, struct json_text *value)
{
    size_t at = skip_space(object, 0);
    const size_t len = strlen(name);
    if (at >= object.len || object.text[at] != '{')
        return false;
    for (;;) {
        const size_t key = skip_space(object, at + 1), end = skip_string(object, key);
        const size_t colon = skip_space(object, end);
        if (key >= object.len || object.text[key] != '"' || colon >= object.len)
            return false;
        const bool same = end - key == len + 2 && memcmp(object.text + key + 1, name, len) == 0;
        at = skip_space(object, take_value(object, colon + 1, value));
        if (same)
            return true;
        if (at >= object.len || object.text[at] != ',')
            return false;
    }
}

bool json_text_element(struct json_text array, size_t *at, struct json_text *value)
{
    const char opener = *at ? ',' : '[';
    const size_t from = skip_space(array, *at);
    if (from >= array.len || array.text[from] != opener)
        return false;
    const size_t first = skip_space(array, from + 1);
    if (first >= array.len || array.text[first] == ']')
        return false;
    *at = take_value(array, first, value);
    return true;
}
