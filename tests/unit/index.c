/* The index against a naive oracle that looks at every job, and the promises of its header. */
#include "parts/index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parts/gate.h"

#define QUEUES 7
#define POOLS 3
#define T0 INT64_C(1700000000000)

static struct gate gates[QUEUES];
static uint64_t next_id;

static struct job *make(unsigned queue, int priority, int64_t available_ms, int64_t due_ms)
{
    struct job *job = job_new(NULL, NULL, 0);
    gates[queue].index = queue;
    job->gate = &gates[queue];
    job->id = ++next_id;
    job->priority = (int8_t)priority;
    job->submitted_ms = job->available_ms = available_ms;
    job->due.key = due_ms;
    return job;
}

static struct job *put(struct index *index, unsigned queue, int priority, int64_t now_ms)
{
    struct job *job = make(queue, priority, now_ms, 0);
    index_put(index, job, now_ms);
    return job;
}

static struct index *index_with(unsigned queues, uint64_t pools)
{
    struct index *index = index_new();
    next_id = 0;
    for (unsigned i = 0; i < queues; i++)
        index_serve(index, i, pools);
    return index;
}

static struct job *pop(struct index *index, unsigned pool, int64_t now_ms) /* one */
{
    struct job *job;
    return index_pop(index, pool, now_ms, &job, 1) ? job : NULL;
}

static void pop_is(struct index *index, unsigned pool, int64_t now_ms, struct job *want)
{
    assert_ptr_equal(index_peek(index, pool, now_ms), want);
    assert_ptr_equal(pop(index, pool, now_ms), want);
    job_free(NULL, want);
}

static void empty_has_nothing(void **state)
{
    (void)state;
    struct index *index = index_new();
    assert_null(index_peek(index, 0, T0));
    assert_null(pop(index, 63, T0));
    assert_int_equal(index_promote(index, T0), 0);
    assert_int_equal(index_next_due_ms(index), INT64_MAX);
    assert_int_equal(index_waiting(index, 1000000), 0);
    assert_int_equal(index_available(index, 0), 0);
    index_free(index);
    index_free(NULL);
}

static void priority_then_time_then_id(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *low = put(index, 0, -128, T0), *b = put(index, 0, 0, T0 + 1);
    struct job *a = put(index, 0, 0, T0), *c = put(index, 0, 0, T0 + 1);
    struct job *high = put(index, 0, 127, T0 + 9);
    assert_int_equal(index_available(index, 0), 5);
    pop_is(index, 0, T0 + 9, high);
    pop_is(index, 0, T0 + 9, a);
    pop_is(index, 0, T0 + 9, b);
    pop_is(index, 0, T0 + 9, c);
    pop_is(index, 0, T0 + 9, low);
    pop_is(index, 0, T0 + 9, NULL);
    index_free(index);
}

static void nothing_before_it_is_due(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *later = make(0, 5, T0, T0 + 100), *soon = make(0, 0, T0, T0 + 50);
    index_put(index, later, T0);
    index_put(index, soon, T0);
    assert_int_equal(index_waiting(index, 0), 2);
    assert_int_equal(index_available(index, 0), 0);
    assert_int_equal(index_next_due_ms(index), T0 + 50);
    assert_null(pop(index, 0, T0 + 49));
    assert_int_equal(index_promote(index, T0 + 49), 0);
    assert_int_equal(index_promote(index, T0 + 50), 1);
    assert_int_equal(soon->available_ms, T0 + 50);
    pop_is(index, 0, T0 + 50, soon);
    assert_int_equal(index_promote(index, T0 + 500), 1);
    assert_int_equal(later->available_ms, T0 + 100);
    pop_is(index, 0, T0 + 500, later);
    assert_int_equal(index_waiting(index, 0), 0);
    index_free(index);
}

static bool count_promoted(void *user, struct job *job)
{
    assert_int_equal(job->where, JOB_NOWHERE);
    ++*(int *)user;
    return true;
}

