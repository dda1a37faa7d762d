/* Messages between threads: many post, one owner drains everything at once. No lock: a post is one
 * compare-and-swap, and the owner is woken only if it sleeps. It sleeps in mailbox_wait, or where a
 * `wake` function of its own reaches it (a byte for its loop, say).
 *
 *   awake ──post, nudge──► told ──drain──► awake ──the owner is about to sleep──► asleep
 *                           ▲                                                       │
 *                           └──────────────────── post, nudge: wake ────────────────┘ */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct message { /* first member of whatever is posted; owned by the poster, then by the drainer */
    struct list link;
    int kind;
};
/* Told: it drains once more. Asleep in mailbox_rest, in mailbox_nap, elsewhere. */
enum { MAILBOX_AWAKE, MAILBOX_TOLD, MAILBOX_WAITS, MAILBOX_NAPS, MAILBOX_ASLEEP };

struct mailbox {
    char apart[64];             /* what every poster writes shares no cache line with others' */
    _Atomic(struct list *) top; /* the message posted last; `prev` leads to those before it */
    _Atomic uint32_t state;     /* as drawn above; written by all, slept on by mailbox_rest */
    void (*wake)(void *user);
    void *user;
    char apart_too[64];
};

/* wake NULL: the owner uses mailbox_wait only. */
void mailbox_init(struct mailbox *m, void (*wake)(void *user), void *user);
void mailbox_close(struct mailbox *m); /* must be empty, and every poster joined */

/* Any thread. Wakes the owner if it sleeps. */
void mailbox_post(struct mailbox *m, struct message *message);
void mailbox_post_all(struct mailbox *m, struct list *messages); /* empties the list */

/* Any thread. Posts without waking: somebody who calls mailbox_nudge later, or the owner's own next
 * turn, must see to it. */
void mailbox_leave(struct mailbox *m, struct message *message);
void mailbox_nudge(struct mailbox *m);

/* Any thread: nudges an owner who sleeps in mailbox_rest, and is only a load if it is awake. For
 * what the owner looks for after mailbox_lie_down, and again a moment later (see mailbox.c). */
static inline void mailbox_hint(struct mailbox *m)
{
    atomic_signal_fence(memory_order_seq_cst); /* at least the compiler keeps their order */
    if (atomic_load(&m->state) == MAILBOX_WAITS)
        mailbox_nudge(m);
}

/* Owner. Moves all messages to the end of `out`, oldest first; false if there were none. */
bool mailbox_drain(struct mailbox *m, struct list *out);

/* Owner. Waits until something was posted or nudged since the last drain, or CLOCK_MONOTONIC
 * reaches `until_ns` (INT64_MAX: no limit). False: there was something already. */
bool mailbox_wait(struct mailbox *m, int64_t until_ns);

/* Owner. mailbox_wait in parts, for one that looks elsewhere in between: it counts as asleep, and
 * hints reach it (false: there was something already); it sleeps (false: nothing came); it does
 * not lie any more. */
bool mailbox_lie_down(struct mailbox *m);
bool mailbox_rest(struct mailbox *m, int64_t until_ns);
void mailbox_get_up(struct mailbox *m);
/* Owner. Waits as mailbox_wait, and hints do not wake it. */
void mailbox_nap(struct mailbox *m, int64_t until_ns);

/* Owner. It is about to sleep where `wake` reaches it, and drains when it does not any more. False:
 * something was posted or nudged since the last drain, and nothing will wake it for that. */
bool mailbox_sleep(struct mailbox *m);

#endif
