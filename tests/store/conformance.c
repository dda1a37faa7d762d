/* What every backend of parts/store.h must do. Each test gets the backend as its state. */
#include "parts/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/name.h"
#include "stores.h"

static struct store *open_store(struct backend *b, const struct store_limits *limits)
{
    return backend_open(b, limits);
}

static struct job *put(struct backend *b, struct store *s, uint64_t id, int64_t due_ms,
                       int64_t now_ms)
{
    struct job *job = backend_job(b, id, 0, 0, due_ms);
    b->ops->put(s, job, now_ms);
    return job;
}

static void finish(struct backend *b, struct store *s, struct job *job, int state, bool keep,
                   int64_t now_ms)
{
    assert_int_equal(b->ops->finish(s, job, job->token, state, keep, now_ms), NEAP_OK);
}

static void commit(struct backend *b, struct store *s)
{
    struct neap_error err = {0};
    assert_int_equal(b->ops->commit(s, &err), NEAP_OK);
}

/* Puts, claims and ends one job. */
static void run_one(struct backend *b, struct store *s, uint64_t id, int state, int64_t now_ms)
{
    put(b, s, id, 0, now_ms);
    struct job *job = store_claim(b->ops, s, 0, now_ms);
    assert_int_equal(job->id, id);
    finish(b, s, job, state, true, now_ms);
    commit(b, s);
}

static size_t count(struct backend *b, struct store *s, int state)
{
    struct store_counts counts;
    b->ops->counts(s, &counts);
    return counts.states[state];
}

static size_t count_all(struct backend *b, struct store *s)
{
    size_t sum = 0;
    for (int i = 0; i < NEAP_STATES; i++)
        sum += count(b, s, i);
    return sum;
}

static void empty(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    struct job *out[4];
    assert_null(store_claim(b->ops, s, 0, T0));
    assert_null(b->ops->peek(s, 0, T0));
    assert_null(b->ops->get(s, 1));
    assert_int_equal(b->ops->scan(s, &(struct store_query){.look = 4}, out, 4), 0);
    assert_int_equal(count_all(b, s), 0);
    assert_false(b->ops->prune(s, T0));
    assert_int_equal(b->ops->commit(s, NULL), NEAP_OK);
    b->ops->close(s);
}

static void from_put_to_completed(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    put(b, s, 7, 0, T0);
    struct job *job = b->ops->get(s, 7);
    assert_int_equal(job->state, NEAP_AVAILABLE);
    assert_int_equal(job->available_ms, T0);
    assert_int_equal(count(b, s, NEAP_AVAILABLE), 1);
    assert_ptr_equal(b->ops->peek(s, 0, T0), job);
    assert_ptr_equal(store_claim(b->ops, s, 0, T0), job);
    assert_true(job->claimed);
    assert_false(job->started);
    assert_int_equal(job->state, NEAP_AVAILABLE);
    assert_int_equal(count(b, s, NEAP_RUNNING), 1);
    assert_null(store_claim(b->ops, s, 0, T0));
    job_left_own(job)->result = mem_copy("\x2a", 1);
    job_left_own(job)->result_len = 1;
    finish(b, s, job, NEAP_COMPLETED, true, T0 + 5);
    job = b->ops->get(s, 7);
    assert_int_equal(job->state, NEAP_COMPLETED);
    assert_int_equal(job->finished_ms, T0 + 5);
    assert_memory_equal(job_left(job)->result, "\x2a", 1);
    assert_memory_equal(job->args, "\x80", 1);
    assert_false(job->claimed);
    assert_int_equal(count(b, s, NEAP_COMPLETED), 1);
    assert_int_equal(count_all(b, s), 1);
    assert_int_equal(b->ops->commit(s, NULL), NEAP_OK);
    b->ops->close(s);
}

