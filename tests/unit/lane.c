#include "base/lane.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"

#define MANY (LANE_BLOCK * 1000 + 7)

static void in_order_and_what_was_seen_only(void **state)
{
    (void)state;
    struct lane lane;
    struct message messages[LANE_BLOCK * 3] = {0};
    const unsigned n = LANE_BLOCK * 3 - 1;
    lane_init(&lane);
    assert_false(lane_look(&lane));
    assert_null(lane_first(&lane));
    for (unsigned i = 0; i < n; i++)
        lane_put(&lane, &messages[i]);
    assert_null(lane_first(&lane));
    assert_true(lane_look(&lane));
    assert_int_equal(lane_more(&lane), 0);
    lane_put(&lane, &messages[n]);
    assert_int_equal(lane_more(&lane), 1);
    for (unsigned i = 0; i < n; i++) {
        assert_ptr_equal(lane_first(&lane), &messages[i]);
        assert_ptr_equal(lane_first(&lane), &messages[i]);
        lane_shift(&lane);
    }
    assert_null(lane_first(&lane));
    lane_look(&lane);
    assert_ptr_equal(lane_first(&lane), &messages[n]);
    lane_shift(&lane);
    assert_null(lane_first(&lane));
    lane_close(&lane);
}

static void tells_what_comes_in_the_same_block(void **state)
{
    (void)state;
    struct lane lane;
    struct message messages[LANE_BLOCK + 1] = {0}, **span = NULL;
    lane_init(&lane);
    for (unsigned i = 0; i <= LANE_BLOCK; i++) {
        lane_put(&lane, &messages[i]);
        if (i == 2)
            lane_look(&lane);
    }
    assert_int_equal(lane_span(&lane, &span), 3); /* the others are not seen */
    assert_ptr_equal(span[2], &messages[2]);
    lane_shift(&lane);
    lane_look(&lane);
    assert_int_equal(lane_span(&lane, &span), LANE_BLOCK - 1);
    assert_ptr_equal(span[LANE_BLOCK - 2], &messages[LANE_BLOCK - 1]);
    lane_skip(&lane, 2);
    assert_ptr_equal(lane_first(&lane), &messages[3]);
    lane_skip(&lane, LANE_BLOCK - 3);
    assert_int_equal(lane_span(&lane, &span), 1); /* in the next block */
    assert_ptr_equal(span[0], &messages[LANE_BLOCK]);
    lane_skip(&lane, 1);
    assert_int_equal(lane_span(&lane, &span), 0);
    lane_close(&lane);
}

struct putter {
    struct lane lane;
    struct mailbox mailbox;
    struct message *messages;
    void (*wake)(struct mailbox *m);
    _Atomic int taken;
};

/* In bursts, each once the last one has been taken: the taker lies down as often as possible. */
static void *put_all(void *arg)
{
    struct putter *p = arg;
    for (int i = 0; i < MANY; i++) {
        while (i % 7 == 0 && atomic_load(&p->taken) < i)
            ;
        p->messages[i].kind = i;
        lane_put(&p->lane, &p->messages[i]);
        p->wake(&p->mailbox);
    }
    return NULL;
}

static int take_all(struct putter *p, int next)
{
    struct list none;
    list_init(&none);
    assert_false(mailbox_drain(&p->mailbox, &none));
    lane_look(&p->lane);
    for (struct message *m; (m = lane_first(&p->lane)); next++) {
        assert_int_equal(m->kind, next);
        lane_shift(&p->lane);
    }
    atomic_store(&p->taken, next);
    return next;
}

/* As the engine sleeps: once more after a moment, and then as long as it takes. */
static void sleep_till_hint(struct putter *p)
{
    if (!mailbox_lie_down(&p->mailbox))
        return;
    if (!lane_more(&p->lane) && !mailbox_rest(&p->mailbox, clock_mono_ns() + 1000000) &&
        !lane_more(&p->lane))
        assert_true(mailbox_rest(&p->mailbox, clock_mono_ns() + INT64_C(60000000000)));
    mailbox_get_up(&p->mailbox);
}

static void sleep_till_nudge(struct putter *p)
{
    mailbox_wait(&p->mailbox, INT64_MAX);
}

static void loses_nothing(void (*wake)(struct mailbox *m), void (*sleep)(struct putter *p))
{
    struct putter p = {.messages = calloc(MANY, sizeof *p.messages), .wake = wake};
    pthread_t thread;
    lane_init(&p.lane);
    mailbox_init(&p.mailbox, NULL, NULL);
    assert_int_equal(pthread_create(&thread, NULL, put_all, &p), 0);
    for (int next = 0; next < MANY; next = take_all(&p, next))
        sleep(&p);
    pthread_join(thread, NULL);
    lane_close(&p.lane);
    mailbox_close(&p.mailbox);
    free(p.messages);
}

/* The taker sleeps without a limit: each nudge must be seen. */
static void loses_nothing_with_nudges(void **state)
{
    (void)state;
    loses_nothing(mailbox_nudge, sleep_till_nudge);
}

static void loses_nothing_with_hints_and_a_second_look(void **state)
{
    (void)state;
    loses_nothing(mailbox_hint, sleep_till_hint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_what_was_seen_only),
        cmocka_unit_test(tells_what_comes_in_the_same_block),
        cmocka_unit_test(loses_nothing_with_nudges),
        cmocka_unit_test(loses_nothing_with_hints_and_a_second_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
