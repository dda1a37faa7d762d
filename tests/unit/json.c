#include "model/json.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct buf bytes, text;
static struct neap_error err;

static int close_test(void **unused)
{
    (void)unused;
    buf_close(&bytes);
    buf_close(&text);
    return 0;
}

/* The copy is exactly as long as the input, so that ASan sees a read past its end. */
static int parse(const char *json, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    int rc = json_to_msgpack(copy, len, &bytes, &err);
    free(copy);
    return rc;
}

static void parses_to(const char *json, size_t len, const char *expected, size_t expected_len)
{
    bytes.len = 0;
    if (parse(json, len))
        fail_msg("%s: %s", json, err.message);
    assert_int_equal(bytes.len, expected_len);
    assert_memory_equal(bytes.data, expected, expected_len);
}
#define PARSES(json, literal) parses_to(json, sizeof(json) - 1, literal, sizeof(literal) - 1)

static void refuses(const char *json, size_t len, const char *message)
{
    bytes.len = 0;
    buf_text(&bytes, "kept");
    assert_int_equal(parse(json, len), NEAP_EINVAL);
    assert_string_equal(err.message, message);
    assert_int_equal(bytes.len, 4);
    assert_int_equal(json_to_msgpack(json, len, &bytes, NULL), NEAP_EINVAL);
}
#define REFUSES(json, message) refuses(json, sizeof(json) - 1, message)

static void prints_as(const char *data, size_t len, const char *expected, size_t expected_len)
{
    text.len = 0;
    char *copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    if (json_from_msgpack(copy, len, &text, &err))
        fail_msg("%s: %s", expected, err.message);
    free(copy);
    assert_string_equal(buf_string(&text), expected);
    assert_int_equal(text.len, expected_len);
}
#define PRINTS(literal, json) prints_as(literal, sizeof(literal) - 1, json, sizeof(json) - 1)

static void number_prints(double value, const char *expected)
{
    bytes.len = 0;
    msgpack_float(&bytes, value);
    prints_as(bytes.data, bytes.len, expected, strlen(expected));
}

static void round_trip(const char *json)
{
    bytes.len = 0;
    if (parse(json, strlen(json)))
        fail_msg("%s: %s", json, err.message);
    prints_as(bytes.data, bytes.len, json, strlen(json));
}

