/* Bytes that decode must encode, decode again and be the same value; and print as JSON. */
#include <stdlib.h>

#include "model/codec.h"
#include "model/json.h"
#include "values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool sound)
{
    if (!sound)
        abort();
}

static void print(const uint8_t *data, size_t len, bool decoded)
{
    struct buf text = {0};
    int rc = json_from_msgpack(data, len, &text, NULL);
    check(rc == NEAP_OK || !decoded);
    buf_close(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lua_State *L = luaL_newstate();
    struct neap_error err;
    struct buf bytes = {0}, again = {0};
    int rc = codec_decode(L, data, len, &err);
    check(lua_gettop(L) == (rc ? 0 : 1));
    print(data, len, rc == NEAP_OK);
    if (rc == NEAP_OK) {
        check(codec_encode(L, 1, "fuzz", &bytes, &err) == NEAP_OK);
        check(codec_decode(L, bytes.data, bytes.len, &err) == NEAP_OK);
        check(values_same(L, 1, 2));
        check(codec_encode(L, 2, "fuzz", &again, &err) == NEAP_OK);
        check(again.len == bytes.len);
    }
    buf_close(&bytes);
    buf_close(&again);
    lua_close(L);
    return 0;
}
