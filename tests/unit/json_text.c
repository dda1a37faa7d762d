#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "faces/json_text.h"

static struct json_text of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static void is(struct json_text value, const char *wanted)
{
    assert_int_equal(value.len, strlen(wanted));
    assert_memory_equal(value.text, wanted, value.len);
}

static void members_are_found_as_they_came(void **state)
{
    (void)state;
    const char *text = " { \"a\" : 1.0e5 , \"b\":\"x\\\"},\\\\\", \"c\":{\"d\":[1,{\"a\":2}]},"
                       "\"e\" : [ ] ,\"f\":null,\"long\":184467440737095516150}\n";
    struct json_text value;
    const struct {
        const char *name, *wanted;
    } rows[] = {{"a", "1.0e5"},
                {"b", "\"x\\\"},\\\\\""},
                {"c", "{\"d\":[1,{\"a\":2}]}"},
                {"e", "[ ]"},
                {"f", "null"},
                {"long", "184467440737095516150"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(json_text_member(of(text), rows[i].name, &value));
        is(value, rows[i].wanted);
    }
    assert_false(json_text_member(of(text), "d", &value));
    assert_false(json_text_member(of("[1]"), "a", &value));
    assert_false(json_text_member(of("{}"), "a", &value));
    assert_false(json_text_member(of(""), "a", &value));
}

static void elements_come_in_turn(void **state)
{
    (void)state;
    const char *text = "[ {\"a\":[1,2]} ,\"]\", 3]";
    struct json_text value;
    size_t at = 0;
    assert_true(json_text_element(of(text), &at, &value));
    is(value, "{\"a\":[1,2]}");
    assert_true(json_text_element(of(text), &at, &value));
    is(value, "\"]\"");
    assert_true(json_text_element(of(text), &at, &value));
    is(value, "3");
    assert_false(json_text_element(of(text), &at, &value));
    at = 0;
    assert_false(json_text_element(of("[ ]"), &at, &value));
    assert_false(json_text_element(of("{}"), &at, &value));
}

static void what_is_cut_off_ends_at_its_end(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,\"x\\\"y\",{\"b\":2}],\"c\":3}";
    for (size_t len = 0; len < strlen(text); len++) {
        struct json_text value = {0}, part = {text, len};
        size_t at = 0;
        if (json_text_member(part, "c", &value) || json_text_member(part, "a", &value))
            assert_true(value.text >= text && value.text + value.len <= text + len);
        json_text_element(part, &at, &value);
        assert_true(at <= len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_as_they_came),
        cmocka_unit_test(elements_come_in_turn),
        cmocka_unit_test(what_is_cut_off_ends_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