static void promotion_is_watched_and_takes_its_place(void **state)
{
    (void)state;
    enum { N = 100 };
    struct job *delayed[N], *fresh[N];
    struct index *index = index_with(1, 1);
    int promoted = 0;
    index_watch(index, count_promoted, &promoted);
    for (int i = 0; i < N; i++) {
        delayed[i] = make(0, 0, T0, T0 + 10 + 2 * i);
        index_put(index, delayed[i], T0);
    }
    for (int i = 0; i < N; i++) /* all in line before the first promotion */
        fresh[i] = put(index, 0, 0, T0 + 11 + 2 * i);
    assert_int_equal(index_promote(index, T0 + 10 + 2 * N), N);
    assert_int_equal(promoted, N);
    for (int i = 0; i < N; i++) {
        pop_is(index, 0, T0 + 1000, delayed[i]);
        pop_is(index, 0, T0 + 1000, fresh[i]);
    }
    index_free(index);
}

static void handed_back_takes_its_old_place(void **state)
{
    (void)state;
    enum { N = 200, TAKEN = 60 };
    struct index *index = index_with(1, 1);
    struct job *jobs[N];
    for (int i = 0; i < N; i++)
        jobs[i] = put(index, 0, i % 2, T0 + i / 20);
    struct job *taken[TAKEN], *all[N];
    srand(3);
    for (int i = 0; i < TAKEN; i++)
        taken[i] = pop(index, 0, T0 + N);
    for (int i = TAKEN - 1; i > 0; i--) {
        const int k = rand() % (i + 1);
        struct job *t = taken[i];
        taken[i] = taken[k];
        taken[k] = t;
    }
    for (int i = 0; i < TAKEN; i++)
        index_put(index, taken[i], T0 + N);
    for (int i = 0, k = 0; i < N; i++, k += 2)
        all[i] = jobs[k < N ? k + 1 : k - N];
    for (int i = 0; i < N; i++)
        pop_is(index, 0, T0 + N, all[i]);
    index_free(index);
}

static void many_handed_back_the_last_first(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *jobs[100];
    for (int i = 0; i < 100; i++)
        jobs[i] = put(index, 0, 0, T0 + i / 10);
    assert_int_equal(index_pop(index, 0, T0 + 10, jobs, 90), 90);
    for (int i = 90; i-- > 0;) {
        index_put(index, jobs[i], T0 + 10);
        assert_int_equal(jobs[i]->where, JOB_LINED);
    }
    for (int i = 0; i < 100; i++)
        pop_is(index, 0, T0 + 10, jobs[i]);
    index_free(index);
}

static void equals_go_round(void **state)
{
    (void)state;
    struct index *index = index_with(3, 1);
    const unsigned want[] = {2, 0, 1};
    unsigned order[9];
    for (int i = 0; i < 3; i++)
        for (unsigned q = 0; q < 3; q++)
            put(index, 2 - q, 0, T0); /* 2, 1, 0: in the order they came to the level */
    put(index, 1, 1, T0);             /* a higher one takes its queue out of turn */
    struct job *first = pop(index, 0, T0);
    assert_int_equal(first->priority, 1);
    job_free(NULL, first);
    for (int i = 0; i < 9; i++) {
        struct job *job = pop(index, 0, T0);
        order[i] = job->gate->index;
        job_free(NULL, job);
    }
    for (int i = 0; i < 9; i++)
        assert_int_equal(order[i], want[i % 3]);
    index_free(index);
}

static void pools_share_a_queue(void **state)
{
    (void)state;
    struct index *index = index_with(0, 0);
    index_serve(index, 0, 1);                 /* pool 0 */
    index_serve(index, 1, 1 | 2);             /* both */
    index_serve(index, 2, UINT64_C(1) << 63); /* the last */
    struct job *a = put(index, 0, 0, T0), *b = put(index, 1, 0, T0), *c = put(index, 2, 0, T0);
    struct job *d = put(index, 1, 9, T0), *e = put(index, 3, 9, T0);
    pop_is(index, 1, T0, d);
    pop_is(index, 1, T0, b);
    pop_is(index, 1, T0, NULL);
    pop_is(index, 63, T0, c);
    pop_is(index, 63, T0, NULL);
    pop_is(index, 0, T0, a);
    pop_is(index, 0, T0, NULL);
    index_serve(index, 3, 2); /* nobody served it */
    pop_is(index, 1, T0, e);
    index_free(index);
}

