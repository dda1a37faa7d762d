/* What a host does wrong gets the documented code and a message that says what; nothing else
 * happens. */
#include "../support/executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect(const char *what, int rc, int code, const struct neap_error *err,
                   const char *text)
{
    if (rc != code || err->code != code || !strstr(err->message, text))
        fail_msg("%s: returned %d, err.code %d, '%s'; wanted %d and '%s'", what, rc, err->code,
                 err->message, code, text);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void keep_problem(void *user, const char *text)
{
    struct executor *x = user;
    snprintf(x->problems, sizeof x->problems, "%s", text);
}

static struct neap_options options_of(struct executor *x)
{
    return (struct neap_options){
        .size = sizeof(struct neap_options), .user = x, .on_problem = keep_problem};
}

static void refuses_to_open(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    neap *n = (neap *)&x; /* must become NULL */
    (void)state;
    executor_init(&x);

    expect("no options", neap_open(&n, NULL, &err), NEAP_EINVAL, &err, "options.size");
    assert_null(n);
    struct neap_options options = options_of(&x);
    options.size--;
    expect("size", neap_open(&n, &options, &err), NEAP_EINVAL, &err, NEAP_VERSION);

    options = options_of(&x);
    options.config_file = "/no/such/neap.ini";
    expect("no INI", neap_open(&n, &options, &err), NEAP_ECONFIG, &err, "");
    assert_non_null(strstr(x.problems, "/no/such/neap.ini"));

    const char *settings[] = {"[pool default] wokers=3"};
    options = options_of(&x);
    options.settings = settings;
    options.n_settings = 1;
    expect("setting", neap_open(&n, &options, &err), NEAP_ECONFIG, &err, "");
    assert_non_null(strstr(x.problems, "did you mean workers?"));

    const char *plugins[] = {"/no/such/plugins"};
    options = options_of(&x);
    options.plugins = plugins;
    options.n_plugins = 1;
    expect("no plugins", neap_open(&n, &options, &err), NEAP_ENOENT, &err, "/no/such/plugins");

    options = options_of(&x);
    options.task_file = "/no/such.lua";
    expect("no FILE", neap_open(&n, &options, &err), NEAP_ENOENT, &err, "/no/such.lua");
    assert_null(n);
    assert_int_equal(neap_open(&n, &options, NULL), NEAP_ENOENT); /* err may be NULL */
    neap_close(n);
    executor_close(&x);
}

static void opens_with_a_broken_task(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/bad.lua", "return { rum = function() end }");
    executor_write(&x, "plugins/good.lua", "return function() return 1 end");
    executor_start(&x, 0);
    assert_non_null(strstr(x.problems, "bad.lua"));
    assert_int_equal(neap_broken(x.n), 1);
    const struct neap_request request = {.task = "bad"};
    expect("broken", neap_submit(x.n, &request, NULL, &err), NEAP_ENOENT, &err, "bad");
    assert_string_equal(executor_run(&x, "good", NULL), "1");
    executor_close(&x);
}

/* --- too early ----------------------------------------------------------------------------------
 */

static int open_nothing(void *lua_state)
{
    (void)lua_state;
    return 0;
}

static void refuses_what_needs_a_start(void **state)
{
    struct neap_error err = {0};
    struct neap_outcome out;
    struct neap_stats stats;
    struct neap_job job;
    neap *n;
    (void)state;
    const struct neap_options options = {.size = sizeof options};
    const struct neap_request request = {.task = "log.write"};
    assert_int_equal(neap_open(&n, &options, &err), NEAP_OK);

    const char *early = "has not been started";
    expect("submit", neap_submit(n, &request, NULL, &err), NEAP_EINVAL, &err, early);
    expect("stats", neap_stats(n, &stats, &err), NEAP_EINVAL, &err, early);
    expect("get", neap_get(n, 1, &job, &err), NEAP_EINVAL, &err, early);
    expect("cancel", neap_cancel(n, 1, &err), NEAP_EINVAL, &err, early);
    expect("drain", neap_drain(n, 0, &err), NEAP_EINVAL, &err, early);
    expect("reload", neap_reload(n, &err), NEAP_EINVAL, &err, early);
    assert_int_equal(neap_wait_idle(n, 0), NEAP_EINVAL);
    assert_int_equal(neap_next(n, &out, 0), NEAP_ETIME);
    assert_true(neap_fd(n) >= 0);

    expect("no name", neap_preload(n, NULL, open_nothing, &err), NEAP_EINVAL, &err, "neap_preload");
    expect("empty name", neap_preload(n, "", open_nothing, &err), NEAP_EINVAL, &err,
           "neap_preload");
    expect("no function", neap_preload(n, "x", NULL, &err), NEAP_EINVAL, &err, "neap_preload");
    assert_int_equal(neap_start(n, &err), NEAP_OK);
    expect("late", neap_preload(n, "x", open_nothing, &err), NEAP_EINVAL, &err,
           "before neap_start");
    expect("twice", neap_start(n, &err), NEAP_EINVAL, &err, "already");
    neap_close(n);
    neap_close(NULL);
}

/* --- bad requests -------------------------------------------------------------------------------
 */

static char *text_of(size_t len) /* a JSON string of so many bytes */
{
    char *text = malloc(len + 3);
    assert_non_null(text);
    memset(text, 'x', len + 2);
    text[0] = text[len + 1] = '"';
    text[len + 2] = 0;
    return text;
}

static void refuses_bad_requests(void **state)
{
    char name[1000], deep[2 * NEAP_DEPTH_MAX + 3];
    char *big = text_of(NEAP_VALUE_MAX);
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = 0;
    memset(deep, '[', NEAP_DEPTH_MAX + 1);
    memset(deep + NEAP_DEPTH_MAX + 1, ']', NEAP_DEPTH_MAX + 1);
    deep[sizeof deep - 1] = 0;
    const struct neap_retry retries[] = {
        {.max = -2}, {.backoff = 3}, {.base_ms = -2}, {.jitter = 1.5}};
    const struct {
        const char *what;
        int code;
        const char *text;
        struct neap_request request;
    } cases[] = {
        {"no task", NEAP_EINVAL, "task", {0}},
        {"typo", NEAP_ENOENT, "did you mean t.echo?", {.task = "t.ehco"}},
        {"empty", NEAP_ENOENT, "no such task", {.task = ""}},
        {"long", NEAP_ENOENT, "no such task", {.task = name}},
        {"queue",
         NEAP_ENOENT,
         "no such queue: defualt (did you mean default?)",
         {.task = "t.echo", .queue = "defualt"}},
        {"long queue", NEAP_ENOENT, "no such queue", {.task = "t.echo", .queue = name}},
        {"half JSON", NEAP_EINVAL, "line 1, column 5", {.task = "t.echo", .args = "{\"a\":"}},
        {"two values", NEAP_EINVAL, "column 3", {.task = "t.echo", .args = "1 2"}},
        {"no JSON", NEAP_EINVAL, "JSON value expected", {.task = "t.echo", .args = ""}},
        {"big JSON", NEAP_EINVAL, "larger than 1024 KiB", {.task = "t.echo", .args = big}},
        {"deep", NEAP_EINVAL, "deeper than 64", {.task = "t.echo", .args = deep}},
        {"big bytes",
         NEAP_EINVAL,
         "1048576 bytes",
         {.task = "t.echo", .args = big, .args_len = NEAP_VALUE_MAX + 1, .flags = NEAP_MSGPACK}},
        {"high", NEAP_EINVAL, "128", {.task = "t.echo", .priority_set = 1, .priority = 128}},
        {"low", NEAP_EINVAL, "-129", {.task = "t.echo", .priority_set = 1, .priority = -129}},
        {"delay", NEAP_EINVAL, "negative", {.task = "t.echo", .delay_ms = -1}},
        {"at", NEAP_EINVAL, "negative", {.task = "t.echo", .at_ms = -1}},
        {"expires", NEAP_EINVAL, "negative", {.task = "t.echo", .expires_ms = -1}},
        {"both", NEAP_EINVAL, "either", {.task = "t.echo", .delay_ms = 1, .at_ms = 1}},
        {"far", NEAP_EINVAL, "too far", {.task = "t.echo", .delay_ms = INT64_MAX}},
        {"flags", NEAP_EINVAL, "unknown flags 0x80", {.task = "t.echo", .flags = 0x80}},
        {"retries", NEAP_EINVAL, "retry", {.task = "t.echo", .retry = &retries[0]}},
        {"backoff", NEAP_EINVAL, "retry", {.task = "t.echo", .retry = &retries[1]}},
        {"base", NEAP_EINVAL, "retry", {.task = "t.echo", .retry = &retries[2]}},
        {"timeout", NEAP_EINVAL, "timeout_ms", {.task = "t.echo", .timeout_ms = -2}},
        {"long timeout", NEAP_EINVAL, "timeout_ms", {.task = "t.echo", .timeout_ms = INT64_MAX}},
        {"jitter", NEAP_EINVAL, "retry", {.task = "t.echo", .retry = &retries[3]}},
        {"cut bytes",
         NEAP_EINVAL,
         "malformed",
         {.task = "t.echo", .args = "\x81", .args_len = 1, .flags = NEAP_MSGPACK}},
        {"two bytes",
         NEAP_EINVAL,
         "malformed",
         {.task = "t.echo", .args = "\1\2", .args_len = 2, .flags = NEAP_MSGPACK}},
    };
    struct executor x;
    struct neap_error err = {0};
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int rc = neap_submit(x.n, &cases[i].request, NULL, &err);
        expect(cases[i].what, rc, cases[i].code, &err, cases[i].text);
    }
    expect("nothing", neap_submit(x.n, NULL, NULL, &err), NEAP_EINVAL, &err, "task");
    assert_int_equal(executor_totals(&x).submitted, 0);
    const struct neap_request unset = {.task = "t.echo", .priority = NEAP_PRIORITY_UNSET};
    assert_int_equal(neap_submit(x.n, &unset, NULL, NULL), NEAP_OK); /* priority_set is 0 */
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    free(big);
    executor_close(&x);
}

