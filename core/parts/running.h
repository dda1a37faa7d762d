/* Which jobs run now, in a small mapped file beside the store's, so that after the death of the
 * process those, and only those, count a crash. The kernel keeps what was written however the
 * process dies; nothing is synced, so after a power failure it may be wrong, which is harmless: a
 * crash more or less is counted.
 *
 * Opened, read and cleared by one thread (the opener, while it holds the store); `begin` and `end`
 * by any worker, without a lock. */
#ifndef PARTS_RUNNING_H
#define PARTS_RUNNING_H

#include <stdint.h>

#include "neap.h"

#define RUNNING_SLOTS 65536
#define RUNNING_NONE UINT32_MAX /* no slot */

struct running;

/* Makes the file (mode 0600) where it is not there, all its blocks at once, so that no full disk
 * ends the process later. NEAP_EIO: it cannot, or the file is something else; it is left alone. */
int running_open(struct running **out, const char *path, struct neap_error *err);
void running_close(struct running *r); /* keeps what is noted; NULL is fine */

/* The jobs that the last process left, in no order; an id may come twice. */
void running_each(const struct running *r, void *user, void (*each)(void *user, uint64_t id));
void running_clear(struct running *r); /* forgets them: before the first begin */

/* Notes a job; to be called just before its code runs. `near` is where a free slot is looked for
 * first: best the one this worker had last (a busy neighbour then shares no cache line), at first
 * any number. RUNNING_NONE: no slot was free nearby, the job is not noted. */
uint32_t running_begin(struct running *r, uint64_t id, uint32_t near);
void running_end(struct running *r, uint32_t slot); /* RUNNING_NONE is fine */

#endif