static void two_groups_go_round_together(void **state)
{
    (void)state;
    struct index *index = index_with(4, 1);
    index_serve(index, 0, 3); /* queues 0 and 1 for both pools, 2 and 3 for pool 0 alone */
    index_serve(index, 1, 3);
    for (int i = 0; i < 40; i++)
        put(index, (unsigned)i % 4, 0, T0);
    for (int i = 0; i < 40; i += 4) {
        unsigned seen = 0;
        for (int k = 0; k < 4; k++) {
            struct job *job = pop(index, 0, T0);
            seen |= 1u << job->gate->index;
            job_free(NULL, job);
        }
        assert_int_equal(seen, 15);
    }
    index_free(index);
}

static struct index *mixed_index(int jobs, unsigned seed)
{
    struct index *index = index_with(QUEUES, 1);
    index_serve(index, 1, 3);
    index_queue(index, 2, 10);
    index_limit(index, 3, true);
    srandom(seed);
    for (int i = 0; i < jobs; i++) {
        const unsigned queue = (unsigned)random() % QUEUES;
        const int priority = (int)(random() % 3);
        index_put(index, make(queue, priority, T0 - random() % 4, T0 - random() % 2), T0);
    }
    return index;
}

/* Random jobs, where runs are short, and then many of one queue. */
static void several_at_once_are_as_one_by_one(void **state)
{
    (void)state;
    int longest = 0;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct index *one = mixed_index(300, seed), *many = mixed_index(300, seed);
        for (int i = 0; i < 40; i++) {
            put(one, 5, 0, T0);
            next_id--;
            put(many, 5, 0, T0);
        }
        const unsigned pool = seed % 4 == 0;
        struct job *jobs[16], *alone;
        for (size_t max = 1, count; (count = index_pop(many, pool, T0, jobs, max));
             max = max % 16 + 1) {
            assert_true(count <= max);
            longest = (int)count > longest ? (int)count : longest;
            for (size_t i = 0; i < count; i++) {
                assert_non_null(alone = pop(one, pool, T0));
                assert_int_equal(jobs[i]->id, alone->id);
                assert_ptr_equal(jobs[i]->gate, jobs[0]->gate);
                assert_int_equal(jobs[i]->priority, jobs[0]->priority);
                assert_int_equal(jobs[i]->where, JOB_NOWHERE);
                job_free(NULL, alone);
            }
            for (size_t i = 0; i < count; i++)
                job_free(NULL, jobs[i]);
        }
        assert_null(pop(one, pool, T0));
        while ((alone = pop(one, 0, T0)))
            job_free(NULL, alone);
        while ((alone = pop(many, 0, T0)))
            job_free(NULL, alone);
        index_free(one);
        index_free(many);
    }
    assert_int_equal(longest, 16);
}

static void of_a_limited_queue_one_at_a_time(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *out[2], *a = put(index, 0, 0, T0), *b = put(index, 0, 0, T0);
    index_limit(index, 0, true);
    assert_int_equal(index_pop(index, 0, T0, out, 2), 1);
    assert_ptr_equal(out[0], a);
    index_shut(index, 0, true); /* what a claim may do */
    assert_int_equal(index_pop(index, 0, T0, out, 2), 0);
    index_shut(index, 0, false);
    pop_is(index, 0, T0, b);
    job_free(NULL, a);
    index_free(index);
}

static void shut_queues_are_skipped(void **state)
{
    (void)state;
    struct index *index = index_with(2, 1);
    struct job *a = put(index, 0, 5, T0), *b = put(index, 1, 0, T0);
    index_shut(index, 0, true);
    index_shut(index, 0, true);
    pop_is(index, 0, T0, b);
    pop_is(index, 0, T0, NULL);
    struct job *c = put(index, 0, 9, T0);
    assert_null(index_peek(index, 0, T0));
    index_shut(index, 0, false);
    pop_is(index, 0, T0, c);
    pop_is(index, 0, T0, a);
    index_free(index);
}

