#include "base/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"

#define MS INT64_C(1000000)
#define FOREVER INT64_MAX

struct note {
    struct message message;
    int sender, number;
};

#define NOTE(node)                                                                                 \
    ((struct note *)(void *)(node)) /* link is the first of message, it the first here */

static void count_wake(void *user)
{
    ++*(int *)user;
}

static void wakes_once_until_drained(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox m;
    struct note notes[4] = {0};
    struct list out, batch;
    list_init(&out);
    list_init(&batch);
    mailbox_init(&m, count_wake, &wakes);
    assert_false(mailbox_drain(&m, &out));
    mailbox_post_all(&m, &batch);
    assert_true(mailbox_sleep(&m));
    assert_int_equal(wakes, 0);
    mailbox_post(&m, &notes[0].message);
    mailbox_post(&m, &notes[1].message);
    list_push(&batch, &notes[2].message.link);
    list_push(&batch, &notes[3].message.link);
    mailbox_post_all(&m, &batch);
    assert_true(list_empty(&batch));
    assert_int_equal(wakes, 1);
    assert_true(mailbox_drain(&m, &out));
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(list_shift(&out), &notes[i]);
    assert_true(list_empty(&out));
    assert_true(mailbox_sleep(&m));
    mailbox_post(&m, &notes[0].message);
    assert_int_equal(wakes, 2);
    assert_true(mailbox_drain(&m, &out));
    mailbox_close(&m);
}

static void leaving_does_not_wake_and_a_nudge_does(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox m;
    struct note notes[3] = {0};
    struct list out;
    list_init(&out);
    mailbox_init(&m, count_wake, &wakes);
    mailbox_leave(&m, &notes[0].message);
    assert_true(mailbox_sleep(&m));
    mailbox_leave(&m, &notes[2].message);
    assert_int_equal(wakes, 0);
    mailbox_nudge(&m);
    mailbox_nudge(&m);
    assert_int_equal(wakes, 1);
    mailbox_leave(&m, &notes[1].message);
    assert_true(mailbox_drain(&m, &out));
    assert_ptr_equal(list_shift(&out), &notes[0]);
    assert_ptr_equal(list_shift(&out), &notes[2]);
    assert_ptr_equal(list_shift(&out), &notes[1]);
    assert_true(list_empty(&out));
    assert_true(mailbox_sleep(&m));
    mailbox_nudge(&m);
    assert_int_equal(wakes, 2);
    assert_false(mailbox_drain(&m, &out));
    mailbox_close(&m);
}

static void nobody_wakes_who_is_awake(void **state)
{
    (void)state;
    int wakes = 0;
    struct mailbox m;
    struct note note = {0};
    struct list out;
    list_init(&out);
    mailbox_init(&m, count_wake, &wakes);
    mailbox_post(&m, &note.message);
    assert_false(mailbox_sleep(&m)); /* it has not seen that yet */
    assert_true(mailbox_drain(&m, &out));
    mailbox_nudge(&m);
    assert_false(mailbox_sleep(&m));
    assert_false(mailbox_drain(&m, &out));
    assert_int_equal(wakes, 0);
    assert_true(mailbox_sleep(&m));
    assert_false(mailbox_drain(&m, &out)); /* woken by something else: awake again */
    mailbox_nudge(&m);
    assert_int_equal(wakes, 0);
    assert_false(mailbox_drain(&m, &out));
    mailbox_close(&m);
}

static void a_hint_wakes_only_who_has_lain_down(void **state)
{
    (void)state;
    struct mailbox m;
    struct list out;
    list_init(&out);
    mailbox_init(&m, NULL, NULL);
    mailbox_hint(&m);
    assert_true(mailbox_lie_down(&m)); /* that left nothing behind */
    assert_false(mailbox_rest(&m, 0));
    assert_false(mailbox_rest(&m, clock_mono_ns() + 2 * MS)); /* still lying */
    mailbox_hint(&m);
    assert_true(mailbox_rest(&m, FOREVER));
    mailbox_get_up(&m);
    assert_false(mailbox_lie_down(&m)); /* what it was woken for is to be drained */
    assert_false(mailbox_drain(&m, &out));
    assert_true(mailbox_lie_down(&m));
    mailbox_get_up(&m);
    mailbox_hint(&m);
    assert_true(mailbox_lie_down(&m));
    mailbox_get_up(&m);
    mailbox_close(&m);
}

static void *nudge_it(void *m)
{
    mailbox_hint(m); /* of no use */
    mailbox_nudge(m);
    return NULL;
}

static void a_nap_ends_by_time_and_by_a_nudge(void **state)
{
    (void)state;
    struct mailbox m;
    struct list out;
    pthread_t thread;
    list_init(&out);
    mailbox_init(&m, NULL, NULL);
    const int64_t until_ns = clock_mono_ns() + 2 * MS;
    mailbox_nap(&m, until_ns);
    assert_true(clock_mono_ns() >= until_ns);
    assert_int_equal(pthread_create(&thread, NULL, nudge_it, &m), 0);
    mailbox_nap(&m, FOREVER);
    mailbox_nap(&m, FOREVER); /* what it was woken for is to be drained */
    pthread_join(thread, NULL);
    assert_false(mailbox_drain(&m, &out));
    mailbox_close(&m);
}

