/* The lock-free line: order, recall, priorities, and a worker and an engine that race. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "parts/line.h"

#include <pthread.h>

static void takes_in_order(void **state)
{
    (void)state;
    struct line line;
    struct job a = {.rank = 5}, b = {.rank = 1};
    struct job *jobs[] = {&a, &b};
    line_init(&line);
    assert_null(line_take(&line, INT8_MIN));
    line_put(&line, jobs, 2);
    assert_int_equal(line_length(&line), 2);
    assert_null(line_take(&line, 6));
    assert_ptr_equal(line_take(&line, 5), &a);
    assert_null(line_take(&line, 2));
    assert_ptr_equal(line_take(&line, INT8_MIN), &b);
    assert_int_equal(line_length(&line), 0);
}

static void recalls_the_rest(void **state)
{
    (void)state;
    struct line line;
    struct job jobs[3] = {{.rank = 0}};
    struct job *in[] = {&jobs[0], &jobs[1], &jobs[2]}, *out[LINE_SLOTS];
    line_init(&line);
    assert_int_equal(line_recall(&line, out), 0);
    line_put(&line, in, 3);
    assert_ptr_equal(line_take(&line, INT8_MIN), &jobs[0]);
    assert_int_equal(line_recall(&line, out), 2);
    assert_ptr_equal(out[0], &jobs[1]);
    assert_ptr_equal(out[1], &jobs[2]);
    assert_null(line_take(&line, INT8_MIN));
    for (int i = 0; i < 1000; i++) { /* round and round the ring */
        line_put(&line, in, 3);
        assert_ptr_equal(line_take(&line, INT8_MIN), &jobs[0]);
        assert_int_equal(line_recall(&line, out), 2);
    }
}

/* How often, while `count` are put and taken one by one. */
static int times_low(struct line *line, size_t count)
{
    struct job job = {.rank = 0}, *jobs[LINE_SLOTS];
    int times = 0;
    for (size_t i = 0; i < count; i++)
        jobs[i] = &job;
    line_put(line, jobs, count);
    for (size_t left = count; line_take(line, INT8_MIN);) {
        left--;
        times += line_is_low(line);
        assert_true(line_is_low(line) == (count >= 32 && left == count / 2));
    }
    return times;
}

static void says_once_that_it_is_low(void **state)
{
    (void)state;
    struct line line;
    line_init(&line);
    assert_int_equal(times_low(&line, LINE_SLOTS), 1);
    assert_int_equal(times_low(&line, 5), 0);
    assert_int_equal(times_low(&line, 100), 1);
}

#define RACE_JOBS 200000

struct race {
    struct line line;
    atomic_bool done;
    size_t taken;
};

static void *take_all(void *arg)
{
    struct race *race = arg;
    for (;;) {
        const bool last = atomic_load(&race->done);
        struct job *job = line_take(&race->line, INT8_MIN);
        if (job) {
            job->attempt++;
            race->taken++;
        } else if (last) {
            return NULL;
        }
    }
}

/* Every job is either taken once or recalled, never both, never lost. */
static void races(void **state)
{
    (void)state;
    struct race *race = calloc(1, sizeof *race);
    struct job *jobs = calloc(RACE_JOBS, sizeof *jobs);
    struct job *back[LINE_SLOTS];
    pthread_t thread;
    size_t recalled = 0, next = 0;
    line_init(&race->line);
    assert_int_equal(pthread_create(&thread, NULL, take_all, race), 0);
    while (next < RACE_JOBS) {
        struct job *batch[8];
        size_t count = 0;
        while (count < 8 && next < RACE_JOBS)
            batch[count++] = &jobs[next++];
        while (line_length(&race->line) > LINE_SLOTS - 8)
            ;
        line_put(&race->line, batch, count);
        if (next % 5 == 0) {
            const size_t n = line_recall(&race->line, back);
            for (size_t i = 0; i < n; i++)
                back[i]->attempt++;
            recalled += n;
        }
    }
    atomic_store(&race->done, true);
    pthread_join(thread, NULL);
    assert_int_equal(race->taken + recalled, RACE_JOBS);
    for (size_t i = 0; i < RACE_JOBS; i++)
        assert_int_equal(jobs[i].attempt, 1);
    free(jobs);
    free(race);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_in_order),
        cmocka_unit_test(recalls_the_rest),
        cmocka_unit_test(says_once_that_it_is_low),
        cmocka_unit_test(races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
