/* What a durable store adds: the same claims as the memory store's whatever the window, everything
 * back after a reopen, nothing of what was not committed. */
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

static struct backend memory, *durable;

static void commit(const struct backend *b, struct store *s)
{
    struct neap_error err = {0};
    assert_int_equal(b->ops->commit(s, &err), NEAP_OK);
}

/* --- beside the memory store --------------------------------------------------------------------
 *
 * Each step is done to both. Claimed jobs are remembered by id; every turn ends in a commit. */

#define IDS 20000
#define CLAIMS 400

struct twins {
    struct backend *backends[2];
    struct store *stores[2];
    int64_t now_ms;
    uint64_t next_id;
    uint64_t claimed[CLAIMS];
    size_t n_claimed;
    int64_t ageing_ms[QUEUES];
};

#define BOTH(i) for (int i = 0; i < 2; i++)

static void put_both(struct twins *t)
{
    const uint64_t id = ++t->next_id;
    const unsigned queue = (unsigned)rand() % QUEUES;
    const int priority = rand() % 4 ? 0 : rand() % 7 - 3;
    const int64_t due = rand() % 3 ? 0 : t->now_ms + rand() % 200;
    const int64_t expires = rand() % 9 ? 0 : t->now_ms + rand() % 300;
    BOTH(i)
    {
        struct job *job = backend_job(t->backends[i], id, queue, priority, due);
        job->submitted_ms = t->now_ms;
        job_terms_own(job)->expires_ms = expires;
        t->backends[i]->ops->put(t->stores[i], job, t->now_ms);
    }
}

static void commit_both(struct twins *t)
{
    BOTH(i) commit(t->backends[i], t->stores[i]);
}

static void same(const struct job *a, const struct job *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (!a || !b)
        return;
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->claimed, b->claimed);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->available_ms, b->available_ms);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->submitted_ms, b->submitted_ms);
    assert_int_equal(job_terms(a)->expires_ms, job_terms(b)->expires_ms);
    assert_string_equal(a->gate->name, b->gate->name);
    assert_string_equal(a->task->text, b->task->text);
    assert_int_equal(a->args_len, b->args_len);
    assert_memory_equal(a->args, b->args, a->args_len);
}

static bool claim_both(struct twins *t)
{
    struct job *jobs[2];
    if (t->n_claimed == CLAIMS)
        return false;
    const unsigned pool =
        1 + (unsigned)rand() % QUEUES; /* whose turn it is among queues is not kept */
    BOTH(i) jobs[i] = store_claim(t->backends[i]->ops, t->stores[i], pool, t->now_ms);
    same(jobs[0], jobs[1]);
    if (jobs[0])
        t->claimed[t->n_claimed++] = jobs[0]->id;
    return jobs[0] != NULL;
}

static uint64_t take_claimed(struct twins *t)
{
    if (!t->n_claimed)
        return 0;
    const size_t at = (size_t)rand() % t->n_claimed;
    const uint64_t id = t->claimed[at];
    t->claimed[at] = t->claimed[--t->n_claimed];
    return id;
}

static void finish_both(struct twins *t)
{
    const uint64_t id = take_claimed(t);
    const int what = rand() % 8;
    const int64_t due = t->now_ms + rand() % 3 * 30;
    BOTH(i)
    {
        const struct store_ops *ops = t->backends[i]->ops;
        struct job *job = id ? ops->get(t->stores[i], id) : NULL;
        if (!job)
            continue;
        job->attempt += what > 0;
        if (what == 0) {
            ops->give_back(t->stores[i], job, t->now_ms);
        } else if (what == 1) {
            ops->hold(t->stores[i], job);
        } else if (what < 4) {
            job->due.key = due;
            ops->finish(t->stores[i], job, job->token, what == 2 ? NEAP_RETRYABLE : NEAP_SCHEDULED,
                        true, t->now_ms);
        } else {
            ops->finish(t->stores[i], job, job->token, what == 4 ? NEAP_DEAD : NEAP_COMPLETED,
                        what != 5, t->now_ms);
        }
    }
}

