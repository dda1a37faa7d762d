#include "model/codec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "model/msgpack.h"
#include "values.h"

static lua_State *L;
static struct buf bytes;
static struct neap_error err;

static int use_null(lua_State *state)
{
    codec_push_null(state);
    return 1;
}

static int use_array(lua_State *state)
{
    codec_push_array_mark(state);
    lua_setmetatable(state, 1);
    lua_settop(state, 1);
    return 1;
}

static void open_state(lua_State *state)
{
    luaL_openlibs(state);
    use_null(state);
    lua_setglobal(state, "null");
    lua_pushcfunction(state, use_array);
    lua_setglobal(state, "array");
}

static int open_test(void **unused)
{
    (void)unused;
    L = luaL_newstate();
    open_state(L);
    memset(&err, 0, sizeof err);
    bytes.len = 0;
    return 0;
}

static int close_test(void **unused)
{
    (void)unused;
    lua_close(L);
    buf_close(&bytes);
    return 0;
}

/* The value of a chunk on the stack, alone. */
static void eval(const char *code)
{
    lua_settop(L, 0);
    if (luaL_dostring(L, code))
        fail_msg("%s", lua_tostring(L, -1));
    lua_settop(L, 1);
}

static void encode_ok(void)
{
    bytes.len = 0;
    if (codec_encode(L, 1, "args", &bytes, &err))
        fail_msg("%s", err.message);
    assert_int_equal(lua_gettop(L), 1);
}

static void assert_bytes(const char *expected, size_t len)
{
    assert_int_equal(bytes.len, len);
    if (len)
        assert_memory_equal(bytes.data, expected, len);
}
#define ENCODES(code, literal) (eval(code), encode_ok(), assert_bytes(literal, sizeof(literal) - 1))

/* The copy is exactly as long as the input, so that ASan sees a read past its end. */
static int decode_copy(const char *data, size_t len)
{
    char *copy = len ? malloc(len) : NULL;
    if (len)
        memcpy(copy, data, len);
    int top = lua_gettop(L);
    int rc = codec_decode(L, copy, len, &err);
    assert_int_equal(lua_gettop(L), rc ? top : top + 1);
    free(copy);
    return rc;
}

/* The bytes decode to what the chunk gives. */
static void decodes(const char *data, size_t len, const char *code)
{
    eval(code);
    if (decode_copy(data, len))
        fail_msg("%s: %s", code, err.message);
    if (!values_same(L, 1, 2))
        fail_msg("does not decode to %s", code);
}
#define DECODES(literal, code) decodes(literal, sizeof(literal) - 1, code)

static void round_trip(const char *code)
{
    eval(code);
    encode_ok();
    if (decode_copy(bytes.data, bytes.len))
        fail_msg("%s: %s", code, err.message);
    if (!values_same(L, 1, 2))
        fail_msg("%s does not come back", code);
}

static void refuses(const char *code, const char *message)
{
    eval(code);
    bytes.len = 0;
    buf_text(&bytes, "kept");
    assert_int_equal(codec_encode(L, 1, "args", &bytes, &err), NEAP_EINVAL);
    assert_string_equal(err.message, message);
    assert_bytes("kept", 4);
    assert_int_equal(lua_gettop(L), 1);
}

static void refuses_bytes(const char *data, size_t len, const char *message)
{
    lua_settop(L, 0);
    assert_int_equal(decode_copy(data, len), NEAP_EINVAL);
    assert_string_equal(err.message, message);
    assert_int_equal(codec_decode(L, data, len, NULL), NEAP_EINVAL);
}
#define REFUSES_BYTES(literal, message) refuses_bytes(literal, sizeof(literal) - 1, message)

