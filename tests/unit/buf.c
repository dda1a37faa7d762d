#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void zeroed_is_empty(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_string_equal(buf_string(&b), "");
    assert_int_equal(b.len, 0);
    buf_close(&b);
    assert_null(b.data);
    buf_close(&b);
}

static void takes_bytes_and_text(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_put(&b, NULL, 0);
    assert_null(b.data);
    buf_text(&b, "one");
    buf_byte(&b, 0);
    buf_put(&b, "\xff\n", 2);
    buf_format(&b, "%d %s", 42, "x");
    buf_format(&b, "%s", "");
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "one\0\xff\n42 x", 10);
    buf_close(&b);
}

static void grows_with_what_comes(void **state)
{
    (void)state;
    struct buf b = {0};
    char chunk[700];
    size_t want = 0;
    for (size_t i = 0; i < sizeof chunk; i++)
        chunk[i] = (char)i;
    for (size_t len = 0; len < sizeof chunk; len++) {
        buf_put(&b, chunk, len);
        buf_byte(&b, (uint8_t)len);
        want += len + 1;
        assert_int_equal(b.len, want);
        assert_true(b.cap >= b.len);
        assert_memory_equal(b.data + b.len - len - 1, chunk, len);
        assert_int_equal((uint8_t)b.data[b.len - 1], (uint8_t)len);
    }
    buf_close(&b);
}

static void formats_more_than_its_room(void **state)
{
    (void)state;
    struct buf b = {0};
    char text[5000];
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = 0;
    buf_text(&b, "ab");
    buf_format(&b, "%s!", text);
    assert_int_equal(b.len, 2 + sizeof text);
    assert_int_equal(b.data[b.len - 1], '!');
    buf_close(&b);
}

static void string_ends_without_counting_the_end(void **state)
{
    (void)state;
    struct buf b = {0};
    for (int i = 0; i < 64; i++) /* the first capacity exactly: the NUL needs room */
        buf_byte(&b, 'a');
    assert_int_equal(strlen(buf_string(&b)), 64);
    assert_int_equal(b.len, 64);
    buf_text(&b, "b");
    char *taken = buf_take(&b);
    assert_int_equal(strlen(taken), 65);
    assert_null(b.data);
    assert_int_equal(b.len + b.cap, 0);
    free(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_is_empty),
        cmocka_unit_test(takes_bytes_and_text),
        cmocka_unit_test(grows_with_what_comes),
        cmocka_unit_test(formats_more_than_its_room),
        cmocka_unit_test(string_ends_without_counting_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
