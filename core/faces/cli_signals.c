#include "faces/cli_signals.h"

#include "base/clock.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ECHO_MS 50

static void add_unless_ignored(sigset_t *set, int signo)
{
    struct sigaction action;
    if (sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        sigaddset(set, signo);
}

bool signals_open(struct signals *s, bool hangup)
{
    sigset_t set;
    *s = (struct signals){.fd = -1};
    sigemptyset(&set);
    add_unless_ignored(&set, SIGINT);
    add_unless_ignored(&set, SIGTERM);
    if (hangup)
        sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, &s->before);
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->fd >= 0;
}

void signals_close(struct signals *s)
{
    if (s->fd < 0)
        return;
    close(s->fd);
    s->fd = -1;
    pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

void signals_poll(struct signals *s)
{
    struct signalfd_siginfo info;
    while (s->fd >= 0 && read(s->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            s->hangup = true;
            continue;
        }
        const int64_t now_ms = clock_mono_ms();
        if (s->count == 0 || (int)info.ssi_signo != s->last || now_ms - s->last_ms > ECHO_MS)
            s->count++;
        s->last = (int)info.ssi_signo;
        s->last_ms = now_ms;
        if (s->first == 0)
            s->first = s->last;
    }
}

void signals_wait(struct signals *s, int fd, short events, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = fd, .events = events}};
    poll(fds, 2, timeout_ms);
    signals_poll(s);
}