static void not_kept_is_forgotten(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    for (uint64_t id = 1; id <= 3; id++) {
        put(b, s, id, 0, T0);
        finish(b, s, store_claim(b->ops, s, 0, T0),
               (int[]){NEAP_COMPLETED, NEAP_DEAD, NEAP_CANCELLED}[id - 1], false, T0);
        assert_null(b->ops->get(s, id));
    }
    struct job *job = put(b, s, 4, 0, T0);
    b->ops->end(s, job, NEAP_CANCELLED, false, T0);
    assert_null(b->ops->get(s, 4));
    assert_int_equal(count_all(b, s), 0);
    b->ops->close(s);
}

static void scheduled_until_due(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    struct job *job = put(b, s, 1, T0 + 100, T0);
    assert_int_equal(job->state, NEAP_SCHEDULED);
    assert_int_equal(count(b, s, NEAP_SCHEDULED), 1);
    assert_null(b->ops->peek(s, 0, T0 + 99));
    assert_null(store_claim(b->ops, s, 0, T0 + 99));
    assert_ptr_equal(b->ops->peek(s, 0, T0 + 100), job);
    assert_int_equal(job->state, NEAP_AVAILABLE);
    assert_int_equal(job->available_ms, T0 + 100);
    assert_int_equal(count(b, s, NEAP_SCHEDULED), 0);
    assert_int_equal(count(b, s, NEAP_AVAILABLE), 1);
    assert_ptr_equal(store_claim(b->ops, s, 0, T0 + 100), job);
    b->ops->close(s);
}

static void order_of_claims(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    static const struct {
        int priority;
        int64_t due_ms;
        uint64_t place; /* in the order of claims */
    } rows[] = {{0, 0, 4},         {5, 0, 2},  {0, 0, 5},     {-128, 0, 7},
                {127, T0 + 10, 1}, {5, -1, 3}, {0, T0 + 5, 6}};
    const size_t n = sizeof rows / sizeof *rows;
    uint64_t want[8];
    for (size_t i = 0; i < n; i++) {
        want[rows[i].place - 1] = i + 1;
        b->ops->put(s, backend_job(b, i + 1, 0, rows[i].priority, rows[i].due_ms), T0);
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(store_claim(b->ops, s, 0, T0 + 10)->id, want[i]);
    assert_null(store_claim(b->ops, s, 0, T0 + 10));
    b->ops->close(s);
}

static void given_back_to_its_place(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    for (uint64_t id = 1; id <= 3; id++)
        put(b, s, id, 0, T0);
    struct job *first = store_claim(b->ops, s, 0, T0), *second = store_claim(b->ops, s, 0, T0);
    b->ops->give_back(s, first, T0 + 10);
    b->ops->give_back(s, second, T0 + 10);
    assert_int_equal(first->state, NEAP_AVAILABLE);
    assert_int_equal(count(b, s, NEAP_AVAILABLE), 3);
    assert_int_equal(count(b, s, NEAP_RUNNING), 0);
    for (uint64_t id = 1; id <= 3; id++) {
        struct job *job = store_claim(b->ops, s, 0, T0 + 10);
        assert_int_equal(job->id, id);
    }
    b->ops->close(s);
}

static void retried_when_due(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    put(b, s, 1, 0, T0);
    put(b, s, 2, 0, T0);
    struct job *job = store_claim(b->ops, s, 0, T0);
    job->due.key = T0 + 50;
    finish(b, s, job, NEAP_RETRYABLE, true, T0 + 1);
    assert_int_equal(job->state, NEAP_RETRYABLE);
    assert_int_equal(count(b, s, NEAP_RETRYABLE), 1);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 49)->id, 2);
    assert_null(store_claim(b->ops, s, 0, T0 + 49));
    assert_ptr_equal(store_claim(b->ops, s, 0, T0 + 50), job);
    assert_int_equal(count(b, s, NEAP_RETRYABLE), 0);
    assert_int_equal(job->available_ms, T0 + 50);
    job->due.key = T0 + 90;
    finish(b, s, job, NEAP_SCHEDULED, true, T0 + 60); /* snoozed */
    assert_int_equal(job->state, NEAP_SCHEDULED);
    assert_ptr_equal(store_claim(b->ops, s, 0, T0 + 90), job);
    b->ops->close(s);
}

