#include "base/lane.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY (LANE_BLOCK * 1000 + 7)

static void in_order_and_what_was_seen_only(void **state)
{
    (void)state;
    struct lane lane;
    struct message messages[LANE_BLOCK * 3] = {0};
    const unsigned n = LANE_BLOCK * 3 - 1;
    lane_init(&lane);
    lane_look(&lane);
    assert_null(lane_first(&lane));
    for (unsigned i = 0; i < n; i++)
        lane_put(&lane, &messages[i]);
    assert_null(lane_first(&lane));
    lane_look(&lane);
    lane_put(&lane, &messages[n]);
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
    struct message messages[LANE_BLOCK + 1] = {0};
    lane_init(&lane);
    for (unsigned i = 0; i <= LANE_BLOCK; i++) {
        lane_put(&lane, &messages[i]);
        if (i == 2)
            lane_look(&lane);
    }
    assert_ptr_equal(lane_ahead(&lane, 2), &messages[2]);
    assert_null(lane_ahead(&lane, 3)); /* not seen */
    lane_look(&lane);
    assert_ptr_equal(lane_ahead(&lane, 3), &messages[3]);
    assert_null(lane_ahead(&lane, LANE_BLOCK)); /* in the next one */
    for (unsigned i = 0; i <= LANE_BLOCK; i++) {
        assert_ptr_equal(lane_first(&lane), &messages[i]);
        lane_shift(&lane);
    }
    lane_close(&lane);
}

struct putter {
    struct lane lane;
    struct mailbox mailbox;
    struct message *messages;
};

static void *put_all(void *arg)
{
    struct putter *p = arg;
    for (int i = 0; i < MANY; i++) {
        p->messages[i].kind = i;
        lane_put(&p->lane, &p->messages[i]);
        mailbox_nudge(&p->mailbox);
    }
    return NULL;
}

/* The taker sleeps without a limit: each nudge must be seen. */
static void loses_nothing_between_threads(void **state)
{
    (void)state;
    struct putter p = {.messages = calloc(MANY, sizeof *p.messages)};
    struct list none;
    pthread_t thread;
    list_init(&none);
    lane_init(&p.lane);
    mailbox_init(&p.mailbox, NULL, NULL);
    assert_int_equal(pthread_create(&thread, NULL, put_all, &p), 0);
    for (int next = 0; next < MANY;) {
        mailbox_wait(&p.mailbox, INT64_MAX);
        assert_false(mailbox_drain(&p.mailbox, &none));
        lane_look(&p.lane);
        for (struct message *m; (m = lane_first(&p.lane)); next++) {
            assert_int_equal(m->kind, next);
            lane_shift(&p.lane);
        }
    }
    pthread_join(thread, NULL);
    lane_close(&p.lane);
    mailbox_close(&p.mailbox);
    free(p.messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_what_was_seen_only),
        cmocka_unit_test(tells_what_comes_in_the_same_block),
        cmocka_unit_test(loses_nothing_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
