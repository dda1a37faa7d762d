/* Messages between threads: many post, one owner drains everything at once. The lock is held only
 * to link nodes. The owner sleeps in mailbox_wait, or gives a `wake` function (a uv_async_send,
 * say). */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct message { /* first member of whatever is posted; owned by the poster, then by the drainer */
    struct list link;
    int kind;
};

struct mailbox {
    pthread_mutex_t lock; /* guards the four below; nothing is called under it */
    pthread_cond_t filled;
    struct list queue;
    bool woken; /* the owner has been told of the posts since its last drain */
    void (*wake)(void *user);
    void *user;
};

/* wake NULL: the owner uses mailbox_wait. */
void mailbox_init(struct mailbox *m, void (*wake)(void *user), void *user);
void mailbox_close(struct mailbox *m); /* must be empty, and every poster joined */

/* Any thread. Wakes the owner unless it was woken since its last drain. */
void mailbox_post(struct mailbox *m, struct message *message);
void mailbox_post_all(struct mailbox *m, struct list *messages); /* empties the list */

/* Any thread. Posts without waking: somebody who calls mailbox_nudge later, or the owner's own next
 * turn, must see to it. */
void mailbox_leave(struct mailbox *m, struct message *message);
void mailbox_nudge(struct mailbox *m);

/* Owner. Moves all messages to the end of `out`, oldest first; false if there were none. */
bool mailbox_drain(struct mailbox *m, struct list *out);

/* Owner. Waits until something was posted or nudged since the last drain, or CLOCK_MONOTONIC
 * reaches `until_ns` (INT64_MAX: no limit). */
void mailbox_wait(struct mailbox *m, int64_t until_ns);

#endif
