#include "faces/notify.h"

#include "base/clock.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool address_of(struct notify *n, const char *name)
{
    const size_t len = name ? strlen(name) : 0;
    if (len < 2 || len >= sizeof n->to.sun_path || (name[0] != '/' && name[0] != '@'))
        return false;
    n->to.sun_family = AF_UNIX;
    memcpy(n->to.sun_path, name, len);
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    if (name[0] == '@')
        n->to.sun_path[0] = 0; /* the kernel's abstract names: no file, and no NUL at the end */
    return true;
}

/* WATCHDOG_PID says whom it is for, where it is set. */
static int64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t value;
    if (pid && (!text_integer(pid, &value) || value != getpid()))
        return 0;
    return usec && text_integer(usec, &value) && value >= 1000 ? value / 1000 : 0;
}

void notify_open(struct notify *n)
{
    *n = (struct notify){.fd = -1};
    if (address_of(n, getenv("NOTIFY_SOCKET")))
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    n->watchdog_ms = n->fd < 0 ? 0 : watchdog_ms();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notify_send(const struct notify *n, const char *format, ...)
{
    char text[512];
    va_list args;
    if (n->fd < 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len);
}

void notify_reloading(const struct notify *n)
{
    notify_send(n,
                "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the configuration again",
                clock_mono_ns() / 1000);
}