static void ageing_lifts_what_waits(void **state)
{
    (void)state;
    struct index *index = index_with(2, 1);
    index_queue(index, 0, 1000);
    struct job *old = put(index, 0, 0, T0), *steady = put(index, 1, 3, T0);
    assert_ptr_equal(index_peek(index, 0, T0 + 2999), steady);
    assert_ptr_equal(index_peek(index, 0, T0 + 4000), old);
    struct job *new = put(index, 0, 4, T0 + 4001); /* key: one ms behind */
    pop_is(index, 0, T0 + 4001, old);
    pop_is(index, 0, T0 + 4001, new);
    pop_is(index, 0, T0 + 4001, steady);
    index_free(index);
}

static void ageing_ends_at_the_highest(void **state)
{
    (void)state;
    struct index *index = index_with(2, 1);
    index_queue(index, 0, 1);
    struct job *aged = put(index, 0, -128, T0);
    assert_ptr_equal(index_peek(index, 0, T0 + 100000), aged);
    struct job *a = put(index, 1, 127, T0 + 100000), *b = put(index, 1, 127, T0 + 100000);
    pop_is(index, 0, T0 + 100000, aged); /* level with the others, and there first */
    struct job *again = put(index, 0, -128, T0);
    pop_is(index, 0, T0 + 200000, a);
    pop_is(index, 0, T0 + 200000, again);
    pop_is(index, 0, T0 + 200000, b);
    index_free(index);
}

static void ageing_changes_while_in_line(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *old = put(index, 0, 0, T0), *high = put(index, 0, 2, T0 + 5000);
    assert_ptr_equal(index_peek(index, 0, T0 + 5000), high);
    index_queue(index, 0, 1000);
    assert_ptr_equal(index_peek(index, 0, T0 + 5000), old);
    index_queue(index, 0, 4000);
    assert_ptr_equal(index_peek(index, 0, T0 + 5000), high);
    index_queue(index, 0, 0);
    pop_is(index, 0, T0 + 5000, high);
    assert_int_equal(old->due.key, 0);
    pop_is(index, 0, T0 + 5000, old);
    index_free(index);
}

static void removal(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    struct job *a = put(index, 0, 0, T0), *b = put(index, 0, 0, T0), *c = put(index, 0, 0, T0);
    struct job *later = make(0, 0, T0, T0 + 50);
    index_put(index, later, T0);
    index_remove(index, a);
    index_remove(index, later);
    assert_int_equal(later->due.key, T0 + 50);
    index_remove(index, c);
    assert_int_equal(index_waiting(index, 0), 1);
    assert_int_equal(index_next_due_ms(index), INT64_MAX);
    pop_is(index, 0, T0, b);
    pop_is(index, 0, T0, NULL);
    index_put(index, later, T0 + 10); /* still scheduled */
    assert_null(index_peek(index, 0, T0 + 10));
    index_free(index);
    job_free(NULL, a);
    job_free(NULL, c);
    job_free(NULL, later);
}

/* The oracle. */

#define JOBS 400
enum place { ABSENT, IN_LINE, TAKEN };

struct model {
    struct index *index;
    int64_t now_ms;
    struct job *jobs[JOBS];
    enum place place[JOBS];
    int64_t due_ms[JOBS]; /* of those in line; at most now: available */
    int64_t ageing_ms[QUEUES];
    uint64_t pools[QUEUES];
    bool shut[QUEUES];
    int level[QUEUES];          /* aged priority of the head when last looked at; -999: not ready */
    int passed[QUEUES][QUEUES]; /* how often the second was served while the first waited level */
    unsigned pops, hits;
};

static int random_below(int n)
{
    return rand() % n;
}

static bool available(const struct model *m, int i)
{
    return m->place[i] == IN_LINE && m->due_ms[i] == 0;
}

