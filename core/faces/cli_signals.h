/* Signals as something to poll for. While open, SIGINT and SIGTERM (and SIGHUP, if asked for) are
 * blocked: threads started after it, the executor's, never see them. What the process was started
 * with ignored, as by nohup, stays ignored. */
#ifndef FACES_CLI_SIGNALS_H
#define FACES_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct signals { /* main thread */
    int fd;      /* readable while signals wait; -1: closed */
    int first;   /* the first SIGINT or SIGTERM; 0: none yet */
    int count;   /* of SIGINT and SIGTERM; one that follows its like at once is the same one:
                  * timeout(1)   signals its child and then its child's process group */
    int last;    /* the last one, and when it came; private */
    int64_t last_ms;
    bool hangup; /* a SIGHUP came; whoever acts on it clears it */
    sigset_t before;
};

/* False with errno. */
bool signals_open(struct signals *s, bool hangup);
void signals_close(struct signals *s);

/* Takes note of what has come, without waiting. */
void signals_poll(struct signals *s);

/* Waits until `fd` (-1: none) has one of `events`, a signal comes, or timeout_ms (-1: none) is
 * over. */
void signals_wait(struct signals *s, int fd, short events, int timeout_ms);

#endif
