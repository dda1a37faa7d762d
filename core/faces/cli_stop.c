#include "faces/cli_stop.h"

#include "base/mem.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

void stopper_init(struct stopper *s)
{
    *s = (struct stopper){.fd = -1};
}

static void *drain(void *user)
{
    struct stopper *s = user;
    neap_drain(s->n, s->timeout_ms, NULL);
    eventfd_write(s->fd, 1);
    return NULL;
}

void stopper_begin(struct stopper *s, neap *n, int64_t timeout_ms)
{
    s->n = n;
    s->timeout_ms = timeout_ms;
    s->fd = eventfd(0, EFD_CLOEXEC);
    if (pthread_create(&s->thread, NULL, drain, s) == 0)
        return;
    drain(s); /* no thread to be had: deaf for a while, but right */
    s->joined = true;
}

bool stopper_begun(const struct stopper *s)
{
    return s->fd >= 0;
}

bool stopper_done(struct stopper *s)
{
    struct pollfd fd = {.fd = s->fd, .events = POLLIN};
    if (s->joined)
        return true;
    if (s->fd < 0 || poll(&fd, 1, 0) != 1)
        return false;
    pthread_join(s->thread, NULL);
    s->joined = true;
    return true;
}

void stopper_wait(struct stopper *s, struct signals *signals)
{
    while (!stopper_done(s) && signals->count < 2)
        signals_wait(signals, s->fd, POLLIN, -1);
}

struct closing { /* the closing thread reads it; main frees it if it saw that end */
    neap *n;
    int fd;
};

static void *close_all(void *user)
{
    struct closing *c = user;
    neap_close(c->n);
    eventfd_write(c->fd, 1);
    return NULL;
}

bool stop_close(neap *n, int limit_ms)
{
    if (limit_ms < 0) {
        neap_close(n);
        return true;
    }
    struct closing *c = mem_zero(1, sizeof *c);
    pthread_t thread;
    *c = (struct closing){n, eventfd(0, EFD_CLOEXEC)};
    if (pthread_create(&thread, NULL, close_all, c) != 0) {
        close_all(c);
    } else {
        struct pollfd fd = {.fd = c->fd, .events = POLLIN};
        if (poll(&fd, 1, limit_ms) != 1)
            return false; /* the thread lives on with `c`, for as long as the process does */
        pthread_join(thread, NULL);
    }
    close(c->fd);
    free(c);
    return true;
}