/* Is job a before job b of the same queue? */
static bool comes_before(const struct model *m, const struct job *a, const struct job *b)
{
    const int64_t ageing = m->ageing_ms[a->gate->index];
    if (ageing) {
        const int64_t ka = a->available_ms - a->priority * ageing;
        const int64_t kb = b->available_ms - b->priority * ageing;
        return ka != kb ? ka < kb : a->id < b->id;
    }
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return a->available_ms != b->available_ms ? a->available_ms < b->available_ms : a->id < b->id;
}

static int aged(const struct model *m, const struct job *job)
{
    const int64_t ageing = m->ageing_ms[job->gate->index];
    const int64_t priority =
        job->priority + (ageing ? (m->now_ms - job->available_ms) / ageing : 0);
    return priority > 127 ? 127 : (int)priority;
}

static struct job *model_head(const struct model *m, unsigned queue)
{
    struct job *best = NULL;
    for (int i = 0; i < JOBS; i++)
        if (available(m, i) && m->jobs[i]->gate->index == queue &&
            (!best || comes_before(m, m->jobs[i], best)))
            best = m->jobs[i];
    return m->shut[queue] ? NULL : best;
}

/* Forgets the passes of queues whose level changed: they begin a new wait. */
static void look(struct model *m, struct job *heads[QUEUES])
{
    for (unsigned q = 0; q < QUEUES; q++) {
        heads[q] = model_head(m, q);
        const int level = heads[q] ? aged(m, heads[q]) : -999;
        if (level != m->level[q])
            memset(m->passed[q], 0, sizeof m->passed[q]);
        m->level[q] = level;
    }
}

static void check_pop(struct model *m, struct job *heads[QUEUES], unsigned pool, struct job *got)
{
    int best = -999;
    for (unsigned q = 0; q < QUEUES; q++)
        if (m->pools[q] >> pool & 1 && m->level[q] > best)
            best = m->level[q];
    if (best == -999) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    const unsigned served = got->gate->index;
    assert_ptr_equal(got, heads[served]);
    assert_true(m->pools[served] >> pool & 1);
    assert_int_equal(m->level[served], best);
    for (unsigned q = 0; q < QUEUES; q++)
        if (q != served && m->pools[q] >> pool & 1 && m->level[q] == best)
            assert_true(++m->passed[q][served] <= 1);
    memset(m->passed[served], 0, sizeof m->passed[served]);
    m->hits++;
}

static int find(const struct model *m, enum place place)
{
    const int from = random_below(JOBS);
    for (int i = 0; i < JOBS; i++)
        if (m->place[(from + i) % JOBS] == place)
            return (from + i) % JOBS;
    return -1;
}

static void step_pop(struct model *m)
{
    struct job *heads[QUEUES];
    const unsigned pool = (unsigned)random_below(POOLS);
    look(m, heads);
    struct job *peeked = index_peek(m->index, pool, m->now_ms);
    struct job *got = pop(m->index, pool, m->now_ms);
    assert_ptr_equal(peeked, got);
    check_pop(m, heads, pool, got);
    m->pops++;
    for (int i = 0; got && i < JOBS; i++)
        if (m->jobs[i] == got) {
            assert_int_equal(got->where, JOB_NOWHERE);
            assert_int_equal(got->due.key, 0);
            m->place[i] = TAKEN;
        }
}

static void step_put(struct model *m, int spread)
{
    const int i = find(m, ABSENT);
    if (i < 0)
        return;
    const int kind = random_below(4);
    const int64_t since = m->now_ms - (kind == 1 ? random_below(50) : 0);
    const int64_t due = kind == 0 ? m->now_ms + random_below(300) : kind == 2 ? since : 0;
    job_free(NULL, m->jobs[i]);
    m->jobs[i] =
        make((unsigned)random_below(QUEUES), random_below(2 * spread) - spread, since, due);
    m->due_ms[i] = due > m->now_ms ? due : 0;
    m->place[i] = IN_LINE;
    index_put(m->index, m->jobs[i], m->now_ms);
}

