/* A stack, newest on top, that the owner takes whole and turns round.
 *
 * No wake is missed, because everything here is sequentially consistent: who posts pushes and then
 * looks at `state`, the owner sets `state` and then takes the stack. So either it takes the
 * message, or the poster finds `awake` or `asleep` and sets `told`, with which nobody falls asleep.
 *
 * A hint is weaker: its look at `state` may be done before what it is for is seen. If the owner lay
 * down between the two, neither sees the other. But what a thread has written is seen a moment
 * later in any case, and whoever hints after the owner lay down finds it asleep; so it is enough
 * that the owner looks for such things after it has lain down and once more a moment after. */
#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void mailbox_init(struct mailbox *m, void (*wake)(void *user), void *user)
{
    atomic_init(&m->top, NULL);
    atomic_init(&m->state, MAILBOX_AWAKE);
    m->wake = wake;
    m->user = user;
}

void mailbox_close(struct mailbox *m)
{
    assert(!atomic_load(&m->top));
    (void)m;
}

static void tell(struct mailbox *m)
{
    if (atomic_load(&m->state) == MAILBOX_TOLD)
        return;
    const uint32_t was = atomic_exchange(&m->state, MAILBOX_TOLD);
    if (was == MAILBOX_WAITS || was == MAILBOX_NAPS)
        syscall(SYS_futex, &m->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (was == MAILBOX_ASLEEP)
        m->wake(m->user);
}

/* The fence is for what it is about, which may have been written without one (base/lane.h). */
void mailbox_nudge(struct mailbox *m)
{
    atomic_thread_fence(memory_order_seq_cst);
    tell(m);
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
    tell(m);
}

void mailbox_post_all(struct mailbox *m, struct list *messages)
{
    if (list_empty(messages))
        return;
    struct list *oldest = messages->next, *newest = messages->prev;
    list_init(messages);
    push(m, oldest, newest);
    tell(m);
}

bool mailbox_drain(struct mailbox *m, struct list *out)
{
    if (atomic_load(&m->state) != MAILBOX_AWAKE)
        atomic_exchange(&m->state, MAILBOX_AWAKE);
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
    uint32_t state = MAILBOX_AWAKE;
    return atomic_compare_exchange_strong(&m->state, &state, how);
}

bool mailbox_sleep(struct mailbox *m)
{
    return fall_asleep(m, MAILBOX_ASLEEP);
}

bool mailbox_lie_down(struct mailbox *m)
{
    return fall_asleep(m, MAILBOX_WAITS);
}

static bool rest(struct mailbox *m, uint32_t how, int64_t until_ns)
{
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    long failed = 0;
    while (atomic_load(&m->state) == how && !(failed && errno == ETIMEDOUT))
        failed = syscall(SYS_futex, &m->state, FUTEX_WAIT_BITSET_PRIVATE, how,
                         until_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    return atomic_load(&m->state) != how;
}

bool mailbox_rest(struct mailbox *m, int64_t until_ns)
{
    return rest(m, MAILBOX_WAITS, until_ns);
}

static void get_up(struct mailbox *m, uint32_t how)
{
    atomic_compare_exchange_strong(&m->state, &how, MAILBOX_AWAKE);
}

void mailbox_get_up(struct mailbox *m)
{
    get_up(m, MAILBOX_WAITS);
}

static bool sleep_as(struct mailbox *m, uint32_t how, int64_t until_ns)
{
    if (!fall_asleep(m, how))
        return false;
    if (!rest(m, how, until_ns))
        get_up(m, how);
    return true;
}

void mailbox_nap(struct mailbox *m, int64_t until_ns)
{
    sleep_as(m, MAILBOX_NAPS, until_ns);
}

bool mailbox_wait(struct mailbox *m, int64_t until_ns)
{
    return sleep_as(m, MAILBOX_WAITS, until_ns);
}