static void largest_values_pass(void **state)
{
    struct executor x;
    struct neap_outcome out;
    char *text = text_of(NEAP_VALUE_MAX - 5); /* a str 32 begins with 5 bytes */
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    executor_submit(&x, "t.echo", text);
    assert_int_equal(neap_next(x.n, &out, 20000), NEAP_OK);
    assert_int_equal(out.state, NEAP_COMPLETED);
    assert_int_equal(out.result_len, NEAP_VALUE_MAX);
    char *json = neap_to_json(out.result, out.result_len);
    assert_string_equal(json, text);
    free(json);
    neap_outcome_free(&out);
    neap_outcome_free(&out); /* it was zeroed: harmless */
    free(text);
    executor_close(&x);
}

/* --- jobs that are not there, and too late ------------------------------------------------------
 */

static void knows_no_such_job(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    struct neap_job job;
    uint64_t id;
    char text[NEAP_ID_CHARS + 1];
    (void)state;
    executor_init(&x);
    executor_start(&x, 0);
    expect("get", neap_get(x.n, 12345, &job, &err), NEAP_ENOENT, &err, "no such job");
    expect("cancel", neap_cancel(x.n, 12345, &err), NEAP_ENOENT, &err, "no such job");
    assert_int_equal(neap_id_parse("not an id", &id), NEAP_EINVAL);
    assert_int_equal(neap_id_parse("", &id), NEAP_EINVAL);
    neap_id_text(UINT64_MAX, text);
    assert_int_equal(neap_id_parse(text, &id), NEAP_OK);
    assert_true(id == UINT64_MAX);
    assert_non_null(neap_state_name(99));
    assert_null(neap_to_json("\x81", 1));
    assert_int_equal(neap_config_int(x.n, "neap", "darin", -7), -7);
    executor_close(&x);
}

static void takes_nothing_after_a_drain(void **state)
{
    struct executor x;
    struct neap_error err = {0};
    const struct neap_request request = {.task = "t.echo"};
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/echo.lua", "return function(a) return a end");
    executor_start(&x, 0);
    assert_string_equal(executor_run(&x, "t.echo", "1"), "1");
    assert_int_equal(neap_drain(x.n, 1000, &err), NEAP_OK);
    expect("submit", neap_submit(x.n, &request, NULL, &err), NEAP_ECLOSED, &err, "no more jobs");
    assert_int_equal(executor_totals(&x).completed, 1); /* it still answers */
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_to_open),
        cmocka_unit_test(opens_with_a_broken_task),
        cmocka_unit_test(refuses_what_needs_a_start),
        cmocka_unit_test(refuses_bad_requests),
        cmocka_unit_test(largest_values_pass),
        cmocka_unit_test(knows_no_such_job),
        cmocka_unit_test(takes_nothing_after_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
