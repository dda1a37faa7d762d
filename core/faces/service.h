/* The manners of a service: systemd hears when it is ready, reloads and stops, and that its engine
 * is alive. Owner: the main thread. */
#ifndef FACES_SERVICE_H
#define FACES_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "faces/notify.h"
#include "neap.h"

struct service {
    struct notify notify;
    neap *n;
    int64_t next_ms;   /* monotonic: when the engine is asked again */
    atomic_bool asked; /* the engine's answer, on its thread, takes it back */
};

/* Before there are threads. Files that it makes are its user's alone from here on (umask 077). */
void service_open(struct service *service);
void service_close(struct service *service); /* after neap_close */

void service_ready(struct service *service, neap *n, const char *status);
void service_reloading(struct service *service);
void service_stopping(struct service *service, const char *status);

/* Asks the engine, where it is time to: its answer is what feeds the watchdog, so that one that is
 * stuck starves it. */
void service_tick(struct service *service);
int service_timeout_ms(const struct service *service); /* until the next tick; -1: none */

/* Is that descriptor systemd's journal (JOURNAL_STREAM)? */
bool service_is_journal(int fd);

#endif
