#include "parts/job_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define N 30000

static struct job *jobs[N];

static void make_jobs(uint64_t (*id_of)(uint64_t))
{
    for (uint64_t i = 0; i < N; i++) {
        jobs[i] = job_new(NULL, NULL, 0);
        jobs[i]->id = id_of(i);
    }
}

static uint64_t one_by_one(uint64_t i)
{
    return i + 1;
}

static uint64_t by_time(uint64_t i) /* 100 a millisecond, as id.h makes them */
{
    return (UINT64_C(1700000000000) + i / 100) << 22 | i;
}

static uint64_t one_each_ms(uint64_t i) /* of as many sources */
{
    return (UINT64_C(1700000000000) + i) << 22;
}

static unsigned seen;

static void see_and_free(void *user, struct job *job)
{
    (void)user;
    seen++;
    job_free(NULL, job);
}

static size_t longest_chain(const struct job_table *table)
{
    size_t longest = 0;
    for (size_t i = 0; i < table->n_buckets; i++) {
        size_t len = 0;
        for (const struct job *job = job_bucket_first(&table->buckets[i]); job;
             job = job->next_by_id)
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

static void finds_what_was_added(void **state)
{
    static uint64_t (*const patterns[])(uint64_t) = {one_by_one, by_time, one_each_ms};
    (void)state;
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        struct job_table table;
        job_table_init(&table);
        make_jobs(patterns[p]);
        for (int i = 0; i < N; i++) {
            assert_null(job_table_find(&table, jobs[i]->id));
            job_table_add(&table, jobs[i]);
            assert_ptr_equal(job_table_find(&table, jobs[i / 2]->id), jobs[i / 2]);
        }
        for (int i = 0; i < N; i++)
            assert_ptr_equal(job_table_find(&table, jobs[i]->id), jobs[i]);
        assert_true(longest_chain(&table) <= 12);
        for (int i = 0; i < N; i += 2) {
            if (i % 4)
                job_table_remove(&table, jobs[i]);
            else
                job_table_drop(&table, jobs[i], jobs[i]->id);
            job_free(NULL, jobs[i]);
            assert_null(job_table_find(&table, patterns[p]((uint64_t)i)));
        }
        assert_int_equal(table.count, N / 2);
        seen = 0;
        job_table_each(&table, NULL, see_and_free);
        assert_int_equal(seen, N / 2);
        job_table_close(&table);
    }
}

static void scans_in_order_of_id(void **state)
{
    (void)state;
    struct job_table table;
    struct job *out[101];
    job_table_init(&table);
    make_jobs(by_time);
    for (int i = 0; i < N; i++)
        job_table_add(&table, jobs[(i * 7919L) % N]);
    for (int from = 0; from < N; from += 997) {
        struct job_scan scan = {.after = jobs[from]->id};
        size_t n = job_table_scan(&table, &scan, out, 101), left = (size_t)(N - 1 - from);
        assert_int_equal(n, left < 101 ? left : 101);
        for (size_t i = 0; i < n; i++)
            assert_ptr_equal(out[i], jobs[(size_t)from + 1 + i]);
        scan.newest_first = true;
        n = job_table_scan(&table, &scan, out, 101);
        assert_int_equal(n, from < 101 ? from : 101);
        for (size_t i = 0; i < n; i++)
            assert_ptr_equal(out[i], jobs[(size_t)from - 1 - i]);
    }
    assert_int_equal(job_table_scan(&table, &(struct job_scan){0}, out, 1), 1);
    assert_ptr_equal(out[0], jobs[0]);
    assert_int_equal(job_table_scan(&table, &(struct job_scan){.newest_first = true}, out, 1), 1);
    assert_ptr_equal(out[0], jobs[N - 1]);
    job_table_each(&table, NULL, see_and_free);
    job_table_close(&table);
}

/* In a table of a steady size each of ids in a row comes to have a bucket of its own. */
static void goes_on_to_a_power_of_two(void **state)
{
    (void)state;
    enum { LIVE = JOB_TABLE_MIN * 3 };
    struct job_table table;
    job_table_init(&table);
    make_jobs(one_by_one);
    for (int i = 0; i < N; i++) {
        job_table_add(&table, jobs[i]);
        if (i >= LIVE) {
            job_table_drop(&table, jobs[i - LIVE], jobs[i - LIVE]->id);
            job_free(NULL, jobs[i - LIVE]);
        }
    }
    assert_int_equal(table.n_buckets, JOB_TABLE_MIN * 4);
    assert_int_equal(longest_chain(&table), 1);
    job_table_each(&table, NULL, see_and_free);
    job_table_close(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(scans_in_order_of_id),
        cmocka_unit_test(goes_on_to_a_power_of_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
