/* A stack, newest on top, that the owner takes whole and turns round.
 *
 * No wake is missed, because everything here is sequentially consistent: who posts pushes and then
 * looks at `state`, the owner sets `state` and then takes the stack. So either it takes the
 * message, or the poster finds `awake` or `asleep` and sets `told`, with which nobody falls asleep.
 */
#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    AWAKE, /* drained, and nothing came since that it must know of */
    TOLD,  /* it drains once more before it sleeps */
    WAITS, /* asleep here */
    ASLEEP /* elsewhere: `wake` reaches it */
};

void mailbox_init(struct mailbox *m, void (*wake)(void *user), void *user)
{
    atomic_init(&m->top, NULL);
    atomic_init(&m->state, AWAKE);
    m->wake = wake;
    m->user = user;
}

void mailbox_close(struct mailbox *m)
{
    assert(!atomic_load(&m->top));
    (void)m;
}

void mailbox_nudge(struct mailbox *m)
{
    if (atomic_load(&m->state) == TOLD)
        return;
    const uint32_t was = atomic_exchange(&m->state, TOLD);
    if (was == WAITS)
        syscall(SYS_futex, &m->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (was == ASLEEP)
        m->wake(m->user);
}

static void push(struct mailbox *m, struct list *oldest, struct list *newest)
{
    struct list *below = atomic_load_explicit(&m->top, memory_order_relaxed);
    do {
        oldest->prev = below;
    } while (!atomic_compare_exchange_weak(&m->top, &below, newest));
}

void mailbox_leave(struct mailbox *m, struct message *message)
{
    push(m, &message->link, &message->link);
}

void mailbox_post(struct mailbox *m, struct message *message)
{
    push(m, &message->link, &message->link);
    mailbox_nudge(m);
}

void mailbox_post_all(struct mailbox *m, struct list *messages)
{
    if (list_empty(messages))
        return;
    struct list *oldest = messages->next, *newest = messages->prev;
    list_init(messages);
    push(m, oldest, newest);
    mailbox_nudge(m);
}

bool mailbox_drain(struct mailbox *m, struct list *out)
{
    if (atomic_load(&m->state) != AWAKE)
        atomic_exchange(&m->state, AWAKE);
    struct list *newest = atomic_load(&m->top) ? atomic_exchange(&m->top, NULL) : NULL;
    if (!newest)
        return false;
    struct list *const before = out->prev, *after = out, *at = newest;
    out->prev = newest;
    while (at->prev) {
        at->next = after;
        after = at;
        at = at->prev;
    }
    at->next = after;
    at->prev = before;
    before->next = at;
    return true;
}

static bool fall_asleep(struct mailbox *m, uint32_t how)
{
    uint32_t state = AWAKE;
    return atomic_compare_exchange_strong(&m->state, &state, how);
}

bool mailbox_sleep(struct mailbox *m)
{
    return fall_asleep(m, ASLEEP);
}

bool mailbox_wait(struct mailbox *m, int64_t until_ns)
{
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    if (!fall_asleep(m, WAITS))
        return false;
    while (atomic_load(&m->state) == WAITS) {
        const long failed =
            syscall(SYS_futex, &m->state, FUTEX_WAIT_BITSET_PRIVATE, WAITS,
                    until_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
        if (failed && errno == ETIMEDOUT) {
            uint32_t state = WAITS;
            atomic_compare_exchange_strong(&m->state, &state, AWAKE);
        }
    }
    return true;
}