static void values_of_all_kinds(void **unused)
{
    (void)unused;
    PARSES("null", "\xc0");
    PARSES(" true ", "\xc3");
    PARSES("false\n", "\xc2");
    PARSES("7", "\7");
    PARSES("-1", "\xff");
    PARSES("1.0", "\xcb\x3f\xf0\0\0\0\0\0\0");
    PARSES("1e0", "\xcb\x3f\xf0\0\0\0\0\0\0");
    PARSES("\"a\"", "\xa1"
                    "a");
    PARSES("[]", "\x90");
    PARSES("{}", "\x80");
    PARSES("[1,[2],{}]", "\x93\1\x91\2\x80");
    PARSES("{\"b\":1,\"a\":{\"c\":null}}", "\x82\xa1"
                                           "b\1\xa1"
                                           "a\x81\xa1"
                                           "c\xc0");
    PARSES("9223372036854775807", "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    PARSES("-9223372036854775808", "\xd3\x80\0\0\0\0\0\0\0");
    PARSES("\"\\u0000\\n\\ud83d\\ude00\"", "\xa6\0\n\xf0\x9f\x98\x80");
    PARSES("{\"k\":1,\"j\":2,\"k\":3}", "\x82\xa1k\3\xa1j\2");
}

static void bad_text_is_refused_with_its_place(void **unused)
{
    (void)unused;
    REFUSES("", "line 1, column 1: a JSON value expected, found nothing");
    REFUSES("{\"a\" 1}", "line 1, column 6: ':' expected near '1'");
    REFUSES("[1,\n 2,\n x]", "line 3, column 2: invalid token near 'x'");
    REFUSES("1 2", "line 1, column 3: end of file expected near '2'");
    REFUSES("9223372036854775808", "line 1, column 19: too big integer near '9223372036854775808'");
    REFUSES("-9223372036854775809",
            "line 1, column 20: too big negative integer near '-9223372036854775809'");
    REFUSES("[1e999]", "line 1, column 6: real number overflow near '1e999'");
    REFUSES("{\"a\\u0000b\":1}",
            "line 1, column 11: NUL byte in object key not supported near '\"a\\u0000b\"'");
    assert_int_equal(parse(" ", 1), NEAP_EINVAL);
    assert_int_equal(parse("\"\xff\"", 3), NEAP_EINVAL);
    assert_int_equal(parse("\"\\ud800\"", 8), NEAP_EINVAL);
    assert_int_equal(parse("\"a\nb\"", 5), NEAP_EINVAL);
    REFUSES("1\n2\0", "line 2, column 2: a NUL byte");
    REFUSES("\"\0\"", "line 1, column 2: a NUL byte");
    assert_int_equal(parse("NaN", 3), NEAP_EINVAL);
    assert_int_equal(parse("01", 2), NEAP_EINVAL);
    assert_int_equal(parse("[1,]", 4), NEAP_EINVAL);
}

static void nest(struct buf *out, int depth)
{
    out->len = 0;
    buf_byte(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_byte(out, '[');
    for (int i = 0; i < depth; i++)
        buf_byte(out, ']');
}

static void nesting_to_the_limit(void **unused)
{
    (void)unused;
    struct buf deep = {0};
    nest(&deep, 64);
    bytes.len = 0;
    assert_int_equal(parse(deep.data, deep.len), NEAP_OK);
    nest(&deep, 65);
    refuses(deep.data, deep.len, "line 2, column 65: nested deeper than 64");
    nest(&deep, 100000);
    refuses(deep.data, deep.len, "line 2, column 65: nested deeper than 64");
    deep.len = 0;
    buf_text(&deep, "[\"\xc3\xa9[\\\"[\",[],\n{\"[\":");
    for (int i = 0; i < 63; i++)
        buf_byte(&deep, '[');
    for (int i = 0; i < 63; i++)
        buf_byte(&deep, ']');
    buf_text(&deep, "}]");
    refuses(deep.data, deep.len, "line 2, column 68: nested deeper than 64");
    deep.len = 0;
    for (int i = 0; i < 65; i++)
        buf_byte(&deep, i == 64 ? 0x80 : 0x91);
    assert_int_equal(json_from_msgpack(deep.data, 65, &text, &err), NEAP_EINVAL);
    assert_string_equal(err.message, "malformed value: nested deeper than 64 at byte 65");
    deep.data[63] = (char)0x80;
    assert_int_equal(json_from_msgpack(deep.data, 64, &text, &err), NEAP_OK);
    buf_close(&deep);
}

static void long_values_are_refused(void **unused)
{
    (void)unused;
    struct buf json = {0};
    buf_byte(&json, '"');
    for (int i = 0; i < NEAP_VALUE_MAX - 5; i++)
        buf_byte(&json, 'x');
    buf_byte(&json, '"');
    bytes.len = 0;
    assert_int_equal(parse(json.data, json.len), NEAP_OK);
    assert_int_equal(bytes.len, NEAP_VALUE_MAX);
    json.data[json.len - 1] = 'x';
    buf_byte(&json, '"');
    refuses(json.data, json.len, "a value larger than 1024 KiB");
    json.len = 0;
    buf_byte(&json, '[');
    for (int i = 0; i < 150000; i++)
        buf_text(&json, i ? ",1.5" : "1.5");
    buf_byte(&json, ']');
    refuses(json.data, json.len, "a value larger than 1024 KiB");
    buf_reserve(&json, (size_t)9 * NEAP_VALUE_MAX);
    memset(json.data, ' ', (size_t)9 * NEAP_VALUE_MAX);
    refuses(json.data, (size_t)9 * NEAP_VALUE_MAX, "JSON text longer than 8192 KiB");
    buf_close(&json);
}

static void floats_print_short_and_exact(void **unused)
{
    (void)unused;
    number_prints(0.1, "0.1");
    number_prints(0.1 + 0.2, "0.30000000000000004");
    number_prints(1.0, "1.0");
    number_prints(-1.0, "-1.0");
    number_prints(0.0, "0.0");
    number_prints(-0.0, "-0.0");
    number_prints(1.5, "1.5");
    number_prints(100000.0, "100000.0");
    number_prints(1e15, "1e+15");
    number_prints(1e300, "1e+300");
    number_prints(5e-324, "4.94065645841247e-324");
    number_prints(1.7976931348623157e308, "1.7976931348623157e+308");
    number_prints(9007199254740993.0, "9007199254740992.0");
    number_prints((double)INFINITY, "null");
    number_prints(-(double)INFINITY, "null");
    number_prints((double)NAN, "null");
}

static void random_floats_read_back_the_same(void **unused)
{
    (void)unused;
    uint64_t seed = 42;
    for (int i = 0; i < 20000; i++) {
        double value;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &seed, sizeof value);
        if (!isfinite(value))
            continue;
        bytes.len = text.len = 0;
        json_put_float(&text, value);
        assert_int_equal(parse(text.data, text.len), NEAP_OK);
        struct buf expected = {0};
        msgpack_float(&expected, value);
        assert_int_equal(bytes.len, expected.len);
        assert_memory_equal(bytes.data, expected.data, expected.len);
        buf_close(&expected);
    }
}

static void a_decimal_comma_changes_nothing(void **unused)
{
    (void)unused;
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fa_IR.UTF-8",
                                 "de_DE"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!setlocale(LC_NUMERIC, names[i]))
            continue;
        found = true;
        number_prints(1234.5, "1234.5");
        number_prints(2.0, "2.0");
        number_prints(0.1 + 0.2, "0.30000000000000004");
        number_prints(1.5e300, "1.5e+300");
        round_trip("[0.5,-2.25e-10,1.0]");
    }
    setlocale(LC_NUMERIC, "C");
    if (!found)
        skip();
}

