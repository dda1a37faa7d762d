/* Ending an executor without being held up by it: the calls that may take long run on a thread of
 * their own, so that the main thread goes on delivering results and hearing signals. */
#ifndef FACES_CLI_STOP_H
#define FACES_CLI_STOP_H

#include "faces/cli_signals.h"
#include "neap.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define STOP_PATIENTLY INT64_C(315360000000) /* ms: ten years, as good as for ever */

struct stopper { /* main thread; `n` and `timeout_ms` belong to the helper while it runs */
    neap *n;
    int64_t timeout_ms;
    pthread_t thread;
    int fd; /* readable once the drain is over; -1: not begun */
    bool joined;
};

void stopper_init(struct stopper *s);
/* Begins neap_drain(n, timeout_ms). Once only. */
void stopper_begin(struct stopper *s, neap *n, int64_t timeout_ms);
bool stopper_begun(const struct stopper *s);
bool stopper_done(struct stopper *s); /* the drain is over */

/* Waits for that, or for a second signal. */
void stopper_wait(struct stopper *s, struct signals *signals);

/* neap_close, for limit_ms at most. False: it did not end in time and goes on in its thread: the
 * process can only _exit. */
bool stop_close(neap *n, int limit_ms);

#endif
