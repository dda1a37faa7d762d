#include "parts/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/job.h"

enum { JOBS = 1000 };

static void the_oldest_goes_first(void **state)
{
    static struct job jobs[JOBS];
    struct shelf shelf = {0};
    (void)state;
    memset(jobs, 0, sizeof jobs);
    assert_null(shelf_at(&shelf, 0));
    for (size_t i = 0; i < JOBS; i++)
        shelf_push(&shelf, &jobs[i], i);
    assert_int_equal(shelf.count, JOBS);
    assert_int_equal(shelf.bytes, (size_t)JOBS * (JOBS - 1) / 2);
    assert_ptr_equal(shelf_at(&shelf, 7)->job, &jobs[7]);
    assert_null(shelf_at(&shelf, JOBS));
    for (size_t i = 0; i < JOBS; i++) {
        assert_ptr_equal(shelf_oldest(&shelf)->job, &jobs[i]);
        shelf_remove(&shelf, &jobs[i]);
        assert_int_equal(jobs[i].due.key, 0);
    }
    assert_null(shelf_at(&shelf, 0));
    assert_int_equal(shelf.count, 0);
    assert_int_equal(shelf.bytes, 0);
    shelf_close(&shelf);
}

/* It moves along without growing, and shrinks again after many. */
static void takes_as_much_room_as_it_needs(void **state)
{
    static struct job jobs[JOBS];
    struct shelf shelf = {0};
    (void)state;
    memset(jobs, 0, sizeof jobs);
    shelf_push(&shelf, &jobs[0], 1);
    const size_t least = shelf.cap;
    for (size_t i = 1; i < JOBS; i++) {
        shelf_push(&shelf, &jobs[i], 1);
        shelf_remove(&shelf, &jobs[i - 1]);
        assert_int_equal(shelf.cap, least);
    }
    for (size_t i = 0; i < JOBS - 1; i++)
        shelf_push(&shelf, &jobs[i], 1);
    const size_t most = shelf.cap;
    assert_true(most >= JOBS);
    for (size_t i = 0; i < JOBS - 1; i++) {
        const struct job *oldest = shelf_oldest(&shelf)->job;
        assert_ptr_equal(shelf_shift(&shelf).job, oldest);
    }
    assert_int_equal(shelf.cap, most);
    shelf_trim(&shelf);
    assert_int_equal(shelf.count, 1);
    assert_true(shelf.cap < most);
    shelf_close(&shelf);
}

static void any_can_be_taken_out(void **state)
{
    static struct job jobs[JOBS];
    struct shelf shelf = {0};
    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (size_t i = 0; i < JOBS; i++)
        shelf_push(&shelf, &jobs[i], 1);
    for (size_t i = 0; i < JOBS; i += 2) /* the oldest among them */
        shelf_remove(&shelf, &jobs[i]);
    assert_int_equal(shelf.count, JOBS / 2);
    assert_null(shelf_at(&shelf, 1));
    for (size_t i = 1; i < JOBS; i += 2) {
        assert_ptr_equal(shelf_oldest(&shelf)->job, &jobs[i]);
        shelf_remove(&shelf, &jobs[i]);
    }
    assert_null(shelf_at(&shelf, 0));
    shelf_push(&shelf, &jobs[3], 5);
    assert_ptr_equal(shelf_oldest(&shelf)->job, &jobs[3]);
    assert_int_equal(shelf.bytes, 5);
    shelf_close(&shelf);
}

static void knows_what_owns_nothing(void **state)
{
    static struct job jobs[4];
    static struct job_left left;
    static struct job_terms terms;
    struct shelf shelf = {0};
    (void)state;
    memset(jobs, 0, sizeof jobs);
    for (size_t i = 0; i < 4; i++) {
        jobs[i].id = i + 1;
        jobs[i].block = 7;
        jobs[i].state = NEAP_CANCELLED;
        atomic_init(&jobs[i].refs, i == 3 ? 2 : 1);
    }
    jobs[1].left = &left;
    jobs[2].terms = &terms;
    for (size_t i = 0; i < 4; i++)
        shelf_push(&shelf, &jobs[i], 1000 + i);
    for (size_t i = 0; i < 4; i++) {
        const struct shelf_entry entry = shelf_shift(&shelf);
        assert_int_equal(entry.id, i + 1);
        assert_int_equal(entry.bytes, 1000 + i);
        assert_int_equal(entry.state, NEAP_CANCELLED);
        assert_int_equal(entry.block, 7);
        assert_int_equal(entry.plain, i == 0);
    }
    shelf_close(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(takes_as_much_room_as_it_needs),
        cmocka_unit_test(any_can_be_taken_out),
        cmocka_unit_test(knows_what_owns_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