static void retried_at_once_goes_behind(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    put(b, s, 1, 0, T0);
    put(b, s, 2, 0, T0);
    struct job *job = store_claim(b->ops, s, 0, T0 + 5);
    job->due.key = T0 + 5;
    finish(b, s, job, NEAP_RETRYABLE, true, T0 + 5);
    assert_int_equal(job->state, NEAP_AVAILABLE);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 5)->id, 2);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 5)->id, 1);
    b->ops->close(s);
}

static void held_and_let_go(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    struct job *a = put(b, s, 1, 0, T0), *later = put(b, s, 2, T0 + 50, T0);
    struct job *c = put(b, s, 3, 0, T0), *claimed;
    b->ops->hold(s, a);
    b->ops->hold(s, later);
    assert_int_equal(a->state, NEAP_AVAILABLE);
    assert_int_equal(later->state, NEAP_SCHEDULED);
    assert_int_equal(count_all(b, s), 3);
    claimed = store_claim(b->ops, s, 0, T0 + 10);
    assert_ptr_equal(claimed, c);
    assert_null(store_claim(b->ops, s, 0, T0 + 100)); /* `later` is due, but held */
    b->ops->hold(s, claimed);                         /* found out at its claim */
    assert_int_equal(count(b, s, NEAP_RUNNING), 0);
    b->ops->unhold(s, claimed->task, T0 + 20);
    b->ops->unhold(s, later->task, T0 + 20);
    b->ops->unhold(s, a->task, T0 + 20);
    assert_int_equal(later->state, NEAP_SCHEDULED);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 20)->id, 1);
    b->ops->hold(s, later);
    b->ops->unhold(s, later->task, T0 + 60); /* due meanwhile */
    assert_int_equal(later->state, NEAP_AVAILABLE);
    assert_int_equal(later->available_ms, T0 + 50);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 60)->id, 3);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 60)->id, 2);
    b->ops->close(s);
}

static void cancelled_wherever_it_waits(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    put(b, s, 1, 0, T0);
    put(b, s, 2, T0 + 50, T0);
    b->ops->hold(s, put(b, s, 3, 0, T0));
    put(b, s, 4, 0, T0);
    for (uint64_t id = 1; id <= 3; id++) {
        b->ops->end(s, b->ops->get(s, id), NEAP_CANCELLED, true, T0 + 9);
        assert_int_equal(b->ops->get(s, id)->state, NEAP_CANCELLED);
        assert_int_equal(b->ops->get(s, id)->finished_ms, T0 + 9);
    }
    assert_int_equal(count(b, s, NEAP_CANCELLED), 3);
    assert_int_equal(store_claim(b->ops, s, 0, T0 + 100)->id, 4);
    assert_null(store_claim(b->ops, s, 0, T0 + 100));
    b->ops->close(s);
}

static void oldest_records_go_first(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed = 3, .dead = 2};
    struct store *s = open_store(b, &limits);
    for (uint64_t id = 1; id <= 10; id++)
        run_one(b, s, id, id % 2 ? NEAP_COMPLETED : NEAP_DEAD, T0 + (int64_t)id);
    while (b->ops->prune(s, T0 + 10))
        ;
    for (uint64_t id = 1; id <= 10; id++)
        assert_int_equal(b->ops->get(s, id) != NULL, id % 2 ? id >= 5 : id >= 8);
    struct job *job = put(b, s, 11, 0, T0); /* cancelled ones count with the completed */
    b->ops->end(s, job, NEAP_CANCELLED, true, T0 + 11);
    b->ops->prune(s, T0 + 11);
    assert_null(b->ops->get(s, 5));
    assert_non_null(b->ops->get(s, 11));
    b->ops->close(s);
}

