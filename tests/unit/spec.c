/* neap_test as a host calls it: results, limits, what a runaway spec costs. */
#include "neap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    int kinds[4];
    char last[200], message[400];
    char printed[64];
};

static void on_result(void *user, const struct neap_test_result *result)
{
    struct seen *seen = user;
    seen->kinds[result->kind]++;
    snprintf(seen->last, sizeof seen->last, "%s", result->name);
    if (result->message)
        snprintf(seen->message, sizeof seen->message, "%s", result->message);
}

static void on_print(void *user, const char *text, size_t len)
{
    struct seen *seen = user;
    snprintf(seen->printed, sizeof seen->printed, "%.*s", (int)len, text);
}

static int run_spec(const char *text, struct seen *seen, int64_t limit_ms)
{
    neap *n;
    struct neap_error err;
    char dir[] = "/tmp/neap-spec-XXXXXX", path[64];
    const char *paths[] = {path};
    const struct neap_options options = {.size = sizeof options};
    const struct neap_test_options test = {
        .size = sizeof test,
        .paths = paths,
        .n_paths = 1,
        .limit_ms = limit_ms,
        .user = seen,
        .on_result = on_result,
        .on_print = on_print,
    };
    *seen = (struct seen){0};
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x_test.lua", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(neap_open(&n, &options, &err), NEAP_OK);
    const int rc = neap_test(n, &test, &err);
    neap_close(n);
    remove(path);
    remove(dir);
    return rc;
}

static void results_reach_the_host(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(run_spec("it('good', function() print('hello', 2) end)\n"
                              "it('bad', function() assert.equal(1, 2) end)\n"
                              "it('later')\n"
                              "describe('block', function() error('x') end)",
                              &seen, 0),
                     NEAP_OK);
    assert_int_equal(seen.kinds[NEAP_TEST_PASSED], 1);
    assert_int_equal(seen.kinds[NEAP_TEST_FAILED], 1);
    assert_int_equal(seen.kinds[NEAP_TEST_PENDING], 1);
    assert_int_equal(seen.kinds[NEAP_TEST_ERROR], 1);
    assert_string_equal(seen.last, "block");
    assert_string_equal(seen.printed, "hello\t2\n");
}

/* Whatever it does, a test ends at its limit, and the file with it. */
static void runaways_end(void **state)
{
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(error) end",
        "local function again() return pcall(again) end while true do again() end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "xpcall(error, function() while true do end end)",
        "local x <close> = setmetatable({}, {__close = function() while true do end end})",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct seen seen;
        char text[400];
        snprintf(text, sizeof text,
                 "it('runs away', function() %s end)\nit('comes after', function() end)",
                 bodies[i]);
        assert_int_equal(run_spec(text, &seen, 100), NEAP_OK);
        assert_int_equal(seen.kinds[NEAP_TEST_FAILED], 1);
        assert_int_equal(seen.kinds[NEAP_TEST_PASSED], 0);
        assert_string_equal(seen.last, "runs away");
        assert_non_null(strstr(seen.message, "within 0.1 s of real time"));
    }
}

/* What grows without end costs half a GiB at most; one giant block is refused as an error. */
static void memory_is_limited(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(run_spec("it('grows', function() local t = {}\n"
                              "  while true do pcall(function() t[#t + 1] = {{}, {}, {}} end) end\n"
                              "end)",
                              &seen, 60000),
                     NEAP_OK);
    assert_int_equal(seen.kinds[NEAP_TEST_FAILED], 1);
    assert_non_null(strstr(seen.message, "needs more than 512 MiB"));
    assert_int_equal(run_spec("it('is refused', function() ('x'):rep(1 << 31) end)\n"
                              "it('goes on', function() end)",
                              &seen, 0),
                     NEAP_OK);
    assert_int_equal(seen.kinds[NEAP_TEST_FAILED], 1);
    assert_int_equal(seen.kinds[NEAP_TEST_PASSED], 1);
}

/* The limit is of one test, not of the file, nor of its virtual time. */
static void the_limit_is_of_a_test(void **state)
{
    struct seen seen;
    (void)state;
    assert_int_equal(run_spec("local function busy() local till = os.clock() + 0.1"
                              " while os.clock() < till do end end\n"
                              "for i = 1, 5 do it('test ' .. i, busy) end",
                              &seen, 2000),
                     NEAP_OK);
    assert_int_equal(seen.kinds[NEAP_TEST_PASSED], 5);
}

static void misuse_is_refused(void **state)
{
    neap *n;
    struct neap_error err;
    const char *nowhere[] = {"/nowhere"};
    const struct neap_options options = {.size = sizeof options};
    struct neap_test_options test = {.size = 1};
    (void)state;
    assert_int_equal(neap_open(&n, &options, &err), NEAP_OK);
    assert_int_equal(neap_test(n, &test, &err), NEAP_EINVAL);
    test = (struct neap_test_options){.size = sizeof test, .paths = nowhere, .n_paths = 1};
    assert_int_equal(neap_test(n, &test, &err), NEAP_ENOENT);
    test.filter = "%";
    assert_int_equal(neap_test(n, &test, &err), NEAP_EINVAL);
    assert_non_null(strstr(err.message, "filter"));
    neap_close(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_reach_the_host), cmocka_unit_test(runaways_end),
        cmocka_unit_test(memory_is_limited),      cmocka_unit_test(the_limit_is_of_a_test),
        cmocka_unit_test(misuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
