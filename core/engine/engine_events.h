/* Who listens to changes of jobs' states. Noted as they happen, told once they are committed. */
#ifndef ENGINE_ENGINE_EVENTS_H
#define ENGINE_ENGINE_EVENTS_H

#include "base/buf.h"
#include "base/list.h"
#include "model/filter.h"
#include "model/job.h"

struct engine;

/* The engine's while it is linked; then who opened it frees it. */
struct neap_events {
    struct list link;
    struct filter filter;
    struct buf noted; /* of this turn: records */
    void *user;
    void (*on_event)(void *user, const char *json, size_t len);
};
void listener_free(struct neap_events *events); /* NULL is fine */

void events_note(struct engine *e, const struct job *job, int state); /* see event_note */
void events_withdraw(struct engine *e, uint64_t id); /* it was never there: the disk is full */
void events_look(struct engine *e);                  /* which jobs have started? Once a turn */
void events_tell(struct engine *e);                  /* after the commit */
void events_drop(struct engine *e);                  /* in place of it, where it failed */
void listeners_close(struct engine *e);              /* frees those still open */

#endif
