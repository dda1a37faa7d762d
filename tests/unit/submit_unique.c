/* Jobs that may be there only once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/siphash.h"
#include "model/unique.h"
#include "../support/executor.h"

static int setup(void **state)
{
    struct executor *x = calloc(1, sizeof *x);
    executor_init(x);
    executor_write(x, "neap.ini", "[queue shut]\npaused = yes\n");
    executor_write(x, "plugins/t.lua", "return { queue = 'shut', run = function() end }");
    executor_write(x, "plugins/quick.lua", "return function() return 1 end");
    executor_start(x, 0);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    executor_close(*state);
    free(*state);
    return 0;
}

static int submit(struct executor *x, const char *task, const char *args, struct neap_unique unique,
                  uint64_t *id)
{
    struct neap_error err;
    const struct neap_request request = {.task = task, .args = args, .unique = &unique};
    return neap_submit(x->n, &request, id, &err);
}

static uint64_t must(struct executor *x, const char *args, struct neap_unique unique)
{
    uint64_t id = 0;
    assert_int_equal(submit(x, "t", args, unique, &id), NEAP_OK);
    assert_int_not_equal(id, 0);
    return id;
}

static void by_all_arguments_in_any_order(void **state)
{
    struct executor *x = *state;
    const struct neap_unique any = {0};
    const uint64_t id = must(x, "{\"a\":1,\"b\":[1,2]}", any);
    assert_int_equal(must(x, "{\"b\":[1,2],\"a\":1}", any), id);
    assert_int_not_equal(must(x, "{\"b\":[2,1],\"a\":1}", any), id);
    assert_int_not_equal(must(x, "{\"a\":1}", any), id);
    assert_int_equal(executor_totals(x).submitted, 3);
    assert_int_equal(executor_totals(x).waiting, 3);
}

static void by_some_arguments(void **state)
{
    struct executor *x = *state;
    static const char *const fields[] = {"user", "kind"};
    const struct neap_unique by = {.by = fields, .n_by = 2};
    struct neap_error err;
    const uint64_t id = must(x, "{\"user\":7,\"n\":1}", by);
    assert_int_equal(must(x, "{\"n\":2,\"user\":7}", by), id);
    assert_int_not_equal(must(x, "{\"user\":8}", by), id);
    assert_int_not_equal(must(x, "{\"user\":7,\"kind\":null}", by), id);
    const struct neap_request request = {.task = "t", .args = "5", .unique = &by};
    assert_int_equal(neap_submit(x->n, &request, NULL, &err), NEAP_EINVAL);
}

static void a_key_is_of_its_task(void **state)
{
    struct executor *x = *state;
    const struct neap_unique key = {.key = "nightly"};
    uint64_t other = 0;
    const uint64_t id = must(x, "{\"n\":1}", key);
    assert_int_equal(must(x, "{\"n\":2}", key), id);
    assert_int_equal(submit(x, "quick", NULL, key, &other), NEAP_OK);
    assert_int_not_equal(other, id);
}

static void an_ended_job_is_not_in_the_way(void **state)
{
    struct executor *x = *state;
    const struct neap_unique any = {0};
    const uint64_t id = must(x, NULL, any);
    assert_int_equal(neap_cancel(x->n, id, NULL), NEAP_OK);
    const uint64_t next = must(x, NULL, any);
    assert_int_not_equal(next, id);
    const struct neap_unique ever = {.states = 0xff};
    assert_int_equal(neap_cancel(x->n, next, NULL), NEAP_OK);
    assert_int_equal(must(x, NULL, ever), next);
}

static void within_counts_from_the_submission(void **state)
{
    struct executor *x = *state;
    const struct neap_unique soon = {.within_ms = 50};
    const uint64_t id = must(x, NULL, soon);
    uint64_t next = id;
    const int64_t from_ms = executor_now_ms();
    for (int left = 4000; next == id; executor_pause(&left))
        next = must(x, NULL, soon);
    assert_true(executor_now_ms() - from_ms >= 45);
}

static void an_exact_key_takes_the_same_request_only(void **state)
{
    struct executor *x = *state;
    const struct neap_unique exact = {.key = "k", .exact = 1, .states = 0xff};
    uint64_t id = 0;
    assert_int_equal(submit(x, "quick", "{\"a\":1}", exact, &id), NEAP_OK);
    EXECUTOR_UNTIL(x, completed, 1);
    uint64_t again = 0;
    assert_int_equal(submit(x, "quick", "{\"a\":1}", exact, &again), NEAP_OK);
    assert_int_equal(again, id);
    assert_int_equal(submit(x, "quick", "{\"a\":2}", exact, &again), NEAP_ECONFLICT);
}

static void refusals_leave_the_queue_as_it_was(void **state)
{
    struct executor *x = *state;
    executor_reload(x, "[queue shut]\npaused = yes\ncapacity = 2\nwhen_full = reject\n");
    const struct neap_unique any = {0};
    for (int i = 0; i < 10; i++)
        must(x, "{\"a\":1}", any);
    must(x, "{\"a\":2}", any); /* there is still room for one */
    uint64_t id = 0;
    assert_int_equal(submit(x, "t", "{\"a\":3}", any, &id), NEAP_EFULL);
}

static void bad_requests(void **state)
{
    struct executor *x = *state;
    uint64_t id = 0;
    static const char *const fields[] = {"a"};
    assert_int_equal(submit(x, "t", NULL, (struct neap_unique){.within_ms = -1}, &id), NEAP_EINVAL);
    assert_int_equal(submit(x, "t", NULL, (struct neap_unique){.states = 0x100}, &id), NEAP_EINVAL);
    assert_int_equal(
        submit(x, "t", NULL, (struct neap_unique){.key = "k", .by = fields, .n_by = 1}, &id),
        NEAP_EINVAL);
}

/* From the reference implementation's list of outputs for 0, 1, ... bytes 00 01 02... */
static void siphash_as_published(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        unsigned char want[SIPHASH_BYTES];
    } rows[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
    };
    unsigned char in[64], out[SIPHASH_BYTES];
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        siphash(in, rows[i].len, out);
        assert_memory_equal(out, rows[i].want, sizeof out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_all_arguments_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(by_some_arguments, setup, teardown),
        cmocka_unit_test_setup_teardown(a_key_is_of_its_task, setup, teardown),
        cmocka_unit_test_setup_teardown(an_ended_job_is_not_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(within_counts_from_the_submission, setup, teardown),
        cmocka_unit_test_setup_teardown(an_exact_key_takes_the_same_request_only, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_leave_the_queue_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_requests, setup, teardown),
        cmocka_unit_test(siphash_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
