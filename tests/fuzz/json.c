/* Text that parses must print as text that parses to bytes as long (the keys of objects are sorted
 * by then), and from there on nothing changes any more. */
#include "model/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool sound)
{
    if (!sound)
        abort();
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct buf bytes = {0}, again = {0}, text = {0}, copy = {0};
    struct neap_error err;
    if (json_to_msgpack((const char *)data, len, &bytes, &err) == NEAP_OK) {
        check(json_from_msgpack(bytes.data, bytes.len, &text, &err) == NEAP_OK);
        check(json_to_msgpack(text.data, text.len, &again, &err) == NEAP_OK);
        check(bytes.len == again.len);
        check(json_from_msgpack(again.data, again.len, &copy, &err) == NEAP_OK);
        check(same(&text, &copy));
        bytes.len = 0;
        check(json_to_msgpack(copy.data, copy.len, &bytes, &err) == NEAP_OK);
        check(same(&bytes, &again));
    } else {
        check(bytes.len == 0 && strncmp(err.message, "line ", 5) == 0);
    }
    buf_close(&bytes);
    buf_close(&again);
    buf_close(&text);
    buf_close(&copy);
    return 0;
}
