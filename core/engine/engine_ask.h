/* What neap_ask asks the engine. */
#ifndef ENGINE_ENGINE_ASK_H
#define ENGINE_ENGINE_ASK_H

#include "engine/ask.h"
#include "engine/engine_state.h"

static inline struct ask *ask_of(struct call *call)
{
    return (struct ask *)(void *)call;
}

/* engine_ask.c */
void ask_take(struct engine *e, struct ask *ask);
/* The job that it waits for ends so; the store does not know yet. */
void ask_ended(struct engine *e, struct ask *ask, const struct job *job, int state);
void ask_late(struct engine *e, struct ask *ask); /* its time is up */
void ask_answer(struct engine *e, struct ask *ask, int rc);
__attribute__((format(printf, 4, 5))) void ask_refuse(struct engine *e, struct ask *ask, int rc,
                                                      const char *format, ...);
/* The job asked about; NULL: there is none, which is answered. */
struct job *ask_job(struct engine *e, struct ask *ask);

/* engine_ask_stats.c */
void ask_stats(struct engine *e, struct ask *ask);

#endif