/* Any job by id: read, compared, and then perhaps changed. */
static void touch_both(struct twins *t)
{
    const uint64_t id = 1 + (uint64_t)rand() % (t->next_id ? t->next_id : 1);
    const int what = rand() % 10, priority = rand() % 7 - 3;
    const int64_t due = rand() % 2 ? 0 : t->now_ms + rand() % 100;
    struct job *jobs[2];
    BOTH(i) jobs[i] = t->backends[i]->ops->get(t->stores[i], id);
    same(jobs[0], jobs[1]);
    if (!jobs[0] || jobs[0]->claimed)
        return;
    const bool ended = jobs[0]->where == JOB_KEPT, held = jobs[0]->where == JOB_HELD;
    BOTH(i)
    {
        const struct store_ops *ops = t->backends[i]->ops;
        if (ended && what == 0)
            ops->revive(t->stores[i], jobs[i], t->now_ms);
        else if (ended && what == 1)
            ops->forget(t->stores[i], jobs[i]);
        else if (!ended && what == 2)
            ops->end(t->stores[i], jobs[i], NEAP_CANCELLED, true, t->now_ms);
        else if (!ended && what == 3)
            ops->edit(t->stores[i], jobs[i], priority, due, t->now_ms);
        else if (!ended && !held && what == 4)
            ops->hold(t->stores[i], jobs[i]);
    }
}

static void unhold_both(struct twins *t)
{
    const int task = rand() % TASKS;
    BOTH(i) t->backends[i]->ops->unhold(t->stores[i], t->backends[i]->tasks[task], t->now_ms);
}

static void compare_counts(struct twins *t)
{
    struct store_counts counts[2];
    BOTH(i) t->backends[i]->ops->peek(t->stores[i], 0, t->now_ms); /* promotes */
    BOTH(i) t->backends[i]->ops->counts(t->stores[i], &counts[i]);
    for (int i = 0; i < NEAP_STATES; i++)
        if (counts[0].states[i] != counts[1].states[i])
            fail_msg("%zu and %zu are %s", counts[0].states[i], counts[1].states[i],
                     neap_state_name(i));
}

static void compare_scans(struct twins *t)
{
    struct store_query queries[2];
    struct job *out[2][16];
    const bool back = rand() % 2;
    const unsigned states = rand() % 2 ? 0 : 1u << rand() % NEAP_STATES;
    const int queue = rand() % (2 * QUEUES), task = rand() % (2 * TASKS);
    BOTH(i)
    queries[i] =
        (struct store_query){.newest_first = back,
                             .states = states,
                             .queue = queue < QUEUES ? t->backends[i]->queues[queue] : NULL,
                             .task = task < TASKS ? t->backends[i]->tasks[task] : NULL};
    for (int page = 0; page < 20 && !queries[0].end; page++) {
        size_t n[2];
        BOTH(i) n[i] = t->backends[i]->ops->scan(t->stores[i], &queries[i], out[i], 16);
        assert_int_equal(n[0], n[1]);
        for (size_t k = 0; k < n[0]; k++)
            same(out[0][k], out[1][k]);
        queries[1].end = queries[0].end;
    }
}

/* What has expired is the same in all, though not call by call. */
static void compare_expired(struct twins *t)
{
    uint64_t ids[2][512];
    size_t n[2];
    BOTH(i)
    {
        n[i] = t->backends[i]->ops->expired(t->stores[i], t->now_ms, ids[i], 512);
        for (size_t k = 0; k < n[i]; k++) {
            struct job *job = t->backends[i]->ops->get(t->stores[i], ids[i][k]);
            assert_non_null(job);
            assert_true(job_terms(job)->expires_ms && job_terms(job)->expires_ms <= t->now_ms);
        }
    }
    for (int i = 0; i < 2; i++)
        for (size_t k = 0; k < n[i]; k++) {
            struct job *job = t->backends[i]->ops->get(t->stores[i], ids[i][k]);
            BOTH(other)
            {
                struct job *same_job = t->backends[other]->ops->get(t->stores[other], ids[i][k]);
                if (job && same_job && !same_job->claimed && same_job->finished_ms == 0)
                    t->backends[other]->ops->end(t->stores[other], same_job, NEAP_CANCELLED, true,
                                                 t->now_ms);
            }
        }
}

