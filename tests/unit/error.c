#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void fills_and_returns_the_code(void **state)
{
    (void)state;
    struct neap_error err = {0};
    assert_int_equal(error_set(&err, NEAP_ENOENT, "no task %s (%d)", "a.b", 3), NEAP_ENOENT);
    assert_int_equal(err.code, NEAP_ENOENT);
    assert_string_equal(err.message, "no task a.b (3)");
}

static void cuts_what_does_not_fit(void **state)
{
    (void)state;
    struct neap_error err;
    char text[3000];
    memset(&err, 0x55, sizeof err);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    error_set(&err, NEAP_EINVAL, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void may_have_nobody_to_tell(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, NEAP_EIO, "%d", 1), NEAP_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_and_returns_the_code),
        cmocka_unit_test(cuts_what_does_not_fit),
        cmocka_unit_test(may_have_nobody_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