static void integers_print_exactly(void **unused)
{
    (void)unused;
    round_trip(
        "[0,-1,127,128,-33,65536,4294967295,4294967296,9223372036854775807,-9223372036854775808]");
}

static void strings_are_escaped(void **unused)
{
    (void)unused;
    PRINTS("\xa8"
           "\"\\/\b\f\n\r\t",
           "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
    PRINTS("\xa4\0\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\x7f\"");
    PRINTS("\xa7"
           "a\xc3\xa9\xe2\x82\xac"
           "b",
           "\"a\xc3\xa9\xe2\x82\xac"
           "b\"");
    PRINTS("\xa3"
           "a\xff"
           "b",
           "\"a\xef\xbf\xbd"
           "b\"");
    PRINTS("\xa2\xff\xfe", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    PRINTS("\xa2"
           "a\xc3",
           "\"a\xef\xbf\xbd\"");
    text.len = 0;
    json_put_string(&text, NULL, 0);
    assert_string_equal(buf_string(&text), "\"\"");
}

static void every_byte_prints_as_sound_json(void **unused)
{
    (void)unused;
    char all[256 * 3];
    for (int i = 0; i < 256; i++) {
        all[3 * i] = (char)i;
        all[3 * i + 1] = (char)(255 - i);
        all[3 * i + 2] = 'x';
    }
    text.len = bytes.len = 0;
    json_put_string(&text, all, sizeof all);
    assert_int_equal(parse(text.data, text.len), NEAP_OK);
    text.len = 0;
    for (int i = 0; i < 128; i++) { /* ASCII comes back as it was */
        text.len = bytes.len = 0;
        json_put_string(&text, &all[3 * (size_t)i], 1);
        assert_int_equal(parse(text.data, text.len), NEAP_OK);
        assert_int_equal(bytes.len, 2);
        assert_int_equal((unsigned char)bytes.data[1], i);
    }
}

static void keys_become_strings(void **unused)
{
    (void)unused;
    PRINTS("\x81\1\2", "{\"1\":2}");
    PRINTS("\x83\xd3\x80\0\0\0\0\0\0\0\1\xcb\x3f\xf8\0\0\0\0\0\0\2\xc3\3",
           "{\"-9223372036854775808\":1,\"1.5\":2,\"true\":3}");
    PRINTS("\x81\xa3"
           "a\0b\xc2",
           "{\"a\\u0000b\":false}");
}

static void keys_are_sorted(void **unused)
{
    (void)unused;
    PRINTS("\x82\xa1"
           "b\1\xa1"
           "a\2",
           "{\"a\":2,\"b\":1}");
    PRINTS("\x84\xa2"
           "ab\1\xa1"
           "a\2\xa0\3\xa2"
           "a!\4",
           "{\"\":3,\"a\":2,\"a!\":4,\"ab\":1}"); /* the quote behind a key is no part of it */
    PRINTS("\x82\xa1"
           "z\x82\xa1"
           "y\1\xa1"
           "x\2\xa1"
           "a\x93\x82\xa1"
           "d\1\xa1"
           "c\2\3\xa0",
           "{\"a\":[{\"c\":2,\"d\":1},3,\"\"],\"z\":{\"x\":2,\"y\":1}}");
    PRINTS("\x83\1\2\xa1"
           "1\1\1\1",
           "{\"1\":1,\"1\":1,\"1\":2}"); /* one text: by their values then */
}

/* Objects in objects, each in an order of its own. */
static void put_shuffled(int count, int depth)
{
    int keys[200] = {0};
    for (int i = 0; i < count; i++) {
        const int at = rand() % (i + 1);
        keys[i] = keys[at];
        keys[at] = i;
    }
    msgpack_map(&bytes, (size_t)count);
    for (int i = 0; i < count; i++) {
        char key[16];
        msgpack_text(&bytes, key, (size_t)snprintf(key, sizeof key, "k%03d", keys[i]));
        if (depth && keys[i] % 50 == 0)
            put_shuffled(count, depth - 1);
        else
            msgpack_integer(&bytes, keys[i]);
    }
}

static void put_sorted(struct buf *out, int count, int depth)
{
    for (int i = 0; i < count; i++) {
        buf_format(out, "%c\"k%03d\":", i ? ',' : '{', i);
        if (depth && i % 50 == 0)
            put_sorted(out, count, depth - 1);
        else
            buf_format(out, "%d", i);
    }
    buf_byte(out, '}');
}

static void many_keys_are_sorted(void **unused)
{
    (void)unused;
    static const int counts[] = {2, 31, 32, 33, 34, 199};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct buf want = {0};
        bytes.len = text.len = 0;
        put_shuffled(counts[i], 2);
        put_sorted(&want, counts[i], 2);
        buf_text(&text, "before");
        assert_int_equal(json_from_msgpack(bytes.data, bytes.len, &text, &err), NEAP_OK);
        assert_memory_equal(text.data, "before", 6);
        assert_int_equal(text.len - 6, want.len);
        assert_memory_equal(text.data + 6, want.data, want.len);
        assert_int_equal(json_from_msgpack(bytes.data, bytes.len - 1, &text, &err), NEAP_EINVAL);
        assert_int_equal(text.len, want.len + 6);
        buf_close(&want);
    }
}

static void prints_what_was_parsed(void **unused)
{
    (void)unused;
    PRINTS("", "null");
    round_trip("{\"a\":{},\"b\":[],\"c\":[{},[],[null,true,false]],\"d\":{\"x\":{\"y\":\"z\"}}}");
}

static void malformed_bytes_are_refused(void **unused)
{
    (void)unused;
    static const struct {
        const char *data;
        size_t len;
        const char *message;
    } rows[] = {
        {"\xc1", 1, "malformed value: the byte 0xc1 means nothing at byte 0"},
        {"\x81\xc0\1", 3, "malformed value: a key that is nil at byte 2"},
        {"\x81\x90\1", 3, "malformed value: a key that is an array or a map at byte 2"},
        {"\x92\1", 2, "malformed value: the bytes end too early at byte 0"},
        {"\xdd\xff\xff\xff\xff", 5, "malformed value: the bytes end too early at byte 0"},
        {"\1\1", 2, "malformed value: bytes after the end of the value at byte 1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        text.len = 0;
        buf_text(&text, "kept");
        assert_int_equal(json_from_msgpack(rows[i].data, rows[i].len, &text, &err), NEAP_EINVAL);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(text.len, 4);
        assert_null(neap_to_json(rows[i].data, rows[i].len));
    }
}

static void the_public_pair(void **unused)
{
    (void)unused;
    size_t len = 0;
    void *data = neap_from_json("[1, 2.5]", 8, &len, &err);
    assert_int_equal(len, 11);
    char *json = neap_to_json(data, len);
    assert_string_equal(json, "[1,2.5]");
    free(json);
    free(data);
    json = neap_to_json(NULL, 0);
    assert_string_equal(json, "null");
    free(json);
    assert_null(neap_from_json("[", 1, &len, &err));
    assert_string_equal(err.message, "line 1, column 1: ']' expected near end of file");
}

static void building_by_hand(void **unused)
{
    (void)unused;
    for (size_t pairs = 0; pairs < 70000; pairs = pairs < 20 ? pairs + 1 : pairs * 5) {
        bytes.len = 0;
        buf_text(&bytes, "before");
        size_t where = msgpack_map_open(&bytes);
        struct buf known = {0};
        buf_text(&known, "before");
        msgpack_map(&known, pairs);
        for (size_t i = 0; i < pairs; i++) {
            msgpack_integer(&bytes, (int64_t)i);
            msgpack_nil(&bytes);
            msgpack_integer(&known, (int64_t)i);
            msgpack_nil(&known);
        }
        msgpack_map_close(&bytes, where, pairs);
        assert_int_equal(bytes.len, known.len);
        assert_memory_equal(bytes.data, known.data, known.len);
        buf_close(&known);
    }
    bytes.len = 0;
    msgpack_map(&bytes, 2);
    msgpack_text(&bytes, "list", 4);
    msgpack_array(&bytes, 3);
    msgpack_integer(&bytes, -200);
    msgpack_float(&bytes, 0.25);
    msgpack_bool(&bytes, 1);
    msgpack_text(&bytes, "none", 4);
    msgpack_nil(&bytes);
    prints_as(bytes.data, bytes.len, "{\"list\":[-200,0.25,true],\"none\":null}", 37);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(values_of_all_kinds),
        TEST(bad_text_is_refused_with_its_place),
        TEST(nesting_to_the_limit),
        TEST(long_values_are_refused),
        TEST(floats_print_short_and_exact),
        TEST(random_floats_read_back_the_same),
        TEST(a_decimal_comma_changes_nothing),
        TEST(integers_print_exactly),
        TEST(strings_are_escaped),
        TEST(every_byte_prints_as_sound_json),
        TEST(keys_become_strings),
        TEST(keys_are_sorted),
        TEST(many_keys_are_sorted),
        TEST(prints_what_was_parsed),
        TEST(malformed_bytes_are_refused),
        TEST(the_public_pair),
        TEST(building_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