/* All that is claimed goes back first: a claim does not survive its process. */
static void reopen_durable(struct twins *t)
{
    for (uint64_t id; (id = take_claimed(t));)
        BOTH(i)
        {
            struct job *job = t->backends[i]->ops->get(t->stores[i], id);
            t->backends[i]->ops->give_back(t->stores[i], job, t->now_ms);
            t->backends[i]->ops->changed(t->stores[i], job); /* keeps the token, for `same` */
        }
    commit_both(t);
    t->backends[1]->ops->close(t->stores[1]);
    t->stores[1] = backend_reopen(t->backends[1], t->now_ms);
    for (unsigned q = 0; q < QUEUES; q++)
        t->backends[1]->ops->set_ageing(t->stores[1], q, t->ageing_ms[q]);
    BOTH(i) t->backends[i]->ops->peek(t->stores[i], 0, t->now_ms); /* promotes */
}

static void age_both(struct twins *t, unsigned queue, int64_t ageing_ms)
{
    t->ageing_ms[queue] = ageing_ms;
    BOTH(i) t->backends[i]->ops->set_ageing(t->stores[i], queue, ageing_ms);
}

static void run_twins(unsigned seed, int turns, bool ageing)
{
    struct twins t = {.backends = {&memory, durable}, .now_ms = T0};
    srand(seed);
    BOTH(i) t.stores[i] = backend_open(t.backends[i], NULL);
    if (ageing)
        age_both(&t, 1, 40);
    for (int turn = 0; turn < turns; turn++) {
        const int puts = rand() % 6 ? rand() % 6 : rand() % 60;
        for (int i = 0; i < puts; i++)
            put_both(&t);
        for (int i = rand() % 8; i > 0; i--)
            finish_both(&t);
        for (int i = rand() % 4; i > 0; i--)
            touch_both(&t);
        if (rand() % 20 == 0)
            unhold_both(&t);
        if (rand() % 8 == 0)
            compare_expired(&t);
        if (rand() % 16 == 0)
            compare_scans(&t); /* also what is not committed */
        commit_both(&t);
        for (int i = rand() % 12; i > 0 && claim_both(&t); i--)
            ;
        if (rand() % 16 == 0)
            compare_counts(&t);
        if (rand() % 60 == 0)
            t.now_ms += 1000;
        if (ageing && rand() % 200 == 0)
            age_both(&t, (unsigned)rand() % QUEUES, rand() % 2 * 70);
        if (rand() % 300 == 0)
            reopen_durable(&t);
        t.now_ms += rand() % 4 ? 0 : rand() % 20;
    }
    t.now_ms += 10000;
    for (int tries = 0; tries < 100; tries++)
        while (claim_both(&t))
            if (t.n_claimed == CLAIMS)
                while (t.n_claimed)
                    finish_both(&t);
    BOTH(i) t.backends[i]->ops->close(t.stores[i]);
}

static void same_claims_as_memory(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 2; seed++)
        run_twins(seed, 1500, false);
}

static void same_claims_with_ageing(void **state)
{
    (void)state;
    for (unsigned seed = 11; seed <= 12; seed++)
        run_twins(seed, 1000, true);
}

/* --- what a reopen finds ------------------------------------------------------------------------
 */

#define OPS durable->ops

static struct store *again(struct store *s, int64_t now_ms)
{
    OPS->close(s);
    return backend_reopen(durable, now_ms);
}

static void nothing_uncommitted_is_there(void **state)
{
    (void)state;
    struct store *s = backend_open(durable, NULL);
    OPS->put(s, backend_job(durable, 1, 0, 0, 0), T0);
    commit(durable, s);
    OPS->put(s, backend_job(durable, 2, 0, 0, 0), T0);
    struct job *job = store_claim(OPS, s, 0, T0);
    OPS->finish(s, job, job->token, NEAP_COMPLETED, true, T0);
    OPS->set_note(s, "a", "b", 1);
    assert_true(OPS->dirty(s));
    s = again(s, T0);
    size_t len;
    assert_null(OPS->get(s, 2));
    assert_null(OPS->note(s, "a", &len));
    assert_int_equal(OPS->get(s, 1)->state, NEAP_AVAILABLE);
    assert_int_equal(store_claim(OPS, s, 0, T0)->id, 1);
    assert_null(store_claim(OPS, s, 0, T0));
    OPS->close(s);
}