static void integers_take_the_shortest_form(void **unused)
{
    (void)unused;
    ENCODES("return 0", "\0");
    ENCODES("return 127", "\x7f");
    ENCODES("return 128", "\xcc\x80");
    ENCODES("return 255", "\xcc\xff");
    ENCODES("return 256", "\xcd\x01\x00");
    ENCODES("return 65535", "\xcd\xff\xff");
    ENCODES("return 65536", "\xce\x00\x01\x00\x00");
    ENCODES("return 0xffffffff", "\xce\xff\xff\xff\xff");
    ENCODES("return 0x100000000", "\xcf\x00\x00\x00\x01\x00\x00\x00\x00");
    ENCODES("return math.maxinteger", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    ENCODES("return -1", "\xff");
    ENCODES("return -32", "\xe0");
    ENCODES("return -33", "\xd0\xdf");
    ENCODES("return -128", "\xd0\x80");
    ENCODES("return -129", "\xd1\xff\x7f");
    ENCODES("return -32768", "\xd1\x80\x00");
    ENCODES("return -32769", "\xd2\xff\xff\x7f\xff");
    ENCODES("return -2147483648", "\xd2\x80\x00\x00\x00");
    ENCODES("return -2147483649", "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff");
    ENCODES("return math.mininteger", "\xd3\x80\x00\x00\x00\x00\x00\x00\x00");
}

static void integers_around_every_power_of_two_come_back(void **unused)
{
    (void)unused;
    for (int shift = 0; shift < 64; shift++) {
        for (int off = -2; off <= 2; off++) {
            for (int sign = 0; sign < 2; sign++) {
                uint64_t value = ((uint64_t)1 << shift) + (uint64_t)(int64_t)off;
                lua_settop(L, 0);
                lua_pushinteger(L, (lua_Integer)(sign ? 0 - value : value));
                encode_ok();
                assert_int_equal(decode_copy(bytes.data, bytes.len), 0);
                assert_true(values_same(L, 1, 2));
            }
        }
    }
}

static void floats_stay_floats(void **unused)
{
    (void)unused;
    ENCODES("return 1.0", "\xcb\x3f\xf0\0\0\0\0\0\0");
    ENCODES("return -0.0", "\xcb\x80\0\0\0\0\0\0\0");
    ENCODES("return math.huge", "\xcb\x7f\xf0\0\0\0\0\0\0");
    round_trip("return {1.0, -0.0, 0.0, 1/0, -1/0, 0/0, 2.0^53, 2.0^63, 5e-324, 0.1, "
               "1.7976931348623157e308}");
}

static void simple_values(void **unused)
{
    (void)unused;
    ENCODES("return nil", "");
    ENCODES("return null", "\xc0");
    ENCODES("return true", "\xc3");
    ENCODES("return false", "\xc2");
    DECODES("", "return nil");
    DECODES("\xc0", "return null");
    DECODES("\xc3", "return true");
    eval("return 1");
    assert_false(codec_is_null(L, 1));
    assert_false(codec_is_null(L, 2));
    eval("return null");
    assert_true(codec_is_null(L, 1));
    lua_settop(L, 0);
    bytes.len = 0;
    assert_int_equal(codec_encode(L, 1, "args", &bytes, &err), NEAP_OK); /* none */
    assert_int_equal(bytes.len, 0);
}

static void strings_of_all_lengths_and_bytes(void **unused)
{
    (void)unused;
    ENCODES("return ''", "\xa0");
    ENCODES("return 'a\\0b'", "\xa3"
                              "a\0b");
    ENCODES("return ('x'):rep(31)", "\xbfxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    ENCODES("return ('x'):rep(32)", "\xd9\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    round_trip("local t = {} for i = 0, 255 do t[#t + 1] = string.char(i) end return "
               "{table.concat(t), t}");
    for (const char *const *n =
             (const char *const[]){"255", "256", "65535", "65536", "1048571", NULL};
         *n; n++) {
        char code[64];
        snprintf(code, sizeof code, "return ('\\0z'):rep(%s):sub(1, %s)", *n, *n);
        round_trip(code);
    }
}

static void a_value_of_exactly_the_limit(void **unused)
{
    (void)unused;
    round_trip("return ('x'):rep(1048571)");
    assert_int_equal(bytes.len, NEAP_VALUE_MAX);
    refuses("return ('x'):rep(1048572)", "args: larger than 1024 KiB");
    refuses("return ('x'):rep(50000000)", "args: larger than 1024 KiB");
    assert_true(bytes.cap <= 4 * NEAP_VALUE_MAX);
    refuses("return {('x'):rep(600000), ('x'):rep(600000)}", "args: larger than 1024 KiB");
    refuses("return {[('x'):rep(600000)] = ('x'):rep(600000)}", "args: larger than 1024 KiB");
    refuses("local t = {} for i = 1, 1048577 do t[i] = 0 end return t",
            "args: larger than 1024 KiB");
    refuses("local t = {} for i = 1, 200000 do t[i] = 1.5 end return t",
            "args: larger than 1024 KiB");
    refuses("local t = {0} for i = 1, 40 do t = {t, t} end return t", "args: larger than 1024 KiB");
    refuses("local t = {} for i = 1, 400000 do t[-i] = true end return t",
            "args: larger than 1024 KiB");
    round_trip("local t = {} for i = 1, 1048571 do t[i] = 0 end return t");
    bytes.len = 0;
    buf_reserve(&bytes, NEAP_VALUE_MAX + 1);
    memset(bytes.data, 0, NEAP_VALUE_MAX + 1);
    refuses_bytes(bytes.data, NEAP_VALUE_MAX + 1, "a value larger than 1024 KiB");
}

static void the_limit_counts_only_this_value(void **unused)
{
    (void)unused;
    eval("return ('x'):rep(1048571)");
    bytes.len = 0;
    assert_int_equal(codec_encode(L, 1, "a", &bytes, &err), 0);
    assert_int_equal(codec_encode(L, 1, "a", &bytes, &err), 0);
    assert_int_equal(bytes.len, 2 * NEAP_VALUE_MAX);
}

static void arrays_and_maps(void **unused)
{
    (void)unused;
    ENCODES("return {}", "\x80");
    ENCODES("return array {}", "\x90");
    ENCODES("return {1, 2, 3}", "\x93\1\2\3");
    ENCODES("return {[3] = 3, [1] = 1, [2] = 2}", "\x93\1\2\3");
    ENCODES("return {{}, {1}}", "\x92\x80\x91\1");
    ENCODES("return {id = 7}", "\x81\xa2id\7");
    ENCODES("return {[true] = null}", "\x81\xc3\xc0");
    ENCODES("return {[0] = 1}", "\x81\0\1");
    ENCODES("return {[2^53] = 1}",
            "\x81\xcf\0\x20\0\0\0\0\0\0\1"); /* Lua made the key an integer */
    ENCODES("return {[-5] = 1}", "\x81\xfb\1");
    ENCODES("return {null, null}", "\x92\xc0\xc0");
    round_trip("return {1, 2, x = 3}");
    round_trip("return {1, {}, x = 3}");
    round_trip("return {[0] = 0, 1, 2}");
    round_trip("return {[1.5] = 1, [-1] = {}, [false] = {a = {b = {c = null}}}, ['a\\0b'] = ''}");
    round_trip("return {array {}, {}, array {1}, {array {array {}}}}");
    round_trip("return {[math.mininteger] = 1, [math.maxinteger] = 2}");
}

static void containers_of_all_sizes(void **unused)
{
    (void)unused;
    for (const char *const *n =
             (const char *const[]){"15", "16", "17", "65535", "65536", "65537", NULL};
         *n; n++) {
        char code[128];
        snprintf(code, sizeof code, "local t = {} for i = 1, %s do t[i] = i %% 100 end return t",
                 *n);
        round_trip(code);
        snprintf(code, sizeof code,
                 "local t = {} for i = 1, %s do t['k' .. i] = i end return {7, t, 'after'}", *n);
        round_trip(code);
        snprintf(code, sizeof code, "local t = {} for i = %s, 1, -1 do t[i] = {} end return t", *n);
        round_trip(code);
    }
}

static void tables_with_holes(void **unused)
{
    (void)unused;
    ENCODES("return {[1000000] = 1}", "\x81\xce\x00\x0f\x42\x40\1");
    round_trip("return {1, nil, 3}");
    round_trip("return {1, nil, 3, nil, nil, 6, {}}");
    round_trip("return {{}, nil, {}}");
    round_trip("local t = {} for i = 1, 1000 do t[i] = i end for i = 2, 900, 7 do t[i] = nil end "
               "return t");
    round_trip(
        "local t = {} for i = 1, 1000 do t[i] = i end for i = 3, 1000 do t[i] = nil end return t");
    ENCODES("return array {1, nil, 3}", "\x93\1\xc0\3");
    ENCODES("return array {[2] = 1}", "\x92\xc0\1");
    ENCODES("return array {[10] = 1}", "\x9a\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\xc0\1");
    refuses("return {list = array {[11] = 1}}",
            "args.list: an array with too many holes (1 values, highest index 11)");
    refuses("return array {[math.maxinteger] = 1}",
            "args: an array with too many holes (1 values, highest index 9223372036854775807)");
    refuses("return array {1, x = 2}", "args.x: not an index of an array");
    refuses("return array {1, [0] = 2}", "args[0]: not an index of an array");
    refuses("return {a = array {1, [1.5] = 2}}", "args.a[1.5]: not an index of an array");
    refuses("return array {1, [-1] = 2}", "args[-1]: not an index of an array");
}

static void what_cannot_cross_is_named(void **unused)
{
    (void)unused;
    refuses("return print", "args: a function cannot cross");
    refuses("return function() end", "args: a function cannot cross");
    refuses("return io.stdout", "args: a userdata cannot cross");
    refuses("return coroutine.create(print)", "args: a coroutine cannot cross");
    refuses("return {user = {list = {1, 2, print}}}", "args.user.list[3]: a function cannot cross");
    refuses("return {user = {list = {{}, 2, print}}}",
            "args.user.list[3]: a function cannot cross");
    refuses("return {{{}, {[-4] = {[true] = {[1.5] = print}}}}}",
            "args[1][2][-4][true][1.5]: a function cannot cross");
    refuses("return {['two words'] = {['a\"\\0\\xff'] = print}}",
            "args[\"two words\"][\"a\\034\\000\\255\"]: a function cannot cross");
    refuses("return {[''] = print}", "args[\"\"]: a function cannot cross");
    refuses("return {[('x'):rep(100)] = print}",
            "args[\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\"]: a function cannot cross");
    refuses("return {a = {[{}] = 1}}", "args.a: a table cannot be a key");
    refuses("return {[print] = 1}", "args: a function cannot be a key");
    refuses("return {[null] = 1}", "args: a userdata cannot be a key");
    refuses("local t = {f = print} for i = 1, 20 do t = {k = t} end return t",
            "args.k.k.k.k.k.k.k ... .k.k.k.k.k.k.f: a function cannot cross");
    eval("return print");
    assert_int_equal(codec_encode(L, 1, "args", &bytes, NULL), NEAP_EINVAL);
    lua_settop(L, 0);
    lua_pushlightuserdata(L, &err);
    assert_int_equal(codec_encode(L, -1, "result", &bytes, &err), NEAP_EINVAL);
    assert_string_equal(err.message, "result: a userdata cannot cross");
}

static void cycles_are_named_shared_tables_are_copied(void **unused)
{
    (void)unused;
    refuses("local t = {} t.me = t return t", "args.me: refers back to args");
    refuses("local t = {} t[1] = t return t", "args[1]: refers back to args");
    refuses("local a = {b = {}} a.b.c = {a.b} return {x = a}",
            "args.x.b.c[1]: refers back to args.x.b");
    refuses("local t = array {} t[1] = {t} return t", "args[1][1]: refers back to args");
    round_trip("local t = {1} return {t, t, {t}}");
}

static void nesting_to_the_limit(void **unused)
{
    (void)unused;
    round_trip("local t = 1 for i = 1, 64 do t = {t} end return t");
    round_trip("local t = 'x' for i = 1, 64 do t = {k = t} end return t");
    round_trip("local t = array {} for i = 1, 63 do t = {k = {}, j = t} t.k = nil end return t");
    refuses("local t = 1 for i = 1, 65 do t = {t} end return t",
            "args[1][1][1][1][1][1][1] ... [1][1][1][1][1][1][1]: nested deeper than 64");
    refuses("local t = {} for i = 1, 64 do t = {k = t} end return t",
            "args.k.k.k.k.k.k.k ... .k.k.k.k.k.k.k: nested deeper than 64");
    refuses("local t = {} for i = 1, 100000 do t = {t} end return t",
            "args[1][1][1][1][1][1][1] ... [1][1][1][1][1][1][1]: nested deeper than 64");
    char nested[70];
    memset(nested, 0x91, sizeof nested);
    nested[64] = 1;
    lua_settop(L, 0);
    assert_int_equal(decode_copy(nested, 65), 0);
    nested[64] = (char)0x91;
    nested[65] = 1;
    refuses_bytes(nested, 66, "malformed value: nested deeper than 64 at byte 65");
    memset(nested, 0x91, sizeof nested);
    nested[64] = (char)0x80;
    refuses_bytes(nested, 65, "malformed value: nested deeper than 64 at byte 65");
}

/* Mixed at every level, items before keys: encoding a level twice would take 2^60 steps. */
static void nesting_of_mixed_tables_takes_no_time(void **unused)
{
    (void)unused;
    round_trip("local t = 1 for i = 1, 60 do t = {1, t, x = 1} end return t");
    round_trip("local t = 1 for i = 1, 60 do t = {1, t, nil, 4} end return t");
    round_trip("local t = 1 for i = 1, 60 do t = {t, x = 1} end return t");
    round_trip("local t = 1 for i = 1, 60 do t = {[2] = 1, [1] = t} end return t");
}

static void metamethods_are_not_called(void **unused)
{
    (void)unused;
    eval("return setmetatable({1, 2, a = 3}, {__index = error, __len = error, __pairs = error, "
         "__name = 'x', __tostring = error})");
    encode_ok();
    round_trip("return {a = 1}");
    eval("return getmetatable(array {})");
    assert_string_equal(lua_tostring(L, 1), "neap.array");
    eval("return pcall(setmetatable, array {}, {})");
    assert_false(lua_toboolean(L, 1));
    ENCODES("return setmetatable({}, {})", "\x80");
}

/* Numbers as keys and values must not turn into strings on the way. */
static void encoding_changes_nothing(void **unused)
{
    (void)unused;
    eval("t = {[1] = 'a', [7] = 'b', [2.5] = 'c', x = 10, y = 1.5} return t");
    encode_ok();
    eval("for k, v in pairs(t) do assert(type(k) == 'number' or k == 'x' or k == 'y') end "
         "assert(math.type(t.x) == 'integer' and math.type(t.y) == 'float') return 1");
}

static void other_forms_are_read(void **unused)
{
    (void)unused;
    DECODES("\xcc\x05", "return 5");
    DECODES("\xcd\x00\x05", "return 5");
    DECODES("\xce\x00\x00\x00\x05", "return 5");
    DECODES("\xcf\0\0\0\0\0\0\0\5", "return 5");
    DECODES("\xd0\x05", "return 5");
    DECODES("\xd0\xff", "return -1");
    DECODES("\xd1\xff\xff", "return -1");
    DECODES("\xd2\xff\xff\xff\xff", "return -1");
    DECODES("\xd3\xff\xff\xff\xff\xff\xff\xff\xff", "return -1");
    DECODES("\xca\x3f\xc0\0\0", "return 1.5");
    DECODES("\xca\x7f\x80\0\0", "return 1/0");
    DECODES("\xd9\x01x", "return 'x'");
    DECODES("\xda\x00\x01x", "return 'x'");
    DECODES("\xdb\0\0\0\1x", "return 'x'");
    DECODES("\xc4\x01x", "return 'x'");
    DECODES("\xc5\x00\x01x", "return 'x'");
    DECODES("\xc6\0\0\0\1x", "return 'x'");
    DECODES("\xdc\x00\x01\x05", "return {5}");
    DECODES("\xdd\0\0\0\1\5", "return {5}");
    DECODES("\xdc\x00\x00", "return array {}");
    DECODES("\xdd\0\0\0\0", "return array {}");
    DECODES("\xde\x00\x01\xd9\x01x\x05", "return {x = 5}");
    DECODES("\xdf\0\0\0\1\xa1x\5", "return {x = 5}");
    DECODES("\xdf\0\0\0\0", "return {}");
    DECODES("\x82\x01\xa1"
            "a\x02\xa1"
            "b",
            "return {'a', 'b'}");
    DECODES("\x81\xca\x3f\xc0\0\0\1", "return {[1.5] = 1}");
}

static void malformed_bytes_are_refused(void **unused)
{
    (void)unused;
    REFUSES_BYTES("\xc1", "malformed value: the byte 0xc1 means nothing at byte 0");
    REFUSES_BYTES("\x91\xc1", "malformed value: the byte 0xc1 means nothing at byte 1");
    REFUSES_BYTES("\xd4\1\1", "malformed value: an extension type at byte 0");
    REFUSES_BYTES("\xc7\1\1\1", "malformed value: an extension type at byte 0");
    REFUSES_BYTES("\xcf\x80\0\0\0\0\0\0\0", "malformed value: an integer beyond 64 bits at byte 0");
    REFUSES_BYTES("\1\1", "malformed value: bytes after the end of the value at byte 1");
    REFUSES_BYTES("\x80\x80", "malformed value: bytes after the end of the value at byte 1");
    REFUSES_BYTES("\x81\xa1", "malformed value: the bytes end too early at byte 0");
    REFUSES_BYTES("\x81\xa3x\1", "malformed value: the bytes end too early at byte 1");
    REFUSES_BYTES("\x81\xc0\1", "malformed value: a key that is nil at byte 2");
    REFUSES_BYTES("\x81\xcb\x7f\xf8\0\0\0\0\0\0\1",
                  "malformed value: a key that is not a number (nan) at byte 10");
    REFUSES_BYTES("\x81\x90\1", "malformed value: a key that is an array or a map at byte 2");
    REFUSES_BYTES("\x81\x81\1\1\1", "malformed value: a key that is an array or a map at byte 2");
}

static void duplicate_keys_are_refused(void **unused)
{
    (void)unused;
    REFUSES_BYTES("\x82\xa1x\1\xa1x\2", "malformed value: a key that came before at byte 6");
    REFUSES_BYTES("\x82\xa1x\1\xd9\1x\2", "malformed value: a key that came before at byte 7");
    REFUSES_BYTES("\x82\xa0\1\xa0\2", "malformed value: a key that came before at byte 4");
    REFUSES_BYTES("\x82\1\1\1\1", "malformed value: a key that came before at byte 4");
    REFUSES_BYTES("\x82\1\1\xcd\0\1\1", "malformed value: a key that came before at byte 6");
    REFUSES_BYTES("\x82\1\xc0\xca\x3f\x80\0\0\1",
                  "malformed value: a key that came before at byte 8"); /* 1 and 1.0 */
    REFUSES_BYTES("\x82\xc2\1\xc2\1", "malformed value: a key that came before at byte 4");
    DECODES("\x82\xc2\1\xc3\1", "return {[true] = 1, [false] = 1}");
    DECODES("\x82\xa2"
            "ab\1\xa2"
            "bb\2",
            "return {ab = 1, bb = 2}");
}

static void keys_alike_but_not_equal(void **unused)
{
    (void)unused;
    round_trip(
        "local t = {} for i = 1, 500 do t['a' .. ('x'):rep(i % 9) .. i .. 'z'] = i end return t");
    round_trip("return {axz = 1, ayz = 2, azz = 3, [1] = 1, ['1'] = 2}");
}

static void huge_promises_allocate_nothing(void **unused)
{
    (void)unused;
    lua_settop(L, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    int before = lua_gc(L, LUA_GCCOUNT, 0);
    lua_gc(L, LUA_GCSTOP, 0);
    REFUSES_BYTES("\xdd\xff\xff\xff\xff", "malformed value: the bytes end too early at byte 0");
    REFUSES_BYTES("\xdf\xff\xff\xff\xff\1\1", "malformed value: the bytes end too early at byte 0");
    REFUSES_BYTES("\xdf\x7f\xff\xff\xff\1\1", "malformed value: the bytes end too early at byte 0");
    REFUSES_BYTES("\xdb\xff\xff\xff\xff", "malformed value: the bytes end too early at byte 0");
    REFUSES_BYTES("\xc6\xff\xff\xff\xff", "malformed value: the bytes end too early at byte 0");
    /* Each level alone would fit the bytes left, all together do not. */
    char *nested = calloc(1, NEAP_VALUE_MAX);
    for (int i = 0; i < 60; i++)
        memcpy(nested + (size_t)i * 5, (const uint8_t[]){0xdd, 0x00, 0x0f, 0x00, 0x00}, 5);
    refuses_bytes(nested, NEAP_VALUE_MAX, "malformed value: the bytes end too early at byte 5");
    free(nested);
    assert_true(lua_gc(L, LUA_GCCOUNT, 0) - before <
                40 * 1024); /* the first level's 983040 slots at most, twice */
    lua_gc(L, LUA_GCRESTART, 0);
}

static void every_cut_is_refused(void **unused)
{
    (void)unused;
    eval("return {a = {1, 2.5, 'text', {b = true}}, n = null, big = 1 << 40, s = ('x'):rep(300)}");
    encode_ok();
    for (size_t len = 1; len < bytes.len; len++) {
        assert_int_equal(decode_copy(bytes.data, len), NEAP_EINVAL);
        assert_non_null(strstr(err.message, "end too early"));
    }
}

static void random_values_come_back(void **unused)
{
    (void)unused;
    uint64_t seed = 20240229;
    struct buf again = {0};
    for (int i = 0; i < 4000; i++) {
        lua_settop(L, 0);
        values_push_random(L, &seed, 4);
        bytes.len = 0;
        if (codec_encode(L, 1, "args", &bytes, &err)) {
            assert_non_null(strstr(err.message, "larger than"));
            continue;
        }
        if (decode_copy(bytes.data, bytes.len))
            fail_msg("round %d: %s", i, err.message);
        if (!values_same(L, 1, 2))
            fail_msg("round %d does not come back", i);
        again.len = 0;
        assert_int_equal(codec_encode(L, 2, "args", &again, &err), 0);
        assert_int_equal(again.len, bytes.len);
    }
    buf_close(&again);
}

static void random_bytes_do_no_harm(void **unused)
{
    (void)unused;
    uint64_t seed = 7;
    for (int i = 0; i < 30000; i++) {
        char data[64];
        size_t len = values_random(&seed) % sizeof data;
        for (size_t k = 0; k < len; k++)
            data[k] = (char)values_random(&seed);
        if (i & 1 && len)
            data[0] = (char)(0x80 | (data[0] & 0x1f));
        lua_settop(L, 0);
        if (decode_copy(data, len) == NEAP_OK) {
            bytes.len = 0;
            assert_int_equal(codec_encode(L, 1, "args", &bytes, &err), 0);
        }
    }
}

static void a_stack_with_little_room(void **unused)
{
    (void)unused;
    eval("local t = {1, {2, {a = {b = array {}}}}} return t");
    for (int filler = 0; filler < 100; filler++) {
        bytes.len = 0;
        assert_int_equal(codec_encode(L, 1, "args", &bytes, &err), 0);
        assert_int_equal(decode_copy(bytes.data, bytes.len), 0);
    }
    lua_settop(L, 1);
    while (lua_checkstack(L, 2))
        lua_pushboolean(L, 1);
    bytes.len = 0;
    assert_int_equal(codec_encode(L, 1, "args", &bytes, &err), NEAP_EIO);
    assert_int_equal(codec_decode(L, "\x91\1", 2, &err), NEAP_EIO);
    assert_string_equal(err.message, "no memory for Lua's stack");
    lua_settop(L, 1);
}

/* Memory that ends at the n-th allocation, for once or for good. */
struct failing {
    long left; /* allocations until it fails; negative: never */
    bool for_good;
    size_t live;
};

static void *failing_alloc(void *user, void *old, size_t old_size, size_t size)
{
    struct failing *f = user;
    old_size = old ? old_size : 0;
    if (size == 0) {
        free(old);
        f->live -= old_size;
        return NULL;
    }
    if (size > old_size && f->left >= 0 && f->left-- == 0) {
        f->left = f->for_good ? 0 : -1;
        return NULL;
    }
    void *grown = realloc(old, size);
    if (grown)
        f->live += size - old_size;
    return grown;
}

static int decode_protected(lua_State *state)
{
    const struct buf *in = lua_touserdata(state, 1);
    struct neap_error mistake;
    if (codec_decode(state, in->data, in->len, &mistake))
        return luaL_error(state, "%s", mistake.message);
    return 1;
}

static void run_short_of_memory(const struct buf *in, bool for_good)
{
    for (long n = 0;; n++) {
        struct failing memory = {-1, for_good, 0};
        lua_State *state = lua_newstate(failing_alloc, &memory);
        lua_pushcfunction(state, decode_protected);
        lua_pushlightuserdata(state, (void *)(uintptr_t)in);
        memory.left = n;
        int rc = lua_pcall(state, 1, 1, 0);
        bool untouched = memory.left > 0;
        if (rc == LUA_OK) { /* encoding never raises, so needs no protection */
            struct buf out = {0};
            memory.left = 0;
            int code = codec_encode(state, -1, "args", &out, NULL);
            assert_true(code == NEAP_OK ? out.len == in->len : code == NEAP_EIO);
            buf_close(&out);
        } else {
            assert_true(rc == LUA_ERRMEM || strstr(lua_tostring(state, -1), "memory"));
        }
        memory.left = -1;
        lua_close(state);
        assert_int_equal(memory.live, 0);
        if (untouched)
            return;
        assert_true(n < 10000);
    }
}

static void memory_that_ends_anywhere(void **unused)
{
    (void)unused;
    eval("local t = {array {}, {}, 'short', ('long'):rep(30), {a = 1, b = {c = {1, 2, {}}}}} "
         "for i = 6, 40 do t[i] = 'item' .. i end local d = {} for i = 1, 50 do d = {d} end t.d = "
         "d return t");
    encode_ok();
    run_short_of_memory(&bytes, false);
    run_short_of_memory(&bytes, true);
}

static void check_integer(int64_t value)
{
    struct buf out = {0};
    int64_t read = 0;
    msgpack_integer(&out, value);
    struct msgpack_reader r = msgpack_reader(out.data, out.len);
    struct msgpack_item item;
    assert_null(msgpack_read(&r, &item));
    assert_true(item.type == MSGPACK_INTEGER && item.integer == value);
    if (msgpack_is_integer(out.data, out.len, &read))
        assert_int_equal(read, value);
    else
        assert_true(value < -32 || value > UINT32_MAX);
    buf_byte(&out, 0); /* one and something else */
    assert_false(msgpack_is_integer(out.data, out.len, &read));
    buf_close(&out);
}

static void a_lone_integer_is_seen(void **unused)
{
    (void)unused;
    for (int64_t value = 1; value; value = (int64_t)((uint64_t)value << 1)) {
        for (int64_t off = -1; off <= 1; off++) {
            check_integer((int64_t)((uint64_t)value + (uint64_t)off));
            check_integer((int64_t)(0 - (uint64_t)value + (uint64_t)off));
        }
    }
    int64_t read;
    assert_false(msgpack_is_integer("", 0, &read));
    for (int tag = 0x80; tag < 0xe0; tag++)
        assert_false(msgpack_is_integer(&(uint8_t){(uint8_t)tag}, 1, &read));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_test, close_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(integers_take_the_shortest_form),
        TEST(integers_around_every_power_of_two_come_back),
        TEST(floats_stay_floats),
        TEST(simple_values),
        TEST(strings_of_all_lengths_and_bytes),
        TEST(a_value_of_exactly_the_limit),
        TEST(the_limit_counts_only_this_value),
        TEST(arrays_and_maps),
        TEST(containers_of_all_sizes),
        TEST(tables_with_holes),
        TEST(what_cannot_cross_is_named),
        TEST(cycles_are_named_shared_tables_are_copied),
        TEST(nesting_to_the_limit),
        TEST(nesting_of_mixed_tables_takes_no_time),
        TEST(metamethods_are_not_called),
        TEST(encoding_changes_nothing),
        TEST(other_forms_are_read),
        TEST(malformed_bytes_are_refused),
        TEST(duplicate_keys_are_refused),
        TEST(keys_alike_but_not_equal),
        TEST(huge_promises_allocate_nothing),
        TEST(every_cut_is_refused),
        TEST(random_values_come_back),
        TEST(random_bytes_do_no_harm),
        TEST(a_stack_with_little_room),
        TEST(memory_that_ends_anywhere),
        TEST(a_lone_integer_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
