/* The monitor: one thread that watches what the workers run and interrupts what is past its slice
 * or its deadline. Asleep while all workers are. */
#ifndef RUNTIME_MONITOR_H
#define RUNTIME_MONITOR_H

#include <stdint.h>

#include "neap.h"
#include "runtime/pulse.h"

struct monitor;

/* `stuck` is called, once, for a section that has not ended `grace_ns` after it was to end: it is
 * in C and does not come back. On the monitor's thread, which must not wait there. */
int monitor_start(struct monitor **out, int64_t grace_ns, void *user,
                  void (*stuck)(void *user, struct pulse *pulse, uint64_t state),
                  struct neap_error *err);
/* Its thread ends by and by: nothing is watched any more. NULL is fine, here and below. */
void monitor_leave(struct monitor *monitor);
void monitor_stop(struct monitor *monitor); /* that, and waits for it */

void monitor_watch(struct monitor *monitor, struct pulse *pulse);
/* After this no signal goes to its thread, which may be joined then. */
void monitor_unwatch(struct monitor *monitor, struct pulse *pulse);

/* Of a worker that stops being idle, or is about to: who wakes it spares it the trouble. Cheap
 * unless the monitor sleeps. */
void monitor_rouse(struct monitor *monitor);

#endif