static void ending_alone_keeps_the_limit(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed = 100, .dead = 1};
    struct store *s = open_store(b, &limits);
    for (uint64_t id = 1; id <= 1000; id++) {
        run_one(b, s, id, id % 10 ? NEAP_COMPLETED : NEAP_DEAD, T0);
        assert_non_null(b->ops->get(s, id)); /* never the one that just ended */
        assert_true(count_all(b, s) <= 101 + STORE_OVER_MAX);
    }
    assert_false(b->ops->prune(s, T0));
    assert_int_equal(count_all(b, s), 101);
    b->ops->close(s);
}

static void old_records_go(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed_ms = 1000, .dead_ms = 5000};
    struct store *s = open_store(b, &limits);
    run_one(b, s, 1, NEAP_COMPLETED, T0);
    run_one(b, s, 2, NEAP_DEAD, T0);
    run_one(b, s, 3, NEAP_COMPLETED, T0 + 500);
    assert_false(b->ops->prune(s, T0 + 999));
    assert_int_equal(count_all(b, s), 3);
    b->ops->prune(s, T0 + 1000);
    assert_null(b->ops->get(s, 1));
    assert_non_null(b->ops->get(s, 3));
    b->ops->prune(s, T0 + 4999);
    assert_null(b->ops->get(s, 3));
    assert_non_null(b->ops->get(s, 2));
    b->ops->prune(s, T0 + 5000);
    assert_int_equal(count_all(b, s), 0);
    b->ops->close(s);
}

static void pruning_goes_in_steps(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed_ms = 1000};
    struct store *s = open_store(b, &limits);
    const size_t n = 2 * STORE_PRUNE_STEP + 10;
    for (uint64_t id = 1; id <= n; id++)
        run_one(b, s, id, NEAP_COMPLETED, T0);
    assert_true(b->ops->prune(s, T0 + 2000));
    assert_int_equal(count_all(b, s), n - STORE_PRUNE_STEP);
    assert_null(b->ops->get(s, 1));
    assert_true(b->ops->prune(s, T0 + 2000));
    assert_false(b->ops->prune(s, T0 + 2000));
    assert_int_equal(count_all(b, s), 0);
    b->ops->close(s);
}

/* Also while more come than a prune takes. */
static void old_records_go_at_the_pace_of_new_ones(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed_ms = 1000};
    struct store *s = open_store(b, &limits);
    const size_t n = 4 * STORE_PRUNE_STEP;
    for (uint64_t id = 1; id <= n; id++)
        run_one(b, s, id, NEAP_COMPLETED, T0);
    for (uint64_t id = n + 1; id <= 2 * n; id++)
        run_one(b, s, id, NEAP_COMPLETED, T0 + 2000);
    b->ops->prune(s, T0 + 2000);
    assert_int_equal(count_all(b, s), n);
    b->ops->close(s);
}

/* Whose children end is looked for without the file. */
static void only_claimed_jobs_are_claimed(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    put(b, s, 1, 0, T0);
    assert_null(b->ops->get_claimed(s, 1));
    struct job *job = store_claim(b->ops, s, 0, T0);
    assert_ptr_equal(b->ops->get_claimed(s, 1), job);
    finish(b, s, job, NEAP_COMPLETED, true, T0);
    assert_null(b->ops->get_claimed(s, 1));
    assert_non_null(b->ops->get(s, 1));
    assert_null(b->ops->get_claimed(s, 2));
    b->ops->close(s);
}

static void bytes_are_limited(void **state)
{
    struct backend *b = *state;
    if (b->ops->durable)
        skip();
    const struct store_limits limits = {.bytes = 1000};
    struct store *s = open_store(b, &limits);
    for (uint64_t id = 1; id <= 20; id++) {
        put(b, s, id, 0, T0);
        struct job *job = store_claim(b->ops, s, 0, T0);
        job_left_own(job)->result = mem_zero(99, 1); /* 100 with the argument */
        job_left_own(job)->result_len = 99;
        finish(b, s, job, id % 3 ? NEAP_COMPLETED : NEAP_DEAD, true, T0 + (int64_t)id);
    }
    assert_false(b->ops->prune(s, T0 + 20));
    assert_int_equal(count_all(b, s), 10);
    assert_null(b->ops->get(s, 10));
    assert_non_null(b->ops->get(s, 11));
    b->ops->close(s);
}

