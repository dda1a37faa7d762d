/* What is found in the text of good JSON is what a parser finds there; in bad text nothing is read
 * beyond its end. */
#include "faces/json_text.h"

#include <jansson.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool sound)
{
    if (!sound)
        abort();
}

static void same(struct json_text text, const json_t *wanted)
{
    json_t *value = json_loadb(text.text, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    check(value && json_equal(value, (json_t *)(uintptr_t)wanted));
    json_decref(value);
}

static void compare(struct json_text text, const json_t *whole)
{
    struct json_text value;
    const char *name;
    json_t *member;
    size_t at = 0, i;
    json_object_foreach((json_t *)(uintptr_t)whole, name, member)
    {
        if (!strpbrk(name, "\"\\/") && json_text_member(text, name, &value))
            same(value, member); /* not found: it is written with escapes */
    }
    json_array_foreach(whole, i, member)
    {
        check(json_text_element(text, &at, &value));
        same(value, member);
    }
    check(!json_text_element(text, &at, &value) || json_is_object(whole));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len && memchr(data, 0, len)) /* jansson passes over a NUL between values */
        return 0;
    char *copy = malloc(len ? len : 1); /* exactly so long, for the address sanitizer */
    struct json_text text = {copy, len}, value;
    size_t at = 0;
    if (!copy)
        return 0;
    if (len)
        memcpy(copy, data, len);
    json_t *whole = json_loadb(copy, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (whole)
        compare(text, whole);
    json_text_member(text, "a", &value);
    while (json_text_element(text, &at, &value))
        check(at <= len);
    json_decref(whole);
    free(copy);
    return 0;
}
