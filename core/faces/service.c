#include "faces/service.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

void service_open(struct service *s)
{
    umask(077);
    *s = (struct service){.next_ms = 0};
    notify_open(&s->notify);
}

void service_close(struct service *s)
{
    notify_close(&s->notify);
}

void service_ready(struct service *s, neap *n, const char *status)
{
    s->n = n;
    notify_send(&s->notify, "READY=1\nSTATUS=%s", status);
}

void service_reloading(struct service *s)
{
    notify_reloading(&s->notify);
}

void service_stopping(struct service *s, const char *status)
{
    notify_send(&s->notify, "STOPPING=1\nSTATUS=%s", status);
}

static void is_alive(void *user, const struct neap_reply *reply)
{
    struct service *s = user;
    if (reply->code == NEAP_OK)
        notify_send(&s->notify, "WATCHDOG=1");
    atomic_store(&s->asked, false);
}

void service_tick(struct service *s)
{
    const struct neap_ask ask = {.size = sizeof ask, .what = NEAP_ASK_STATS};
    const int64_t now_ms = clock_mono_ms();
    if (!s->n || !s->notify.watchdog_ms || now_ms < s->next_ms)
        return;
    s->next_ms = now_ms + s->notify.watchdog_ms / 2;
    if (!atomic_exchange(&s->asked, true) && neap_ask(s->n, &ask, s, is_alive, NULL) != NEAP_OK)
        atomic_store(&s->asked, false);
}

int service_timeout_ms(const struct service *s)
{
    if (!s->n || !s->notify.watchdog_ms)
        return -1;
    const int64_t left_ms = s->next_ms - clock_mono_ms();
    return left_ms <= 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms;
}

bool service_is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}