static void unpin(struct backend *b, struct store *s, struct job *job)
{
    b->ops->unpin(s, &job, 1);
}

static void pinned_stays_readable(void **state)
{
    struct backend *b = *state;
    const struct store_limits limits = {.completed = 1, .completed_ms = 1000};
    struct store *s = open_store(b, &limits);
    struct job *job = put(b, s, 1, 0, T0);
    b->ops->pin(s, job); /* before its end */
    b->ops->pin(s, job);
    finish(b, s, store_claim(b->ops, s, 0, T0), NEAP_COMPLETED, true, T0);
    run_one(b, s, 2, NEAP_COMPLETED, T0); /* fills the limit: 1 does not count */
    b->ops->pin(s, b->ops->get(s, 2));    /* after its end */
    run_one(b, s, 3, NEAP_COMPLETED, T0);
    while (b->ops->prune(s, T0 + 999))
        ;
    for (uint64_t id = 1; id <= 3; id++)
        assert_non_null(b->ops->get(s, id));
    b->ops->prune(s, T0 + 1000);
    assert_null(b->ops->get(s, 3));
    unpin(b, s, job);
    b->ops->prune(s, T0 + 1000);
    assert_int_equal(b->ops->get(s, 1)->state, NEAP_COMPLETED);
    unpin(b, s, job);
    unpin(b, s, b->ops->get(s, 2));
    b->ops->prune(s, T0 + 1000);
    assert_int_equal(count_all(b, s), 0);
    b->ops->close(s);
}

static void pinned_for_long_goes_before_newer_ones(void **state)
{
    enum { KEPT = 3 };
    struct backend *b = *state;
    const struct store_limits limits = {.completed = KEPT};
    struct store *s = open_store(b, &limits);
    struct job *jobs[KEPT];
    for (uint64_t id = 1; id <= KEPT; id++) {
        jobs[id - 1] = put(b, s, id, 0, T0);
        b->ops->pin(s, jobs[id - 1]);
        finish(b, s, store_claim(b->ops, s, 0, T0), NEAP_COMPLETED, true, T0 + (int64_t)id);
    }
    for (uint64_t id = KEPT + 1; id < 2 * KEPT; id++)
        run_one(b, s, id, NEAP_COMPLETED, T0 + (int64_t)id);
    b->ops->unpin(s, jobs, KEPT); /* all but the last have as many behind them as are kept */
    while (b->ops->prune(s, T0 + 100))
        ;
    assert_int_equal(count_all(b, s), KEPT);
    for (uint64_t id = KEPT; id < 2 * KEPT; id++)
        assert_non_null(b->ops->get(s, id));
    b->ops->close(s);
}

static void pinned_and_not_kept_goes_with_its_pin(void **state)
{
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    struct job *job = put(b, s, 1, 0, T0), *other = put(b, s, 2, T0 + 99, T0);
    b->ops->pin(s, job);
    b->ops->pin(s, other);
    finish(b, s, store_claim(b->ops, s, 0, T0), NEAP_DEAD, false, T0);
    b->ops->end(s, other, NEAP_CANCELLED, false, T0);
    assert_int_equal(b->ops->get(s, 1)->state, NEAP_DEAD);
    assert_int_equal(b->ops->get(s, 2)->state, NEAP_CANCELLED);
    unpin(b, s, job);
    unpin(b, s, other);
    assert_null(b->ops->get(s, 1));
    assert_null(b->ops->get(s, 2));
    job = put(b, s, 3, 0, T0);
    b->ops->pin(s, job);
    unpin(b, s, job); /* while it waits: nothing happens */
    assert_ptr_equal(store_claim(b->ops, s, 0, T0), job);
    b->ops->close(s);
}

