#include "runtime/pulse.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOST_WANTED 50

/* One thread enters and leaves as fast as it can, this one abandons what it sees. */
struct match {
    struct pulse pulse;
    _Atomic uint64_t lost; /* the section that its thread found abandoned; UINT64_MAX: none yet */
    uint64_t left;         /* sections */
};

static void *enter_and_leave(void *arg)
{
    struct match *m = arg;
    uint64_t state;
    do {
        pulse_enter(&m->pulse, 0, 0, 1, 0, false);
        state = atomic_load(&m->pulse.state);
        m->left++;
    } while (pulse_leave(&m->pulse));
    atomic_store(&m->lost, state);
    return NULL;
}

static void play(bool fenced)
{
    struct match *m = calloc(1, sizeof *m);
    pthread_t thread;
    uint64_t state;
    m->pulse.fenced = fenced;
    atomic_store(&m->lost, UINT64_MAX);
    assert_int_equal(pthread_create(&thread, NULL, enter_and_leave, m), 0);
    do {
        while (!pulse_is_in(state = atomic_load(&m->pulse.state)))
            ;
        assert_int_equal(atomic_load(&m->lost), UINT64_MAX);
        assert_false(pulse_lost(&m->pulse));
    } while (!pulse_abandon(&m->pulse, state));
    assert_true(pulse_lost(&m->pulse));
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&m->lost), state);
    free(m);
}

static void one_leaves_or_the_other_abandons(void **unused)
{
    (void)unused;
    for (int i = 0; i < LOST_WANTED; i++) {
        play(false);
        if (fence_known())
            play(true);
    }
}

static void a_question_about_another_section_means_nothing(void **unused)
{
    (void)unused;
    struct pulse p = {.fenced = fence_known()};
    pulse_enter(&p, 0, 0, 1, 0, false);
    const uint64_t first = atomic_load(&p.state);
    assert_true(pulse_leave(&p));
    assert_false(pulse_abandon(&p, first));
    for (int i = 0; i < 3; i++) {
        pulse_enter(&p, 0, 0, 2, 0, false);
        assert_false(pulse_abandon(&p, first));
        assert_true(pulse_leave(&p));
    }
    assert_false(pulse_lost(&p));
    pulse_enter(&p, 0, 0, 3, 0, true);
    assert_true(pulse_abandon(&p, atomic_load(&p.state)));
    assert_false(pulse_leave(&p));
    assert_true(pulse_lost(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_about_another_section_means_nothing),
        cmocka_unit_test(one_leaves_or_the_other_abandons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
