/* The engine: one thread that owns the store, the queues, the pools and the counters, and decides
 * what runs next. Everything reaches it as a message; once a turn it takes all of them, writes one
 * batch to the store, answers, and fills the lines of its workers. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "model/call.h"
#include "model/config.h"
#include "parts/store.h"
#include "runtime/worker.h"

struct engine;

/* The outcome of a job whose submitter waits for it (JOB_DELIVER), on its way to a host. Owned by
 * whoever holds it. */
struct delivery {
    struct list link;
    struct neap_outcome outcome; /* its pointers are into this allocation or owned below */
    void *result;
    struct job_error *error;
};
void delivery_free(struct delivery *delivery);

struct engine_env {
    struct worker_env *worker; /* its `engine` is set by engine_new */
    const char *url;           /* of the store: "memory" or "sqlite:PATH" */
    bool standing;             /* schedules run, alerts are sent: not for a one-off command */
    int signal;                /* that interrupts workers; 0: SIGURG */
    void *user;
    void (*deliver)(void *user, struct list *deliveries); /* takes them over; the engine's thread */
    void (*fatal)(void *user, const char *text);          /* the engine's thread; may be NULL */
};

int engine_new(struct engine **out, const struct engine_env *env, struct config *config,
               struct catalogue *catalogue,
               struct neap_error *err); /* takes references of its own */
int engine_start(struct engine *engine, struct neap_error *err);
struct mailbox *engine_mailbox(struct engine *engine); /* any thread */
bool engine_is_durable(const struct engine *engine);
/* Are there threads that are stuck in C and have not come back? Then what they use must stay: not
 * before engine_stop. */
bool engine_is_haunted(const struct engine *engine);
void engine_rest(struct engine *engine); /* in place of engine_free, then */
/* One thread ends it: stop ends what runs and joins all threads; calls that waited get
 * NEAP_ECLOSED. Then refuse gives that to calls which come late, as often as need be; and free,
 * which does both itself. NULL is fine to stop and free. */
void engine_stop(struct engine *engine);
void engine_refuse(struct engine *engine);
void engine_free(struct engine *engine);

#endif