static void step_give_back(struct model *m)
{
    const int i = find(m, TAKEN);
    if (i < 0)
        return;
    const bool retried = random_below(3) == 0;
    m->due_ms[i] = retried ? m->now_ms + 1 + random_below(100) : 0;
    if (retried)
        m->jobs[i]->due.key = m->due_ms[i];
    m->place[i] = IN_LINE;
    index_put(m->index, m->jobs[i], m->now_ms);
}

static void step_remove(struct model *m)
{
    const int i = find(m, random_below(2) ? IN_LINE : TAKEN);
    if (i < 0)
        return;
    if (m->place[i] == IN_LINE)
        index_remove(m->index, m->jobs[i]);
    m->place[i] = ABSENT;
}

static void step_time(struct model *m)
{
    m->now_ms += random_below(40);
    size_t due = 0;
    int64_t next = INT64_MAX;
    for (int i = 0; i < JOBS; i++) {
        if (m->place[i] != IN_LINE || m->due_ms[i] == 0)
            continue;
        if (m->due_ms[i] <= m->now_ms) {
            m->due_ms[i] = 0;
            due++;
        } else if (m->due_ms[i] < next) {
            next = m->due_ms[i];
        }
    }
    assert_int_equal(index_promote(m->index, m->now_ms), due);
    assert_int_equal(index_next_due_ms(m->index), next);
}

static void step_settings(struct model *m, bool ageing)
{
    struct job *heads[QUEUES];
    const unsigned q = (unsigned)random_below(QUEUES);
    switch (random_below(ageing ? 4 : 3)) {
    case 0:
        m->pools[q] = (uint64_t)random_below(1 << POOLS);
        index_serve(m->index, q, m->pools[q]);
        memset(m->passed[q], 0, sizeof m->passed[q]);
        break;
    case 3:
        m->ageing_ms[q] = random_below(2) ? 1 + random_below(60) : 0;
        index_queue(m->index, q, m->ageing_ms[q]);
        break;
    default:
        m->shut[q] = !m->shut[q];
        index_shut(m->index, q, m->shut[q]);
    }
    look(m, heads);
}

static void check_counts(const struct model *m)
{
    size_t waiting[QUEUES] = {0}, ready[QUEUES] = {0};
    for (int i = 0; i < JOBS; i++) {
        if (m->place[i] != IN_LINE)
            continue;
        waiting[m->jobs[i]->gate->index]++;
        ready[m->jobs[i]->gate->index] += available(m, i);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        assert_int_equal(index_waiting(m->index, q), waiting[q]);
        assert_int_equal(index_available(m->index, q), ready[q]);
    }
}

static void run_model(unsigned seed, bool ageing, int spread, int puts)
{
    struct model m = {.index = index_new(), .now_ms = T0};
    struct job *heads[QUEUES];
    srand(seed);
    for (unsigned q = 0; q < QUEUES; q++) {
        m.pools[q] = 1 + (uint64_t)random_below((1 << POOLS) - 1);
        m.ageing_ms[q] = ageing && q % 2 ? 1 + random_below(100) : 0;
        index_serve(m.index, q, m.pools[q]);
        index_queue(m.index, q, m.ageing_ms[q]);
    }
    for (int step = 0; step < 15000; step++) {
        const int what = random_below(1000);
        if (what < puts)
            step_put(&m, spread);
        else if (what < 750)
            step_pop(&m);
        else if (what < 850)
            step_give_back(&m);
        else if (what < 900)
            step_remove(&m);
        else if (what < 990)
            step_time(&m);
        else
            step_settings(&m, ageing);
        look(&m, heads);
        if (step % 64 == 0)
            check_counts(&m);
    }
    assert_true(m.hits > 1000);
    index_free(m.index);
    for (int i = 0; i < JOBS; i++)
        job_free(NULL, m.jobs[i]);
}

static void agrees_with_the_oracle(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 4; seed++) {
        run_model(seed, false, 128, 400);
        run_model(seed + 100, false, 2, 400);
        run_model(seed + 200, true, 128, 380);
        run_model(seed + 300, true, 2, 420);
    }
}