static struct job *full_job(void)
{
    struct job *job = backend_job(durable, 77, 2, -5, T0 + 50);
    static const struct retry retry = {3, NEAP_FIXED, 10, 20, 0.25};
    job->parent = 5;
    job_terms_own(job)->timeout_ms = 1234;
    job_terms_own(job)->expires_ms = T0 + 5000;
    job_terms_own(job)->retry = mem_copy(&retry, sizeof retry);
    job_terms_own(job)->unique = mem_zero(1, sizeof *job_terms(job)->unique);
    memcpy(job_terms(job)->unique->key, "0123456789abcdef", JOB_KEY_BYTES);
    job_terms(job)->unique->states = 7;
    job_terms(job)->unique->exact = true;
    job_terms(job)->unique->within_ms = 99;
    return job;
}

static void check_full_job(const struct job *job)
{
    assert_int_equal(job->parent, 5);
    assert_int_equal(job->priority, -5);
    assert_int_equal(job_terms(job)->timeout_ms, 1234);
    assert_int_equal(job_terms(job)->expires_ms, T0 + 5000);
    assert_int_equal(job_terms(job)->retry->max, 3);
    assert_int_equal(job_terms(job)->retry->backoff, NEAP_FIXED);
    assert_int_equal(job_terms(job)->retry->cap_ms, 20);
    assert_true(job_terms(job)->retry->jitter > 0.24 && job_terms(job)->retry->jitter < 0.26);
    assert_memory_equal(job_terms(job)->unique->key, "0123456789abcdef", JOB_KEY_BYTES);
    assert_int_equal(job_terms(job)->unique->states, 7);
    assert_true(job_terms(job)->unique->exact);
    assert_int_equal(job_terms(job)->unique->within_ms, 99);
    assert_ptr_equal(job->gate, durable->queues[2]);
    assert_string_equal(job->task->text, "t2");
}

static void every_field_comes_back(void **state)
{
    (void)state;
    struct store *s = backend_open(durable, NULL);
    OPS->put(s, full_job(), T0);
    commit(durable, s);
    s = again(s, T0);
    struct job *job = OPS->get(s, 77);
    check_full_job(job);
    assert_int_equal(job->state, NEAP_SCHEDULED);
    assert_int_equal(job->due.key, T0 + 50);
    job = store_claim(OPS, s, 0, T0 + 60);
    assert_int_equal(job->available_ms, T0 + 50);
    job->attempt = 2;
    job->crashes = 1;
    job->started_ms = T0 + 61;
    job->run_ms = 7;
    job->cpu_ms = 6;
    job->generation = 3;
    job->bytes = 1u << 20;
    job->owes_on_dead = true;
    job_left_own(job)->error = job_error_new("timeout", 2, "too late", 8, "a\nb", 3);
    job_left_own(job)->log = mem_copy("said", 4);
    job_left_own(job)->log_len = 4;
    job_left_own(job)->past = mem_copy("\x80", 1);
    job_left_own(job)->past_len = 1;
    OPS->finish(s, job, job->token, NEAP_DEAD, true, T0 + 70);
    commit(durable, s);
    s = again(s, T0 + 100);
    job = OPS->get(s, 77);
    check_full_job(job);
    assert_int_equal(job->state, NEAP_DEAD);
    assert_int_equal(job->attempt, 2);
    assert_int_equal(job->crashes, 1);
    assert_int_equal(job->started_ms, T0 + 61);
    assert_int_equal(job->finished_ms, T0 + 70);
    assert_int_equal(job->run_ms, 7);
    assert_int_equal(job->cpu_ms, 6);
    assert_int_equal(job->generation, 3);
    assert_int_equal(job->bytes, 1u << 20);
    assert_string_equal(job_left(job)->error->code, "timeout");
    assert_string_equal(job_left(job)->error->message, "too late");
    assert_string_equal(job_left(job)->error->traceback, "a\nb");
    assert_memory_equal(job_left(job)->log, "said", 4);
    uint64_t id;
    assert_int_equal(OPS->owing(s, 0, &id, 1), 1);
    assert_int_equal(id, 77);
    OPS->paid(s, job);
    assert_int_equal(OPS->owing(s, 0, &id, 1), 0);
    commit(durable, s);
    s = again(s, T0 + 100);
    assert_int_equal(OPS->owing(s, 0, &id, 1), 0);
    OPS->revive(s, OPS->get(s, 77), T0 + 100);
    commit(durable, s);
    s = again(s, T0 + 100);
    job = store_claim(OPS, s, 0, T0 + 100);
    assert_int_equal(job->id, 77);
    assert_int_equal(job->attempt, 0);
    assert_null(job_left(job)->error);
    OPS->close(s);
}

