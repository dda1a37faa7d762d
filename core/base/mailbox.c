#include "base/mailbox.h"

#include <assert.h>
#include <time.h>

void mailbox_init(struct mailbox *m, void (*wake)(void *user), void *user)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->filled, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
    list_init(&m->queue);
    m->woken = false;
    m->wake = wake;
    m->user = user;
}

void mailbox_close(struct mailbox *m)
{
    assert(list_empty(&m->queue));
    pthread_cond_destroy(&m->filled);
    pthread_mutex_destroy(&m->lock);
}

static void wake_owner(struct mailbox *m, bool wake)
{
    if (!wake)
        return;
    if (m->wake)
        m->wake(m->user);
    else
        pthread_cond_signal(&m->filled);
}

void mailbox_post(struct mailbox *m, struct message *message)
{
    pthread_mutex_lock(&m->lock);
    list_push(&m->queue, &message->link);
    const bool wake = !m->woken;
    m->woken = true;
    pthread_mutex_unlock(&m->lock);
    wake_owner(m, wake);
}

void mailbox_post_all(struct mailbox *m, struct list *messages)
{
    if (list_empty(messages))
        return;
    pthread_mutex_lock(&m->lock);
    list_splice(&m->queue, messages);
    const bool wake = !m->woken;
    m->woken = true;
    pthread_mutex_unlock(&m->lock);
    wake_owner(m, wake);
}

void mailbox_leave(struct mailbox *m, struct message *message)
{
    pthread_mutex_lock(&m->lock);
    list_push(&m->queue, &message->link);
    pthread_mutex_unlock(&m->lock);
}

void mailbox_nudge(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    const bool wake = !m->woken;
    m->woken = true;
    pthread_mutex_unlock(&m->lock);
    wake_owner(m, wake);
}

bool mailbox_drain(struct mailbox *m, struct list *out)
{
    pthread_mutex_lock(&m->lock);
    const bool any = !list_empty(&m->queue);
    list_splice(out, &m->queue);
    m->woken = false;
    pthread_mutex_unlock(&m->lock);
    return any;
}

void mailbox_wait(struct mailbox *m, int64_t until_ns)
{
    assert(!m->wake);
    const struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_mutex_lock(&m->lock);
    while (!m->woken) {
        if (until_ns == INT64_MAX)
            pthread_cond_wait(&m->filled, &m->lock);
        else if (pthread_cond_timedwait(&m->filled, &m->lock, &until))
            break;
    }
    pthread_mutex_unlock(&m->lock);
}