struct thinning {
    struct index *index;
    size_t left, gone;
    uint64_t last; /* id of who went last */
};

static bool may_stay(void *user, struct job *job)
{
    struct thinning *t = user;
    assert_int_equal(job->where == JOB_DUE, job->due.key > T0);
    return t->left && t->left--;
}

static void goes(void *user, struct job *job)
{
    struct thinning *t = user;
    assert_int_equal(job->where, JOB_NOWHERE);
    assert_true(job->id > t->last); /* in the order of the line */
    t->last = job->id;
    t->gone++;
    job_free(NULL, job);
}

static void thinned_from_behind(void **state)
{
    (void)state;
    for (int ageing = 0; ageing < 2; ageing++) {
        struct index *index = index_with(2, 1);
        struct thinning t = {.index = index, .left = 30};
        const struct index_thin thin = {may_stay, goes, &t};
        index_queue(index, 0, ageing ? 1000 : 0);
        for (int i = 0; i < 100; i++) /* three levels, the most urgent first */
            put(index, 0, 2 - i / 40, T0);
        for (int i = 0; i < 50; i++)
            index_put(index, make(1, 0, T0, T0 + 10 + i), T0);
        index_thin_line(index, 0, &thin);
        assert_int_equal(t.gone, 70);
        assert_int_equal(index_available(index, 0), 30);
        t = (struct thinning){.index = index, .left = 20};
        index_thin_due(index, &thin);
        assert_int_equal(t.gone, 30);
        assert_int_equal(index_scheduled(index), 20);
        assert_int_equal(index_waiting(index, 1), 20);
        assert_int_equal(index_next_due_ms(index), T0 + 10);
        for (uint64_t id = 1; id <= 30; id++) {
            struct job *job = pop(index, 0, T0);
            assert_int_equal(job->id, id);
            job_free(NULL, job);
        }
        assert_null(pop(index, 0, T0));
        assert_int_equal(index_promote(index, T0 + 1000), 20);
        for (uint64_t id = 101; id <= 120; id++) {
            struct job *job = pop(index, 0, T0 + 1000);
            assert_int_equal(job->id, id);
            job_free(NULL, job);
        }
        index_free(index);
    }
}

static bool keeps_elsewhere(void *user, struct job *job)
{
    ++*(int *)user;
    job_free(NULL, job);
    return false;
}

static void promoted_elsewhere(void **state)
{
    (void)state;
    struct index *index = index_with(1, 1);
    int gone = 0;
    index_watch(index, keeps_elsewhere, &gone);
    for (int i = 0; i < 10; i++)
        index_put(index, make(0, 0, T0, T0 + i), T0 - 1);
    assert_int_equal(index_promote(index, T0 + 100), 10);
    assert_int_equal(gone, 10);
    assert_int_equal(index_waiting(index, 0), 0);
    assert_null(pop(index, 0, T0 + 100));
    index_free(index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_has_nothing),
        cmocka_unit_test(thinned_from_behind),
        cmocka_unit_test(promoted_elsewhere),
        cmocka_unit_test(priority_then_time_then_id),
        cmocka_unit_test(nothing_before_it_is_due),
        cmocka_unit_test(promotion_is_watched_and_takes_its_place),
        cmocka_unit_test(handed_back_takes_its_old_place),
        cmocka_unit_test(many_handed_back_the_last_first),
        cmocka_unit_test(equals_go_round),
        cmocka_unit_test(pools_share_a_queue),
        cmocka_unit_test(two_groups_go_round_together),
        cmocka_unit_test(several_at_once_are_as_one_by_one),
        cmocka_unit_test(of_a_limited_queue_one_at_a_time),
        cmocka_unit_test(shut_queues_are_skipped),
        cmocka_unit_test(ageing_lifts_what_waits),
        cmocka_unit_test(ageing_ends_at_the_highest),
        cmocka_unit_test(ageing_changes_while_in_line),
        cmocka_unit_test(removal),
        cmocka_unit_test(agrees_with_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
