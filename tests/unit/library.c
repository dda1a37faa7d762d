#include "base/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct some { /* of libm: there is no test without it */
    double (*floor)(double x);
    double (*ceil)(double x);
};

static const struct library_symbol symbols[] = {
    {"ceil", offsetof(struct some, ceil)},
    {"floor", offsetof(struct some, floor)},
};

static void fills_the_struct_by_name(void **state)
{
    (void)state;
    struct some some = {0};
    struct neap_error err = {0};
    assert_int_equal(library_open("libm.so.6", "no libm", symbols, 2, &some, &err), NEAP_OK);
    assert_true(some.floor(1.5) == 1.0);
    assert_true(some.ceil(1.5) == 2.0);
}

static void says_what_to_install(void **state)
{
    (void)state;
    struct some some = {0};
    struct neap_error err = {0};
    const int rc =
        library_open("libnone.so.9", "libnone is not installed", symbols, 2, &some, &err);
    assert_int_equal(rc, NEAP_EIO);
    assert_non_null(strstr(err.message, "libnone is not installed: libnone.so.9"));
}

static void names_the_symbol_that_is_missing(void **state)
{
    (void)state;
    static const struct library_symbol wrong[] = {{"no_such_function", 0}};
    struct some some = {0};
    struct neap_error err = {0};
    assert_int_equal(library_open("libm.so.6", "no libm", wrong, 1, &some, &err), NEAP_EIO);
    assert_string_equal(err.message, "libm.so.6 has no no_such_function");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_the_struct_by_name),
        cmocka_unit_test(says_what_to_install),
        cmocka_unit_test(names_the_symbol_that_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
