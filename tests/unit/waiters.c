/* Who waits for which job. */
#include "engine/waiters.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

static size_t count(struct list *calls, uint64_t id)
{
    size_t n = 0;
    for (struct list *at; (at = list_shift(calls)); n++)
        assert_true(!id || LIST_ENTRY(at, struct call, waiting)->id == id);
    return n;
}

static void takes_those_of_one_job(void **state)
{
    struct waiters *w = waiters_new();
    struct call calls[6] = {{.id = 1}, {.id = 2}, {.id = 1}, {.id = 1}, {.id = 3}, {.id = 65}};
    struct list out;
    (void)state;
    list_init(&out);
    waiters_take(w, 1, &out);
    assert_true(list_empty(&out));
    for (int i = 0; i < 6; i++)
        waiters_add(w, &calls[i]);
    waiters_remove(w, &calls[2]);
    assert_false(list_linked(&calls[2].waiting));
    waiters_take(w, 4, &out);
    assert_true(list_empty(&out));
    waiters_take(w, 1, &out);
    assert_ptr_equal(list_first(&out), &calls[0].waiting); /* the first first */
    assert_int_equal(count(&out, 1), 2);
    waiters_take(w, 1, &out);
    assert_true(list_empty(&out));
    waiters_take_all(w, &out);
    assert_int_equal(count(&out, 0), 3);
    waiters_free(w);
    waiters_free(NULL);
}

static void grows(void **state)
{
    enum { CALLS = 5000, JOBS = 700 };
    static struct call calls[CALLS];
    struct waiters *w = waiters_new();
    struct list out;
    (void)state;
    list_init(&out);
    for (size_t i = 0; i < CALLS; i++) {
        calls[i] = (struct call){.id = (UINT64_C(1) << 22) *
                                       (i % JOBS + 1)}; /* as ids of different ms are */
        waiters_add(w, &calls[i]);
    }
    for (size_t i = 0; i < CALLS; i += 10)
        waiters_remove(w, &calls[i]);
    size_t taken = 0;
    for (size_t i = 0; i < JOBS; i++) {
        waiters_take(w, (UINT64_C(1) << 22) * (i + 1), &out);
        taken += count(&out, (UINT64_C(1) << 22) * (i + 1));
    }
    assert_int_equal(taken, CALLS - CALLS / 10);
    waiters_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_those_of_one_job),
        cmocka_unit_test(grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