static void pending_until_released(void **state)
{
    (void)state;
    struct store *s = backend_open(durable, NULL);
    const uint64_t parents[] = {1, 2};
    uint64_t ids[8];
    OPS->put(s, backend_job(durable, 1, 0, 0, 0), T0);
    OPS->put(s, backend_job(durable, 2, 0, 0, T0 + 1000), T0);
    for (uint64_t id = 10; id < 15; id++) {
        struct job *job = backend_job(durable, id, 1, 0, 0);
        job_terms_own(job)->after = job_after_new(parents, 2, AFTER_RUN);
        job_terms(job)->after->waiting = 2;
        OPS->put(s, job, T0);
        if (id == 12)
            commit(durable, s); /* some of them are rows, some are not */
    }
    assert_int_equal(OPS->take_children(s, 1, ids, 2), 2);
    assert_int_equal(OPS->take_children(s, 1, ids + 2, 8), 3);
    assert_int_equal(OPS->take_children(s, 1, ids + 5, 1), 0);
    for (int i = 0; i < 5; i++) {
        struct job *job = OPS->get(s, ids[i]);
        assert_int_equal(job->state, NEAP_PENDING);
        job_terms(job)->after->waiting = 1;
        OPS->changed(s, job);
    }
    commit(durable, s);
    s = again(s, T0);
    assert_int_equal(OPS->take_children(s, 1, ids, 8), 0);
    struct job *job = OPS->get(s, 14);
    assert_int_equal(job_terms(job)->after->count, 2);
    assert_int_equal(job_terms(job)->after->ids[1], 2);
    assert_int_equal(job_terms(job)->after->waiting, 1);
    assert_int_equal(OPS->take_children(s, 2, ids, 8), 5);
    assert_int_equal(store_claim(OPS, s, 0, T0)->id, 1);
    assert_null(store_claim(OPS, s, 0, T0));
    for (int i = 0; i < 5; i++)
        OPS->release(s, OPS->get(s, ids[i]), T0 + 5);
    commit(durable, s);
    s = again(s, T0 + 5);
    for (uint64_t id = 10; id < 15; id++)
        assert_int_equal(store_claim(OPS, s, 2, T0 + 5)->id, id);
    OPS->close(s);
}

static void unique_keys_outlive_their_job(void **state)
{
    (void)state;
    const unsigned char *key = (const unsigned char *)"0123456789abcdef";
    struct store *s = backend_open(durable, NULL);
    int64_t at_ms = 0;
    struct job *job = full_job();
    job_terms(job)->unique->within_ms = 1000;
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 0);
    OPS->put(s, job, T0);
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 77);
    commit(durable, s);
    s = again(s, T0);
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 77);
    assert_int_equal(at_ms, T0);
    OPS->end(s, OPS->get(s, 77), NEAP_CANCELLED, false, T0 + 10);
    commit(durable, s);
    assert_null(OPS->get(s, 77));
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 77);
    OPS->prune(s, T0 + 999);
    commit(durable, s);
    s = again(s, T0 + 999);
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 77);
    OPS->prune(s, T0 + 1000);
    commit(durable, s);
    assert_int_equal(OPS->find_unique(s, key, &at_ms), 0);
    OPS->close(s);
}

