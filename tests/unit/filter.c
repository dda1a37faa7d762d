/* Filter terms: what they take, what they refuse, what they match. */
#include "model/filter.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "neap.h"

#define NOW INT64_C(1800000000000)

static const struct filter_job JOB = {
    .id = 77,
    .parent = 33,
    .state = NEAP_DEAD,
    .priority = 5,
    .task = "mail.send",
    .queue = "mail",
    .code = "timeout",
    .message = "timeout: the attempt did not end within 5s",
    .submitted_ms = NOW - 60000,
};

static enum filter_result add(struct filter *f, const char *name, const char *value, char why[256])
{
    struct buf text = {0};
    const enum filter_result rc = filter_term(f, name, value, NOW, &text);
    snprintf(why, 256, "%s", buf_string(&text));
    buf_close(&text);
    return rc;
}

static bool matches(const char *name, const char *value, const struct filter_job *job)
{
    struct filter f = {0};
    char why[256];
    if (add(&f, name, value, why) != FILTER_OK)
        fail_msg("%s=%s: %s", name, value, why);
    assert_int_equal(f.n_terms, 1);
    const bool found = filter_matches(&f, job);
    filter_close(&f);
    return found;
}

static void terms_match(void **state)
{
    static const struct {
        const char *name, *value;
        bool found;
    } cases[] = {
        {"state", "dead", true},
        {"state", "cancelled, dead", true},
        {"state", "completed", false},
        {"queue", "mail", true},
        {"queue", "mai", false},
        {"queue", "m*", true},
        {"queue", "a,mail", true},
        {"task", "mail.send", true},
        {"task", "mail.*", true},
        {"task", "*.send", true},
        {"task", "*", true},
        {"task", "m*l*d", true},
        {"task", "mail.*x", false},
        {"id", "000000000002D", true},
        {"id", "0000000000001", false},
        {"id", "0000000000001,000000000002d", true},
        {"parent", "0000000000011", true},
        {"parent", "000000000002D", false},
        {"error", "timeout", true},
        {"error", "error", false},
        {"error", "time*", true},
        {"older", "30s", true},
        {"older", "2m", false},
        {"newer", "2m", true},
        {"newer", "30s", false},
        {"older", "2099-01-01T00:00:00Z", true},
        {"newer", "2099-01-01T00:00:00Z", false},
        {"text", "did not end", true},
        {"text", "Did not", false},
        {"priority", "5", true},
        {"priority", "=5", true},
        {"priority", "4", false},
        {"priority", ">4", true},
        {"priority", ">5", false},
        {"priority", ">=5", true},
        {"priority", "<5", false},
        {"priority", "<=5", true},
        {"priority", "<6", true},
        {"priority", ">-1", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (matches(cases[i].name, cases[i].value, &JOB) != cases[i].found)
            fail_msg("%s=%s", cases[i].name, cases[i].value);
}

static void nothing_matches_an_error_that_is_not_there(void **state)
{
    struct filter_job job = JOB;
    (void)state;
    job.code = job.message = NULL;
    assert_false(matches("error", "*", &job));
    assert_false(matches("text", "a", &job));
}

static void all_terms_must_match(void **state)
{
    struct filter f = {0};
    char why[256];
    (void)state;
    assert_true(filter_matches(&f, &JOB));
    assert_int_equal(add(&f, "state", "dead", why), FILTER_OK);
    assert_int_equal(add(&f, "queue", "mail", why), FILTER_OK);
    assert_true(filter_matches(&f, &JOB));
    assert_string_equal(filter_only(&f.queues), "mail");
    assert_null(filter_only(&f.tasks));
    assert_int_equal(add(&f, "task", "t.*", why), FILTER_OK);
    assert_false(filter_matches(&f, &JOB));
    assert_null(filter_only(&f.tasks));
    filter_close(&f);
    assert_int_equal(f.n_terms, 0);
}

static void refuses(void **state)
{
    static const struct {
        const char *name, *value, *why;
    } cases[] = {
        {"state", "deda", "did you mean dead?"},
        {"state", "dead,,cancelled", "an empty item"},
        {"state", "", "an empty item"},
        {"queue", "a b", "no name or pattern"},
        {"task", "mail/send", "no name or pattern"},
        {"id", "5", "no job id"},
        {"parent", "0000000000000", "no job id"},
        {"older", "yesterday", "no duration"},
        {"newer", "-5s", "no duration"},
        {"text", "", "an empty text"},
        {"priority", "high5", "no priority"},
        {"priority", ">", "no priority"},
        {"priority", "==5", "no priority"},
        {"priority", "128", "no priority"},
    };
    char why[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct filter f = {0};
        if (add(&f, cases[i].name, cases[i].value, why) != FILTER_BAD || !strstr(why, cases[i].why))
            fail_msg("%s=%s: %s", cases[i].name, cases[i].value, why);
        filter_close(&f);
    }
    struct filter f = {0};
    assert_int_equal(add(&f, "stat", "dead", why), FILTER_UNKNOWN);
    assert_int_equal(add(&f, "state", "dead", why), FILTER_OK);
    assert_int_equal(add(&f, "state", "dead", why), FILTER_BAD);
    assert_string_equal(why, "given twice");
    filter_close(&f);
}

static void bounds_lists(void **state)
{
    static char value[(FILTER_ITEMS_MAX + 1) * 2 + 1];
    struct filter f = {0};
    char why[256];
    (void)state;
    for (int i = 0; i <= FILTER_ITEMS_MAX; i++)
        memcpy(value + 2 * i, "a,", 2);
    value[2 * FILTER_ITEMS_MAX + 1] = 0;
    assert_int_equal(add(&f, "queue", value, why), FILTER_BAD);
    assert_non_null(strstr(why, "more than 1000"));
    filter_close(&f);
    value[2 * FILTER_ITEMS_MAX - 1] = 0;
    assert_int_equal(add(&f, "queue", value, why), FILTER_OK);
    filter_close(&f);
}

/* Stars that could be tried in very many ways end soon all the same. */
static void globs_end_soon(void **state)
{
    char text[4096];
    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_false(filter_glob("*a*a*a*a*a*a*a*a*a*a*b", text));
    assert_true(filter_glob("*a*a*a*a*a*a*a*a*a*a*", text));
    assert_true(filter_glob("**", ""));
    assert_false(filter_glob("", "a"));
    assert_true(filter_glob("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_match),
        cmocka_unit_test(nothing_matches_an_error_that_is_not_there),
        cmocka_unit_test(all_terms_must_match),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_lists),
        cmocka_unit_test(globs_end_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