static void drains_behind_what_is_there(void **state)
{
    (void)state;
    struct mailbox m;
    struct note notes[2] = {0};
    struct list out;
    list_init(&out);
    mailbox_init(&m, NULL, NULL);
    list_push(&out, &notes[0].message.link);
    mailbox_post(&m, &notes[1].message);
    assert_true(mailbox_drain(&m, &out));
    assert_ptr_equal(list_shift(&out), &notes[0]);
    assert_ptr_equal(list_shift(&out), &notes[1]);
    mailbox_close(&m);
}

static void waits_no_longer_than_told(void **state)
{
    (void)state;
    struct mailbox m;
    struct note note = {0};
    struct list out;
    list_init(&out);
    mailbox_init(&m, NULL, NULL);
    mailbox_wait(&m, 0); /* long past */
    const int64_t until_ns = clock_mono_ns() + 20 * MS;
    mailbox_wait(&m, until_ns);
    assert_true(clock_mono_ns() >= until_ns);
    mailbox_post(&m, &note.message);
    mailbox_wait(&m, FOREVER); /* there is something: returns at once, as often as asked */
    mailbox_wait(&m, FOREVER);
    assert_true(mailbox_drain(&m, &out));
    mailbox_nudge(&m);
    mailbox_wait(&m, FOREVER);
    assert_false(mailbox_drain(&m, &out));
    mailbox_close(&m);
}

#define SENDERS 4
#define NOTES 5000

struct sender {
    struct mailbox *mailbox;
    struct note *notes;
};

/* Posts alone, in batches, and left behind with a nudge. */
static void *send_all(void *arg)
{
    const struct sender *s = arg;
    struct list batch;
    list_init(&batch);
    for (int i = 0; i < NOTES; i++) {
        struct message *message = &s->notes[i].message;
        switch (i / 100 % 3) {
        case 0:
            mailbox_post(s->mailbox, message);
            break;
        case 1:
            list_push(&batch, &message->link);
            if (i % 10 == 9)
                mailbox_post_all(s->mailbox, &batch);
            break;
        default:
            mailbox_leave(s->mailbox, message);
            if (i % 10 == 9)
                mailbox_nudge(s->mailbox);
        }
    }
    return NULL;
}

struct senders {
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
};

static void senders_start(struct senders *s, struct mailbox *m)
{
    for (int i = 0; i < SENDERS; i++) {
        s->senders[i] = (struct sender){m, mem_zero(NOTES, sizeof(struct note))};
        for (int n = 0; n < NOTES; n++) {
            s->senders[i].notes[n].sender = i;
            s->senders[i].notes[n].number = n;
        }
        assert_int_equal(pthread_create(&s->threads[i], NULL, send_all, &s->senders[i]), 0);
    }
}

static void senders_end(struct senders *s)
{
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(s->threads[i], NULL);
        free(s->senders[i].notes);
    }
}

/* Each sender's notes must come complete and in its order. */
static int check_order(struct list *out, int next[SENDERS])
{
    int count = 0;
    for (struct list *node; (node = list_shift(out)); count++) {
        const struct note *note = NOTE(node);
        assert_int_equal(note->number, next[note->sender]++);
    }
    return count;
}

static void loses_nothing_between_threads(void **state)
{
    (void)state;
    struct mailbox m;
    struct senders senders;
    struct list out;
    int next[SENDERS] = {0};
    list_init(&out);
    mailbox_init(&m, NULL, NULL);
    senders_start(&senders, &m);
    for (int got = 0; got < SENDERS * NOTES;) {
        mailbox_wait(&m, FOREVER);
        mailbox_drain(&m, &out);
        got += check_order(&out, next);
    }
    senders_end(&senders);
    mailbox_drain(&m, &out); /* a last nudge */
    assert_true(list_empty(&out));
    mailbox_close(&m);
}

static void write_byte(void *user)
{
    assert_int_equal(write(*(int *)user, "w", 1), 1);
}

/* As a worker's loop does it: the owner sleeps elsewhere and drains only when told. */
static void every_wake_is_enough(void **state)
{
    (void)state;
    int fds[2], next[SENDERS] = {0};
    struct mailbox m;
    struct senders senders;
    struct list out;
    char byte;
    assert_int_equal(pipe(fds), 0);
    list_init(&out);
    mailbox_init(&m, write_byte, &fds[1]);
    senders_start(&senders, &m);
    for (int got = 0; got < SENDERS * NOTES;) {
        if (mailbox_sleep(&m))
            assert_int_equal(read(fds[0], &byte, 1), 1);
        mailbox_drain(&m, &out);
        got += check_order(&out, next);
    }
    senders_end(&senders);
    mailbox_drain(&m, &out); /* a last nudge */
    mailbox_close(&m);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_once_until_drained),
        cmocka_unit_test(leaving_does_not_wake_and_a_nudge_does),
        cmocka_unit_test(nobody_wakes_who_is_awake),
        cmocka_unit_test(a_hint_wakes_only_who_has_lain_down),
        cmocka_unit_test(a_nap_ends_by_time_and_by_a_nudge),
        cmocka_unit_test(drains_behind_what_is_there),
        cmocka_unit_test(waits_no_longer_than_told),
        cmocka_unit_test(loses_nothing_between_threads),
        cmocka_unit_test(every_wake_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
