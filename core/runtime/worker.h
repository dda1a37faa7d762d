/* A worker: one thread with a libuv loop, one Lua state, and the jobs it runs as coroutines.
 * This is what the engine sees of it. Any function may be called from the engine's thread; none
 * from elsewhere. */
#ifndef RUNTIME_WORKER_H
#define RUNTIME_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mailbox.h"
#include "model/call.h"
#include "model/id.h"
#include "parts/catalogue.h"
#include "parts/children.h"
#include "parts/line.h"
#include "parts/shared.h"
#include "runtime/preload.h"
#include "runtime/tried.h"

struct config_pool;
struct lane;
struct monitor;
struct worker;

/* What all workers of an executor share; outlives them. Each member is thread-safe or constant. */
struct worker_env {
    struct mailbox *engine;
    struct id_source *ids;
    struct pool *pool;
    struct names *names;
    struct gates *gates;
    struct shared_set *shared;
    struct children *children;
    const struct preload *preloads;
    tried_slot *tried; /* a state for the first worker to take over; or NULL */
    struct monitor *monitor;
    struct running *running; /* the crash table of a durable store, or NULL */
    int64_t grace_ns;        /* how long code may outlive its end before its worker is given up */
    atomic_int log_level;    /* of the config in force */
    _Atomic uint64_t serial; /* of the newest catalogue that every worker has been sent */
    void *log_user;
    void (*log)(void *user, const struct neap_log_record *record); /* any thread; may be NULL */
};

enum worker_message { /* engine to worker, besides the calls it answers (ENGINE_CALL_...) */
                      WORKER_CATALOGUE = 1000, /* struct catalogue_note */
                      WORKER_CANCEL, /* struct worker_note, id: stop that job as cancelled */
                      WORKER_STOP,   /* struct worker_note: stop every job that waits, hand it back;
                                        start nothing more */
                      WORKER_STACKS, /* struct worker_note, id, serial: see worker_ask_stacks */
                      WORKER_FOLLOW, /* struct worker_note, id, from; serial: at once */
                      WORKER_ERRAND, /* struct worker_errand (op.h) */
                      WORKER_EXIT,   /* struct worker_note: as stop, then end the thread */
};

struct catalogue_note { /* freed by the receiver */
    struct message message;
    struct catalogue *catalogue; /* one reference */
};

struct worker_note { /* freed by the receiver */
    struct message message;
    uint64_t id;
    uint64_t from, serial;
    struct worker *worker;
};

/* Of that pool. Takes a reference to the catalogue. Its thread and state come with its first job.
 */
struct worker *worker_new(const struct worker_env *env, const struct config_pool *pool,
                          struct catalogue *catalogue);
void worker_join(struct worker *worker); /* after ENGINE_WORKER_GONE: waits for the thread, frees */

void worker_detach(struct worker *worker); /* abandoned, and nobody will join it */

struct line *worker_line(struct worker *worker);
struct lane *worker_lane(struct worker *worker); /* see worker_leave */
/* After line_put: starts it, or wakes it if it sleeps. An error leaves the line as it is, and
 * nobody there to take it. */
int worker_wake(struct worker *worker, struct neap_error *err);
bool worker_hungry(const struct worker *worker); /* it has nothing to run and sleeps, or is new */
bool worker_is_new(const struct worker *worker); /* it has not been started */
/* Since when it has been inside one resume of `job`, monotonic; 0 is put there if it is not. */
int64_t worker_inside_since_ns(const struct worker *worker, uint64_t *job);

/* Something of priority `rank` waits in its line: what runs there gives way to it, if it is less.
 */
void worker_urge(struct worker *worker, int rank);
uint64_t worker_preemptions(const struct worker *worker); /* so far */
/* Jobs it took out of its line but cannot start, because their plugin is in the middle of another
 * one; worker_share: they are to come back, another worker could run them. */
size_t worker_blocked(const struct worker *worker);
void worker_share(struct worker *worker);
/* Stops that job (or whatever runs: id 0), also where it only computes. The note alone reaches it
 * when it gives way. */
void worker_stop_job(struct worker *worker, uint64_t id);

/* The section that the monitor found stuck in C: true if it still is; then it touches no job any
 * more, what it has in hand is the engine's, and when the thread comes back after all it says
 * ENGINE_WORKER_GONE. `job` is whose code is stuck, 0: no job's. */
bool worker_abandon(struct worker *worker, uint64_t section, uint64_t *job);

/* Shows where its jobs are (id 0: all): answered with ENGINE_SHOWN at its next message turn, or by
 * what computes there where it is interrupted; not at all while that is inside C. `serial` goes up.
 */
void worker_ask_stacks(struct worker *worker, uint64_t id, uint64_t serial);
/* Shows, once, what job `id` has printed in this attempt from that byte on: as soon as there is
 * something, a tenth of a second after the last at the earliest; or now, even if it is nothing. */
void worker_follow(struct worker *worker, uint64_t id, uint64_t from, bool now);
void shown_free(struct shown *shown);
/* Bytes of its Lua state after its last resume; limit 0: none. */
uint64_t worker_serial(const struct worker *worker); /* of its catalogue */
size_t worker_memory(const struct worker *worker, size_t *limit);

void worker_post(struct worker *worker, struct message *message);
void worker_note(struct worker *worker, int kind, uint64_t id);

#endif