static void scans_in_order_of_id(void **state)
{
    enum { N = 1000 };
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    struct job *out[64];
    uint64_t last = 0;
    size_t seen = 0;
    for (uint64_t i = 0; i < N; i++) /* ids as id.h makes them, out of order */
        put(b, s, ((uint64_t)T0 + i * 7 % 13) << 22 | (i * 619 % N + 1), 0, T0);
    struct store_query query = {.look = 64};
    for (size_t n; (n = b->ops->scan(s, &query, out, 64)) > 0; seen += n) {
        assert_int_equal(query.after, out[n - 1]->id);
        for (size_t i = 0; i < n; i++) {
            assert_true(out[i]->id > last);
            last = out[i]->id;
            assert_ptr_equal(b->ops->get(s, last), out[i]);
        }
        assert_true(n == 64 || seen + n == N);
    }
    assert_int_equal(seen, N);
    assert_true(query.end);
    query = (struct store_query){.newest_first = true, .look = 1};
    assert_int_equal(b->ops->scan(s, &query, out, 1), 1);
    assert_int_equal(out[0]->id, last);
    b->ops->close(s);
}

static void many_jobs_come_and_go(void **state)
{
    const uint64_t n = 20000;
    struct backend *b = *state;
    struct store *s = open_store(b, NULL);
    for (uint64_t i = 1; i <= n; i++)
        put(b, s, ((uint64_t)T0 + i / 50) << 22 | i % 50, 0, T0);
    assert_int_equal(count(b, s, NEAP_AVAILABLE), n);
    for (uint64_t i = 1; i <= n; i++) {
        const uint64_t id = ((uint64_t)T0 + i / 50) << 22 | i % 50;
        struct job *job = store_claim(b->ops, s, 0, T0);
        assert_int_equal(job->id, id);
        finish(b, s, job, NEAP_COMPLETED, i % 2, T0);
        assert_int_equal(b->ops->get(s, id) != NULL, i % 2);
    }
    assert_int_equal(count_all(b, s), n / 2);
    b->ops->close(s);
}

/* Random steps beside a model that knows only the state of each job. */

enum where { NOT_THERE, WAITS, HELD, CLAIMED, ENDED };
#define MODEL_JOBS 200

struct model_job {
    enum where where;
    int state;
    int64_t due_ms;
    unsigned pins;
    bool leaves; /* with its last pin */
};

struct model {
    struct backend *b;
    struct store *s;
    int64_t now_ms;
    bool uncommitted;                      /* something was let go */
    struct model_job jobs[MODEL_JOBS + 1]; /* by id; 0 unused */
};

static uint64_t pick(const struct model *m, enum where where)
{
    const int from = rand() % MODEL_JOBS;
    for (int i = 0; i < MODEL_JOBS; i++) {
        const int id = 1 + (from + i) % MODEL_JOBS;
        if (m->jobs[id].where == where)
            return (uint64_t)id;
    }
    return 0;
}

static void model_promote(struct model *m)
{
    for (int id = 1; id <= MODEL_JOBS; id++) {
        struct model_job *j = &m->jobs[id];
        if (j->where == WAITS && j->due_ms <= m->now_ms)
            j->state = NEAP_AVAILABLE;
    }
}

static void step_put(struct model *m)
{
    const uint64_t id = pick(m, NOT_THERE);
    if (!id)
        return;
    assert_int_equal(m->b->ops->commit(m->s, NULL), NEAP_OK); /* ids are new: forget the old one */
    const int64_t due = rand() % 3 ? 0 : m->now_ms + rand() % 100;
    const int state = due > m->now_ms ? NEAP_SCHEDULED : NEAP_AVAILABLE;
    struct job *job = backend_job(m->b, id, (unsigned)rand() % QUEUES, rand() % 7 - 3, due);
    job->submitted_ms = m->now_ms;
    m->b->ops->put(m->s, job, m->now_ms);
    m->jobs[id] = (struct model_job){WAITS, state, due, 0, false};
}

