#include "faces/client_format.h"

#include "base/text.h"

#include <string.h>

enum client_format client_format(const struct cli_args *args)
{
    static const char *const words[] = {"table", "wide", "json", "jsonl", "name"};
    const char *word = cli_value(args, "output");
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum client_format)i;
    return FORMAT_TABLE;
}

json_t *json_read(struct json_text text)
{
    return json_loadb(text.text, text.len, JSON_ALLOW_NUL, NULL);
}

const char *json_word(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

int64_t json_whole(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_real(value) ? (int64_t)json_real_value(value) : json_integer_value(value);
}

int64_t json_time(const json_t *object, const char *name)
{
    const char *text = json_word(object, name);
    int64_t ms;
    return text && text_time(text, &ms) ? ms : 0;
}

void json_put_line(struct buf *out, struct json_text text)
{
    while (text.len && strchr(" \r\n\t", text.text[text.len - 1]))
        text.len--;
    buf_put(out, text.text, text.len);
    buf_byte(out, '\n');
}

static void put_name(struct buf *out, struct json_text element, const char *key)
{
    struct json_text value;
    if (json_text_member(element, key, &value) && value.len > 2)
        buf_put(out, value.text + 1, value.len - 2); /* names and ids need no escapes */
    buf_byte(out, '\n');
}

bool client_print(struct buf *out, enum client_format format, const struct buf *body,
                  const char *list, const char *key)
{
    struct json_text all = json_text_of(body), array, element;
    size_t at = 0;
    if (format == FORMAT_TABLE || format == FORMAT_WIDE)
        return false;
    if (format == FORMAT_JSON || (format == FORMAT_JSONL && !list)) {
        json_put_line(out, all);
        return true;
    }
    if (!list) {
        put_name(out, all, key);
        return true;
    }
    if (!json_text_member(all, list, &array))
        array = all;
    while (json_text_element(array, &at, &element)) {
        if (format == FORMAT_JSONL)
            json_put_line(out, element);
        else
            put_name(out, element, key);
    }
    return true;
}
