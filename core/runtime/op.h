/* What Lua code waits for on its worker's own loop: a transfer, a child process, a file. All of it
 * on the worker's thread.
 *
 *     static int then(lua_State *L)                  the code goes on here, with an empty stack
 *     {
 *         struct fetch *f = (struct fetch *)op_current(L);
 *         op_close(&f->op);                          it is ours alone now
 *         ... push what came of it, free f ...
 *     }
 *     static int fetch(lua_State *L)
 *     {
 *         ... check every argument (may raise) ...
 *         if (!op_may_wait(L, "neap.fetch")) return 2;   nil, "killed"
 *         struct fetch *f = ...;                     nothing raises from here on
 *         op_open(L, &f->op, stop);
 *         ... start it; a callback of the loop calls op_done(&f->op) ...
 *         return op_wait(L, &f->op, then);
 *     }
 *
 *   open ─► waiting ─► done ─► then: op_close
 *             └─────────┴─► stop   (the job ended first: killed, cancelled, handed back)
 */
#ifndef RUNTIME_OP_H
#define RUNTIME_OP_H

#include <stdbool.h>

#include <lua.h>
#include <uv.h>

#include "base/list.h"
#include "base/mailbox.h"

struct fiber;
struct run;
struct worker;

struct op {           /* the first member of its owner's own struct */
    struct list link; /* in the ring of its job */
    struct run *run;
    struct fiber *fiber; /* whose it is; NULL: the whole job's */
    void (*stop)(struct op *op);
    bool done;
};

/* True where the code in L may wait. Else false with nil, "killed" pushed (a __close of a job that
 * is being killed: return 2), or a Lua error: outside of a job, while a file loads, inside a sort
 * comparator... Call it after the arguments are checked and before anything is acquired. */
bool op_may_wait(lua_State *L, const char *name);
/* A part of that, for who can do without the rest: opens the worker's loop if it is not, or raises.
 */
void op_need_loop(lua_State *L, const char *name);
/* Is the job being killed, so that only its to-be-closed variables run, where nothing can wait? */
bool op_killed(lua_State *L);

/* Registers. From now on stop(op) is called as soon as the code that opened it will not come back
 * for it: it gives up what it holds at once (a handle that must be closed by the loop first may be
 * freed later) and never calls op_done; op is unregistered by then and its owner's to free. Raises
 * nothing. */
void op_open(lua_State *L, struct op *op, void (*stop)(struct op *op));
/* As op_open, but for as long as the job lasts, over many waits or none: a handle left open. */
void op_attach(lua_State *L, struct op *op, void (*stop)(struct op *op));
void op_close(struct op *op); /* unregisters; the owner frees it */

/* Suspends until op_done; then `then` goes on in L with an empty stack. Does not return. op_done
 * may have been called before. */
int op_wait(lua_State *L, struct op *op, lua_CFunction then);
struct op *op_current(lua_State *L); /* in `then`: what was waited for */
void op_done(struct op *op);         /* from a callback of the loop, or before op_wait */

/* The worker's loop, which is open. Callbacks must not call Lua. */
uv_loop_t *worker_loop(struct worker *worker);

/* A thing that a worker has one of (a libcurl multi handle): `key` is any address of its owner's.
 * `close` is called on the worker's thread at its end, when no job is left; uv handles may be
 * closed there, the loop runs once more until all are. */
void worker_keep(struct worker *worker, const void *key, void *thing, void (*close)(void *thing));
void *worker_kept(struct worker *worker, const void *key); /* NULL: not yet */

/* A message to a worker from any thread: `run` is called on the worker's thread and owns it. */
struct worker_errand {
    struct message message; /* set by worker_send */
    void (*run)(struct worker_errand *errand, struct worker *worker);
};
void worker_send(struct worker *worker, struct worker_errand *errand);

#endif