static void withdrawn_leaves_nothing(void **state)
{
    (void)state;
    int64_t at_ms;
    struct store_counts counts;
    struct store *s = backend_open(durable, NULL);
    OPS->put(s, full_job(), T0);
    for (uint64_t id = 1; id <= 20; id++)
        OPS->put(s, backend_job(durable, id, 0, 0, 0), T0);
    for (uint64_t id = 1; id <= 20; id += 2)
        OPS->withdraw(s, OPS->get(s, id));
    OPS->withdraw(s, OPS->get(s, 77));
    assert_null(OPS->get(s, 77));
    commit(durable, s);
    assert_int_equal(OPS->find_unique(s, (const unsigned char *)"0123456789abcdef", &at_ms), 0);
    s = again(s, T0);
    OPS->counts(s, &counts);
    assert_int_equal(counts.states[NEAP_AVAILABLE], 10);
    for (uint64_t id = 2; id <= 20; id += 2)
        assert_int_equal(store_claim(OPS, s, 0, T0)->id, id);
    assert_null(store_claim(OPS, s, 0, T0));
    OPS->close(s);
}

static void notes_are_kept(void **state)
{
    (void)state;
    size_t len;
    struct store *s = backend_open(durable, NULL);
    OPS->set_note(s, "a.1", "one", 3);
    OPS->set_note(s, "a.2", "", 0);
    OPS->set_note(s, "b", "three", 5);
    commit(durable, s);
    OPS->set_note(s, "b", NULL, 0);
    OPS->set_note(s, "a.1", "uno", 3);
    commit(durable, s);
    assert_false(OPS->dirty(s));
    s = again(s, T0);
    assert_memory_equal(OPS->note(s, "a.1", &len), "uno", 3);
    assert_non_null(OPS->note(s, "a.2", &len));
    assert_int_equal(len, 0);
    assert_null(OPS->note(s, "b", &len));
    OPS->close(s);
}

static void tokens_are_never_the_same_again(void **state)
{
    (void)state;
    struct store *s = backend_open(durable, NULL);
    uint32_t last = 0;
    for (uint64_t id = 1; id <= 100; id++)
        OPS->put(s, backend_job(durable, id, 0, 0, 0), T0);
    commit(durable, s);
    for (int round = 0; round < 50; round++) { /* read from the file each time, or not */
        struct job *job = store_claim(OPS, s, 0, T0);
        assert_int_equal(job->id, 1);
        assert_true(job->token > last);
        assert_int_equal(OPS->finish(s, job, last, NEAP_COMPLETED, true, T0), NEAP_ESTALE);
        last = job->token;
        OPS->give_back(s, job, T0);
        assert_int_equal(OPS->finish(s, job, last, NEAP_COMPLETED, true, T0), NEAP_ESTALE);
        for (uint64_t id = 1; id <= 40; id++) /* in front of it, and away again */
            OPS->put(s, backend_job(durable, 1000 + (uint64_t)round * 100 + id, 0, 5, 0), T0);
        commit(durable, s);
        for (int i = 0; i < 40; i++) {
            job = store_claim(OPS, s, 0, T0);
            assert_int_equal(job->priority, 5);
            OPS->finish(s, job, job->token, NEAP_COMPLETED, false, T0);
        }
        commit(durable, s);
    }
    OPS->close(s);
}

static void a_clock_set_back_makes_nothing_early(void **state)
{
    (void)state;
    const int64_t hour_ms = 3600000;
    struct store *s = backend_open(durable, NULL);
    for (uint64_t id = 1; id <= 40; id++)
        OPS->put(s, backend_job(durable, id, 0, 0, id % 2 ? 0 : T0 + (int64_t)id), T0);
    commit(durable, s);
    assert_int_equal(store_claim(OPS, s, 0, T0)->id, 1);
    const int64_t back_ms = T0 - hour_ms;
    for (uint64_t id = 41; id <= 80; id++) {
        struct job *job = backend_job(durable, id, 0, 5, back_ms + 600000);
        job->submitted_ms = back_ms;
        OPS->put(s, job, back_ms);
    }
    commit(durable, s);
    for (uint64_t id = 3; id < 40; id += 2)
        assert_int_equal(store_claim(OPS, s, 0, back_ms + 1)->id, id);
    assert_null(store_claim(OPS, s, 0, back_ms + 1));
    s = again(s, back_ms + 2);
    for (uint64_t id = 1; id < 40; id += 2) /* that were in line are still */
        assert_int_equal(store_claim(OPS, s, 0, back_ms + 2)->id, id);
    assert_null(store_claim(OPS, s, 0, back_ms + 599999));
    for (uint64_t id = 41; id <= 80; id++)
        assert_int_equal(store_claim(OPS, s, 0, back_ms + 600000)->id, id);
    assert_null(store_claim(OPS, s, 0, back_ms + 600000));
    OPS->close(s);
}

