#include "parts/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#define CAPACITY 10
#define THREADS 4
#define ROUNDS 20000

static void names_get_one_gate_each(void **state)
{
    (void)state;
    struct gates *gates = gates_new();
    struct gate *kept[100];
    char name[16];
    assert_int_equal(gates_count(gates), 0);
    assert_null(gates_find(gates, "q0"));
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "q%u", i);
        kept[i] = gates_intern(gates, name);
        assert_string_equal(kept[i]->name, name);
        assert_int_equal(kept[i]->index, i);
        assert_false(kept[i]->open);
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "q%u", i);
        assert_ptr_equal(gates_find(gates, name), kept[i]);
        assert_ptr_equal(gates_intern(gates, name), kept[i]);
        assert_ptr_equal(gates_at(gates, i), kept[i]);
    }
    assert_int_equal(gates_count(gates), 100);
    assert_null(gates_find(gates, "q100"));
    assert_null(gates_find(gates, ""));
    gates_free(gates);
    gates_free(NULL);
}

static void takes_the_longest_name(void **state)
{
    (void)state;
    struct gates *gates = gates_new();
    const char *name = "abcdefghijklmnopqrstuvwxyz0123456789_-AB";
    assert_int_equal(strlen(name), NEAP_TASK_MAX);
    assert_string_equal(gates_intern(gates, name)->name, name);
    gates_free(gates);
}

static int64_t waiting_at(struct gate *gate)
{
    return atomic_load(&gate->entered) - atomic_load(&gate->left);
}

static void counts_places(void **state)
{
    (void)state;
    struct gate gate = {.capacity = 2};
    assert_true(gate_enter(&gate));
    assert_true(gate_enter(&gate));
    assert_false(gate_enter(&gate));
    assert_int_equal(waiting_at(&gate), 2);
    gate_force(&gate);
    assert_int_equal(waiting_at(&gate), 3);
    assert_false(gate_leave(&gate));
    gate.blocked = 1;
    assert_true(gate_leave(&gate)); /* 1 of 2: the blocked one may enter */
    assert_true(gate_enter(&gate));
    assert_false(gate_enter(&gate));
}

static void tells_of_room_only_where_there_is_some(void **state)
{
    (void)state;
    struct gate gate = {.capacity = 1, .blocked = 1};
    gate_force(&gate);
    gate_force(&gate);
    assert_false(gate_leave(&gate));
    assert_true(gate_leave(&gate));
}

static void no_capacity_means_no_limit(void **state)
{
    (void)state;
    struct gate gate = {.capacity = 0};
    for (int i = 0; i < 1000; i++)
        assert_true(gate_enter(&gate));
    gate.capacity = 500; /* a reload */
    assert_false(gate_enter(&gate));
}

static void several_places_only_where_plenty_is_free(void **state)
{
    (void)state;
    struct gate gate = {.capacity = GATE_PLENTY + 40};
    assert_int_equal(gate_enter_some(&gate, 32), 32); /* 40 more than plenty were free */
    assert_int_equal(gate_enter_some(&gate, 32), 32);
    assert_int_equal(gate_enter_some(&gate, 32), 1);
    assert_int_equal(waiting_at(&gate), 65);
    gate.blocked = 1;
    gate.capacity = 65;
    assert_int_equal(gate_enter_some(&gate, 32), 0);
    assert_true(gate_give_back(&gate, 31));
    assert_int_equal(gate_length(&gate), 34);
    assert_int_equal(waiting_at(&gate), 34);
    gate.capacity = 0;
    assert_int_equal(gate_enter_some(&gate, 32), 32);
}

static void what_has_left_makes_plenty(void **state)
{
    (void)state;
    struct gate gate = {.capacity = GATE_PLENTY + 64};
    int64_t entered = 0, most = 0;
    while (entered < 2 * GATE_PLENTY) {
        const int64_t places = gate_enter_some(&gate, 32);
        most = entered > GATE_PLENTY && places > most ? places : most;
        for (int64_t i = 0; i < places; i++)
            gate_leave(&gate);
        entered += places;
    }
    assert_int_equal(most, 32);
}

static void exits_count_as_leaving(void **state)
{
    (void)state;
    struct gates *gates = gates_new();
    struct gate *gate = gates_intern(gates, "q");
    unsigned exits[GATE_EXITS];
    for (unsigned i = 0; i < GATE_EXITS; i++) {
        exits[i] = gates_take_exit(gates);
        assert_int_equal(exits[i], i);
    }
    assert_int_equal(gates_take_exit(gates), GATE_NO_EXIT);
    gates_give_exit(gates, GATE_NO_EXIT);
    atomic_store(&gate->capacity, 3);
    for (int i = 0; i < 3; i++)
        assert_true(gate_enter(gate));
    assert_false(gate_enter(gate));
    assert_false(gate_leave_by(gate, 5));
    assert_false(gate_leave_by(gate, GATE_NO_EXIT));
    assert_true(gate_enter(gate));
    assert_true(gate_enter(gate));
    assert_false(gate_enter(gate));
    atomic_store(&gate->blocked, 1);
    assert_true(gate_leave_by(gate, 31));
    assert_true(gate_leave_by(gate, 5));
    atomic_store(&gate->blocked, 0);
    gates_give_exit(gates, 5); /* what was counted there stays, and goes on */
    assert_int_equal(gates_take_exit(gates), 5);
    assert_false(gate_leave_by(gate, 5));
    for (int i = 0; i < 3; i++)
        assert_true(gate_enter(gate));
    assert_false(gate_enter(gate));
    gates_free(gates);
}

