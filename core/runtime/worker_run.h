/* A worker as the Lua modules see it: all on the worker's own thread. */
#ifndef RUNTIME_WORKER_RUN_H
#define RUNTIME_WORKER_RUN_H

#include "runtime/entry.h"
#include "runtime/run.h"
#include "runtime/worker.h"

/* The job whose code runs in L, or a Lua error "NAME can be called in a job only" (or while a file
 * loads). */
struct run *run_check(lua_State *L, const char *name);

const struct worker_env *worker_env(const struct worker *worker);
struct catalogue *worker_catalogue(const struct worker *worker); /* borrowed */
struct vm *worker_vm(struct worker *worker);
struct entries *worker_entries(struct worker *worker);

/* Suspends the job for `ms`, or (asks) until the engine answers `call`; `then` goes on (in an empty
 * frame), with run->answer for a call. Raises "cannot wait here" where the chain cannot yield; then
 * `call` is freed. A job being killed gets nil, "killed" at once. */
int run_sleep(lua_State *L, struct run *run, int64_t ms, lua_CFunction then);
int run_ask(lua_State *L, struct run *run, struct call *call, lua_CFunction then);
struct call *run_call_new(struct run *run, int kind, uint64_t id);
void call_free(struct call *call);

/* Suspends until run_wake with the same serial (setup of a task by another job). */
int run_park(lua_State *L, struct run *run, lua_CFunction then);
void run_wake(struct run *run, uint64_t serial);

/* Settles the outcome and leaves the job for good (ctx:fail and the like). */
int run_end(lua_State *L, struct run *run, int kind);

/* One record of the log; about `run` unless NULL. Also kept in the job's own log. */
void worker_log(struct worker *worker, struct run *run, int level, const char *text, size_t len,
                const char *fields, bool printed);
/* print and io.write: text goes out line by line. */
void run_print(struct run *run, const char *text, size_t len);
void worker_print(struct worker *worker, const char *text, size_t len); /* outside of any job */

#endif