static void kept_ones_are_pruned_after_a_reopen(void **state)
{
    (void)state;
    struct store_counts counts;
    struct store *s = backend_open(durable, NULL);
    for (uint64_t id = 1; id <= 300; id++) {
        OPS->put(s, backend_job(durable, id, 0, 0, 0), T0);
        OPS->end(s, OPS->get(s, id), id % 3 ? NEAP_CANCELLED : NEAP_DEAD, true, T0 + (int64_t)id);
    }
    commit(durable, s);
    s = again(s, T0);
    OPS->limit(s, &(struct store_limits){.completed = 50, .dead = -1});
    while (OPS->prune(s, T0))
        commit(durable, s);
    commit(durable, s);
    s = again(s, T0);
    OPS->counts(s, &counts);
    assert_int_equal(counts.states[NEAP_DEAD], 0);
    assert_int_equal(counts.states[NEAP_CANCELLED], 50);
    assert_null(OPS->get(s, 1));
    assert_non_null(OPS->get(s, 299));
    OPS->close(s);
}

/* Rows are written many at a time, and dropped by runs of ids: none too many, none too few. */
static void large_commits(void **state)
{
    (void)state;
    struct store *s = backend_open(durable, NULL);
    for (uint64_t id = 1; id <= 200; id++) {
        struct job *job = backend_job(durable, id, 0, 0, 0);
        if (id % 7 == 0) {
            job_left_own(job)->result_len = 5000; /* too large to go with others */
            job_left_own(job)->result = mem_zero(1, 5000);
        }
        OPS->put(s, job, T0);
    }
    commit(durable, s);
    for (uint64_t id = 200; id >= 1; id--) /* of ten: two wait, five go, three stay */
        if (id % 10 > 1)
            OPS->end(s, OPS->get(s, id), NEAP_CANCELLED, id % 10 > 6, T0);
    commit(durable, s);
    s = again(s, T0);
    for (uint64_t id = 1; id <= 200; id++) {
        const struct job *job = OPS->get(s, id);
        const uint64_t kind = id % 10;
        assert_int_equal(job != NULL, kind < 2 || kind > 6);
        if (job)
            assert_int_equal(job->state, kind < 2 ? NEAP_AVAILABLE : NEAP_CANCELLED);
        if (job)
            assert_int_equal(job_left(job)->result_len, id % 7 ? 0 : 5000);
    }
    OPS->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_claims_as_memory),
        cmocka_unit_test(same_claims_with_ageing),
        cmocka_unit_test(nothing_uncommitted_is_there),
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(pending_until_released),
        cmocka_unit_test(unique_keys_outlive_their_job),
        cmocka_unit_test(withdrawn_leaves_nothing),
        cmocka_unit_test(notes_are_kept),
        cmocka_unit_test(tokens_are_never_the_same_again),
        cmocka_unit_test(a_clock_set_back_makes_nothing_early),
        cmocka_unit_test(kept_ones_are_pruned_after_a_reopen),
        cmocka_unit_test(large_commits),
    };
    static const size_t windows[] = {4, 50, 0};
    int failed = 0;
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        struct backend backend;
        char name[40];
        snprintf(name, sizeof name, "sqlite, window %zu", windows[i]);
        backend_init(&memory, "memory", &store_memory, 0);
        backend_init(&backend, name, &store_sqlite, windows[i]);
        durable = &backend;
        failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
        backend_close(&backend);
        backend_close(&memory);
    }
    return failed;
}