static void step_claim(struct model *m)
{
    if (m->uncommitted) /* what was let go is in line then */
        commit(m->b, m->s);
    m->uncommitted = false;
    const struct job *peeked = m->b->ops->peek(m->s, 0, m->now_ms);
    const struct job *job = store_claim(m->b->ops, m->s, 0, m->now_ms);
    model_promote(m);
    assert_ptr_equal(job, peeked);
    bool any = false;
    for (int id = 1; id <= MODEL_JOBS; id++)
        any |= m->jobs[id].where == WAITS && m->jobs[id].state == NEAP_AVAILABLE;
    assert_int_equal(job != NULL, any);
    if (!job)
        return;
    assert_int_equal(m->jobs[job->id].where, WAITS);
    assert_int_equal(m->jobs[job->id].state, NEAP_AVAILABLE);
    m->jobs[job->id].where = CLAIMED;
    m->jobs[job->id].due_ms = 0;
}

static void model_end(struct model_job *j, int state, bool keep)
{
    j->leaves = !keep;
    j->where = keep || j->pins ? ENDED : NOT_THERE;
    j->state = state;
}

static void step_end(struct model *m)
{
    static const int states[] = {NEAP_COMPLETED, NEAP_DEAD, NEAP_CANCELLED};
    const bool keep = rand() % 2;
    uint64_t id = pick(m, rand() % 4 ? CLAIMED : rand() % 2 ? WAITS : HELD);
    if (!id)
        return;
    struct job *job = m->b->ops->get(m->s, id);
    struct model_job *j = &m->jobs[id];
    if (j->where != CLAIMED) {
        m->b->ops->end(m->s, job, NEAP_CANCELLED, keep, m->now_ms);
        model_end(j, NEAP_CANCELLED, keep);
    } else if (rand() % 3 == 0) {
        j->due_ms = job->due.key = m->now_ms + rand() % 3 * 20;
        finish(m->b, m->s, job, NEAP_RETRYABLE, true, m->now_ms);
        j->where = WAITS;
        j->state = j->due_ms > m->now_ms ? NEAP_RETRYABLE : NEAP_AVAILABLE;
    } else {
        const int state = states[rand() % 3];
        finish(m->b, m->s, job, state, keep, m->now_ms);
        model_end(j, state, keep);
    }
}

static void step_back(struct model *m)
{
    const uint64_t id = pick(m, CLAIMED);
    if (!id)
        return;
    m->b->ops->give_back(m->s, m->b->ops->get(m->s, id), m->now_ms);
    m->jobs[id].where = WAITS;
}

static void step_hold(struct model *m)
{
    const uint64_t id = pick(m, rand() % 2 ? HELD : WAITS);
    if (!id)
        return;
    struct job *job = m->b->ops->get(m->s, id);
    if (m->jobs[id].where == WAITS) {
        m->b->ops->hold(m->s, job);
        m->jobs[id].where = HELD;
        return;
    }
    m->b->ops->unhold(m->s, job->task, m->now_ms);
    m->uncommitted = true;
    for (uint64_t other = id % TASKS; other <= MODEL_JOBS; other += TASKS) {
        struct model_job *j = &m->jobs[other];
        if (j->where != HELD)
            continue;
        j->where = WAITS;
        if (j->due_ms <= m->now_ms)
            j->state = NEAP_AVAILABLE;
    }
}

static void step_pin(struct model *m)
{
    const uint64_t id = 1 + (uint64_t)rand() % MODEL_JOBS;
    struct model_job *j = &m->jobs[id];
    if (j->where == NOT_THERE)
        return;
    struct job *job = m->b->ops->get(m->s, id);
    if (j->pins && rand() % 3) {
        unpin(m->b, m->s, job);
        if (--j->pins == 0 && j->where == ENDED && j->leaves)
            j->where = NOT_THERE;
    } else if (!(j->where == ENDED && j->leaves)) {
        m->b->ops->pin(m->s, job);
        j->pins++;
    }
}

