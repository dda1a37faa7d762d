/* What a service tells systemd (sd_notify, by hand): datagrams to the socket that NOTIFY_SOCKET
 * names, a path or an abstract one ("@name"). Without one nothing is sent. */
#ifndef FACES_NOTIFY_H
#define FACES_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify { /* once open constant: any thread may send */
    int fd;     /* -1: nobody listens */
    struct sockaddr_un to;
    socklen_t to_len;
    int64_t watchdog_ms; /* WATCHDOG=1 is wanted more often than this; 0: never */
};

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that no child
 * believes they are for it: before there are threads. */
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);

/* "READY=1\nSTATUS=..."; what cannot be sent at once is lost. */
__attribute__((format(printf, 2, 3))) void notify_send(const struct notify *notify,
                                                       const char *format, ...);
/* RELOADING=1 with the time that systemd wants with it. READY=1 ends it. */
void notify_reloading(const struct notify *notify);

#endif