struct hammered {
    struct gate *gate;
    atomic_uint exits;
    atomic_int inside, most;
    atomic_uint_least64_t entered, refused;
};

static void counts_whom_it_turns_away(void **state)
{
    (void)state;
    struct gates *gates = gates_new();
    struct gate *gate = gates_intern(gates, "q");
    assert_false(gate_refuse(gate)); /* one that cannot wait, at a queue that blocks */
    atomic_store(&gate->policy, GATE_REJECT);
    assert_false(gate_refuse(gate));
    atomic_store(&gate->policy, GATE_DROP);
    assert_true(gate_refuse(gate));
    assert_int_equal(atomic_load(&gate->rejected), 2);
    assert_int_equal(atomic_load(&gate->dropped), 1);
    assert_int_equal(waiting_at(gate), 0);
    gates_free(gates);
}

static void *hammer(void *arg)
{
    struct hammered *h = arg;
    const unsigned number = atomic_fetch_add(&h->exits, 1);
    for (int i = 0; i < ROUNDS; i++) {
        if (!gate_enter(h->gate)) {
            atomic_fetch_add(&h->refused, 1);
            sched_yield();
            continue;
        }
        const int inside = atomic_fetch_add(&h->inside, 1) + 1;
        int most = atomic_load(&h->most);
        while (inside > most && !atomic_compare_exchange_weak(&h->most, &most, inside))
            ;
        if (i % 8 == 0)
            sched_yield(); /* so that the others meet a full gate */
        atomic_fetch_add(&h->entered, 1);
        atomic_fetch_sub(&h->inside, 1);
        gate_leave_by(h->gate, number % 2 ? number : GATE_NO_EXIT);
    }
    return NULL;
}

static void never_more_than_capacity_inside(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) { /* once with room for all, once for one fewer than all */
        struct gates *gates = gates_new();
        struct hammered h = {.gate = gates_intern(gates, "q")};
        atomic_store(&h.gate->capacity, CAPACITY);
        const int limit = held ? THREADS - 1 : CAPACITY;
        for (int i = 0; i < CAPACITY - limit; i++)
            assert_true(gate_enter(h.gate));
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, hammer, &h), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_true(h.most >= 1 && h.most <= limit);
        assert_int_equal(h.entered + h.refused, THREADS * ROUNDS);
        for (int i = 0; i < limit; i++)
            assert_true(gate_enter(h.gate));
        assert_false(gate_enter(h.gate));
        gates_free(gates);
    }
}

/* Submitters that wait as the header says: nobody may sleep for ever beside an empty gate. */
struct sleepers {
    struct gate gate;
    pthread_mutex_t lock;
    pthread_cond_t room;
    unsigned rung; /* how often somebody was told of room */
    atomic_int inside, most;
};

static void enter_waiting(struct sleepers *s)
{
    while (!gate_enter(&s->gate)) {
        pthread_mutex_lock(&s->lock);
        atomic_fetch_add(&s->gate.blocked, 1);
        const unsigned seen = s->rung;
        const bool entered = gate_enter(&s->gate);
        while (!entered && s->rung == seen)
            pthread_cond_wait(&s->room, &s->lock);
        atomic_fetch_sub(&s->gate.blocked, 1);
        pthread_mutex_unlock(&s->lock);
        if (entered)
            return;
    }
}

static void *sleep_and_work(void *arg)
{
    struct sleepers *s = arg;
    for (int i = 0; i < ROUNDS / 10; i++) {
        enter_waiting(s);
        const int inside = atomic_fetch_add(&s->inside, 1) + 1;
        if (inside > atomic_load(&s->most))
            atomic_store(&s->most, inside);
        sched_yield();
        atomic_fetch_sub(&s->inside, 1);
        if (gate_leave(&s->gate)) {
            pthread_mutex_lock(&s->lock);
            s->rung++;
            pthread_cond_broadcast(&s->room);
            pthread_mutex_unlock(&s->lock);
        }
    }
    return NULL;
}

static void nobody_sleeps_beside_room(void **state)
{
    (void)state;
    struct sleepers s = {.gate = {.capacity = 2}};
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.room, NULL);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sleep_and_work, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL); /* a lost wake hangs here */
    assert_true(s.most <= 2);
    assert_int_equal(waiting_at(&s.gate), 0);
    assert_int_equal(s.gate.blocked, 0);
    pthread_cond_destroy(&s.room);
    pthread_mutex_destroy(&s.lock);
}

static void *intern_many(void *arg)
{
    struct gates *gates = arg;
    char name[16];
    for (unsigned i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "q%u", i);
        struct gate *gate = gates_intern(gates, name);
        if (gates_find(gates, name) != gate || gates_at(gates, gate->index) != gate)
            return gates;
    }
    return NULL;
}

static void threads_agree_on_gates(void **state)
{
    (void)state;
    struct gates *gates = gates_new();
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, intern_many, gates), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(gates_count(gates), 500);
    gates_free(gates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_get_one_gate_each),
        cmocka_unit_test(takes_the_longest_name),
        cmocka_unit_test(counts_places),
        cmocka_unit_test(tells_of_room_only_where_there_is_some),
        cmocka_unit_test(no_capacity_means_no_limit),
        cmocka_unit_test(several_places_only_where_plenty_is_free),
        cmocka_unit_test(what_has_left_makes_plenty),
        cmocka_unit_test(exits_count_as_leaving),
        cmocka_unit_test(counts_whom_it_turns_away),
        cmocka_unit_test(never_more_than_capacity_inside),
        cmocka_unit_test(nobody_sleeps_beside_room),
        cmocka_unit_test(threads_agree_on_gates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
