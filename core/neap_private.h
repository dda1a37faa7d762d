/* What the files of the public API share: neap.c (its life), neap_submit.c, neap_query.c. */
#ifndef NEAP_PRIVATE_H
#define NEAP_PRIVATE_H

#include "base/list.h"
#include "engine/engine.h"
#include "model/call.h"
#include "runtime/loader.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* Times and delays beyond (142,000 years) are refused, so that sums are safe. */
#define TIME_MAX_MS (INT64_C(1) << 52)

/* Shared by the host's threads; each part says who guards it. */
struct neap {
    struct neap_options options; /* constant; its pointers are only used by neap_open and reload */
    char *config_file, **settings, **plugins, *task_file; /* copies of what it points to */
    struct pool *pool;                                    /* of jobs and outcomes */
    struct names *names;
    struct gates *gates;
    struct id_source ids;
    struct worker_env worker;
    struct preload *preloads; /* fixed once started */
    tried_slot tried;         /* the loader puts one there, a worker takes it */
    struct loader *loader;
    struct engine *engine;
    pthread_mutex_t lock; /* guards the two below: references are taken and given under it */
    struct catalogue *catalogue;
    struct config *config;
    pthread_mutex_t
        problem_lock; /* held over on_problem only, so that it is never called twice at once */
    pthread_mutex_t reload_lock; /* one reload at a time */
    pthread_mutex_t
        outbox_lock; /* guards outbox; the descriptor is readable while it is not empty */
    struct list outbox;
    int outbox_fd;
    bool begun, started; /* neap_start was called; and did it */
    atomic_bool closed;  /* intake has ended */
    atomic_bool closing; /* neap_close waits for the calls under way, */
    atomic_uint calls;   /* which are so many */
    bool has_file_task;
    char file_task[NEAP_TASK_MAX + 1];
};

struct catalogue *host_catalogue(neap *n); /* a reference */
struct config *host_config(neap *n);       /* a reference */

/* Tells on_problem of each task that a daemon's configuration names and that there is not. */
void host_check_names(neap *n, const struct config *config);

/* Begins a call that needs the threads; neap_close waits until it leaves. */
int host_enter(neap *n, struct neap_error *err);
int host_enter_early(neap *n, struct neap_error *err); /* may come before neap_start */
void host_leave(neap *n);

struct host_call { /* on the asking thread's stack; the engine's between post and done */
    struct call call;
    sem_t done;
};

/* Asks the engine and waits for the answer. Between enter and leave. */
int host_ask(neap *n, struct host_call *host, int kind);
int64_t host_deadline(int64_t timeout_ms); /* from now, as struct call wants it */

#endif
