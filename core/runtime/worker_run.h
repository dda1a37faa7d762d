/* A worker as the Lua modules see it: all on the worker's own thread. What waits for the loop is in
 * op.h. */
#ifndef RUNTIME_WORKER_RUN_H
#define RUNTIME_WORKER_RUN_H

#include "runtime/entry.h"
#include "runtime/run.h"
#include "runtime/worker.h"

/* The job whose code runs in L, or a Lua error "NAME can be called in a job only" (or while a file
 * loads). Ends code whose worker has been given up. */
struct run *run_check(lua_State *L, const char *name);

/* From job_main, when `run` has returned: ends it and begins the next job of the line in its place
 * and in its coroutine. NULL: that is not so simple; the coroutine is to end. */
struct run *worker_next(struct run *run);

bool worker_is_lost(const struct worker *worker); /* given up: what it does counts for nothing */
const struct worker_env *worker_env(const struct worker *worker);

/* Of a job that the code which runs submits: id and time. Ids of one worker ascend, and what is
 * submitted in a later section or millisecond has a greater one, on whatever worker. */
uint64_t worker_new_id(struct worker *worker, int64_t *now_ms);
bool worker_enter(struct worker *worker,
                  struct gate *gate); /* gate_enter for such a job; may sleep */

/* To the engine, by the worker's lane, so that it is handled in the order of this worker's posts.
 * ENGINE_SUBMIT and ENGINE_OUTCOME only, which wait for nobody else's; without a nudge. */
void worker_leave(struct worker *worker, struct message *message);
/* What else keeps to that order: by the mailbox as well, where it has its place among everybody's.
 */
void worker_tell(struct worker *worker, struct message *message);
struct catalogue *worker_catalogue(const struct worker *worker); /* borrowed */
struct vm *worker_vm(struct worker *worker);
struct pool_cache *worker_cache(struct worker *worker);
struct entries *worker_entries(struct worker *worker);

/* Suspends the fiber for `ms`, or (asks) until the engine answers `call`; `then` goes on (in an
 * empty frame), with fiber->answer for a call. Raises "cannot wait here" where the chain cannot
 * yield; then `call` is freed. A job being killed gets nil, "killed" at once. */
int run_sleep(lua_State *L, int64_t ms, lua_CFunction then);
int run_ask(lua_State *L, struct call *call, lua_CFunction then);
struct call *run_call_new(lua_State *L, int kind, uint64_t id);
void call_free(struct worker *worker, struct call *call);      /* one of it */
void fiber_let_go(struct worker *worker, struct fiber *fiber); /* frees what it holds */

/* Suspends until fiber_wake with the same serial, or (for) `ms` have passed. */
int run_park(lua_State *L, lua_CFunction then);
int run_park_for(lua_State *L, int64_t ms, lua_CFunction then);
void fiber_wake(struct fiber *fiber, uint64_t serial);

/* Starts the function on top of L, popped, as a fiber of the same job. NULL with nil, "killed"
 * pushed; or a Lua error where there is no memory. */
struct side_fiber *fiber_spawn(lua_State *L);
/* Ends a fiber of neap.async from outside; nothing happens where it is gone. */
int fiber_kill(lua_State *L, struct fiber *fiber, uint64_t born);

/* As vm_call, from outside any job, but for one second of CPU time at most: a teardown. NEAP_ETIME
 * past that, and where the worker has been given up. */
int worker_call(struct worker *worker, lua_CFunction f, void *arg, struct neap_error *err);

/* A callback of the loop that belongs to a job: calls the function and its arguments on top of L,
 * the main state, and pops them. An error, or too much time, ends the job. */
void run_callback(lua_State *L, struct run *run, int nargs);

/* Settles the outcome and leaves the job for good (ctx:fail and the like). */
int run_end(lua_State *L, struct run *run, int kind);

/* One record of the log; about `run` unless NULL. Also kept in the job's own log. */
void worker_log(struct worker *worker, struct run *run, int level, const char *text, size_t len,
                const char *fields, bool printed);
/* print and io.write: text goes out line by line. */
void run_print(struct run *run, const char *text, size_t len);
void worker_print(struct worker *worker, const char *text, size_t len); /* outside of any job */

#endif
