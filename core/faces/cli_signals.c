#include "faces/cli_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

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
        if (s->count++ == 0)
            s->first = (int)info.ssi_signo;
    }
}

void signals_wait(struct signals *s, int fd, short events, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = fd, .events = events}};
    poll(fds, 2, timeout_ms);
    signals_poll(s);
}