static void check(struct model *m)
{
    struct store_counts counts;
    size_t want[NEAP_STATES] = {0}, there = 0;
    struct job *out[MODEL_JOBS];
    for (uint64_t id = 1; id <= MODEL_JOBS; id++) {
        const struct model_job *j = &m->jobs[id];
        const struct job *job = m->b->ops->get(m->s, id);
        assert_int_equal(job != NULL, j->where != NOT_THERE);
        if (!job)
            continue;
        assert_int_equal(job->state, j->state);
        assert_int_equal(job->claimed, j->where == CLAIMED);
        want[job->claimed ? NEAP_RUNNING : job->state]++;
        there++;
    }
    m->b->ops->counts(m->s, &counts);
    assert_memory_equal(counts.states, want, sizeof want);
    struct store_query query = {.look = 2 * MODEL_JOBS};
    assert_int_equal(m->b->ops->scan(m->s, &query, out, MODEL_JOBS), there);
}

static void agrees_with_a_model(void **state)
{
    static void (*const steps[])(struct model *) = {step_put,   step_put,  step_put, step_claim,
                                                    step_claim, step_back, step_end, step_end,
                                                    step_hold,  step_pin};
    for (unsigned seed = 1; seed <= 8; seed++) {
        struct model m = {.b = *state, .s = open_store(*state, NULL), .now_ms = T0};
        srand(seed);
        for (int step = 0; step < 20000; step++) {
            steps[rand() % 10](&m);
            m.now_ms += rand() % 8 == 0 ? rand() % 20 : 0;
            if (step % 50 == 0) {
                commit(m.b, m.s);
                m.b->ops->peek(m.s, 0, m.now_ms); /* promotes */
                model_promote(&m);
                check(&m);
            }
        }
        m.b->ops->close(m.s);
    }
}

static const struct CMUnitTest suite[] = {
    cmocka_unit_test(empty),
    cmocka_unit_test(from_put_to_completed),
    cmocka_unit_test(not_kept_is_forgotten),
    cmocka_unit_test(scheduled_until_due),
    cmocka_unit_test(order_of_claims),
    cmocka_unit_test(given_back_to_its_place),
    cmocka_unit_test(retried_when_due),
    cmocka_unit_test(retried_at_once_goes_behind),
    cmocka_unit_test(held_and_let_go),
    cmocka_unit_test(cancelled_wherever_it_waits),
    cmocka_unit_test(oldest_records_go_first),
    cmocka_unit_test(ending_alone_keeps_the_limit),
    cmocka_unit_test(old_records_go),
    cmocka_unit_test(pruning_goes_in_steps),
    cmocka_unit_test(old_records_go_at_the_pace_of_new_ones),
    cmocka_unit_test(only_claimed_jobs_are_claimed),
    cmocka_unit_test(bytes_are_limited),
    cmocka_unit_test(pinned_stays_readable),
    cmocka_unit_test(pinned_for_long_goes_before_newer_ones),
    cmocka_unit_test(pinned_and_not_kept_goes_with_its_pin),
    cmocka_unit_test(scans_in_order_of_id),
    cmocka_unit_test(many_jobs_come_and_go),
    cmocka_unit_test(agrees_with_a_model),
};

int main(void)
{
    static const struct {
        const char *name;
        const struct store_ops *ops;
        size_t window;
    } kinds[] = {
        {"memory", &store_memory, 0},
        {"sqlite", &store_sqlite, 0},
        {"sqlite, window of 4", &store_sqlite, 4},
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct CMUnitTest tests[sizeof suite / sizeof *suite];
        struct backend backend;
        backend_init(&backend, kinds[i].name, kinds[i].ops, kinds[i].window);
        memcpy(tests, suite, sizeof suite);
        for (size_t k = 0; k < sizeof suite / sizeof *suite; k++)
            tests[k].initial_state = &backend;
        failed += cmocka_run_group_tests_name(backend.name, tests, NULL, NULL);
        backend_close(&backend);
    }
    return failed;
}
