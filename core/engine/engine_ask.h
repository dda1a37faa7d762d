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
void ask_forget(struct engine *e, struct ask *ask); /* it waits no longer */
/* The job that it waits for ends so; the store does not know yet. */
void ask_ended(struct engine *e, struct ask *ask, const struct job *job, int state);
void ask_late(struct engine *e, struct ask *ask); /* its time is up */
void ask_answer(struct engine *e, struct ask *ask, int rc);
void ask_with_job(struct engine *e, struct ask *ask, const struct job *job, int rc);
__attribute__((format(printf, 4, 5))) void ask_refuse(struct engine *e, struct ask *ask, int rc,
                                                      const char *format, ...);
/* "no such queue: mial (did you mean mail?)" */
void ask_refuse_name(struct engine *e, struct ask *ask, const char *kind, const char *const *names,
                     size_t count);
/* The job asked about; NULL: there is none, which is answered. */
struct job *ask_job(struct engine *e, struct ask *ask);

/* engine_steps.c */
void ask_begin_steps(struct engine *e, struct ask *ask);
void asks_turn(struct engine *e);   /* before the commit of the turn */
void asks_settle(struct engine *e); /* after the dispatch */
void asks_stop(struct engine *e);   /* at the end: NEAP_ECLOSED */

/* engine_orders.c: what may be done to a job, and doing it. The job may be gone after `delete`. */
int order_may_retry(struct engine *e, const struct job *job, struct neap_error *err);
int order_may_delete(struct engine *e, const struct job *job, struct neap_error *err);
int order_may_edit(struct engine *e, const struct job *job, struct neap_error *err);
int order_retry(struct engine *e, struct job *job, struct neap_error *err);
int order_delete(struct engine *e, struct job *job, struct neap_error *err);
int order_edit(struct engine *e, struct job *job, const struct ask *ask, struct neap_error *err);
void ask_order(struct engine *e, struct ask *ask);

/* engine_look.c */
void ask_stacks(struct engine *e, struct ask *ask);
void ask_log(struct engine *e, struct ask *ask);
void looks_take(struct engine *e, struct shown *shown); /* a worker's answer */
void looks_turn(struct engine *e);
void look_late(struct engine *e, struct ask *ask);

/* one file each */
void ask_workers(struct engine *e, struct ask *ask);
void ask_stats(struct engine *e, struct ask *ask);
void ask_metrics(struct engine *e, struct ask *ask);
void ask_explain(struct engine *e, struct ask *ask);
void ask_queue(struct engine *e, struct ask *ask);
void ask_schedule(struct engine *e, struct ask *ask);

#endif
