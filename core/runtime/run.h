/* A job while a worker runs it: its coroutine and what it waits for. Owned by the worker; recycled
 * with its coroutine. */
#ifndef RUNTIME_RUN_H
#define RUNTIME_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "model/call.h"
#include "model/job.h"
#include "parts/catalogue.h"
#include "runtime/vm.h"

struct entry; /* a task as loaded in this state (task_entry.h) */

enum run_state { RUN_READY, RUN_ON, RUN_WAITING };

struct run {
    struct worker *worker;
    struct list link;       /* in the worker's list of runs, or its free list */
    struct heap_node ready; /* among the woken: key is -priority, tie the order of waking */
    struct job *job;
    lua_State *co;
    int co_ref;          /* keeps the coroutine */
    struct entry *entry; /* counted; NULL until the task is loaded */
    enum run_state state;
    bool fresh;   /* not resumed yet */
    bool ended;   /* its outcome is settled in `kind`: unwind it */
    bool closing; /* being unwound: its to-be-closed variables run; waits return nil, "killed" */
    bool in_args; /* checking arguments: an error there has the code "args" */
    bool has_result;
    uint64_t serial;        /* goes up at each wait and each reuse: late answers are dropped */
    struct heap_node timer; /* neap.sleep; key: monotonic ns */
    lua_CFunction then;     /* what goes on after the wait */
    struct call *answer;    /* of the engine; owned */
    unsigned asked; /* calls the engine has not answered yet; the run stays until they are back */
    /* the outcome while it takes shape */
    int kind;
    int64_t after_ms;
    struct buf result;
    struct job_error *error;
    struct list children; /* of ctx:submit */
    struct buf log, line; /* what it printed; the line not ended yet */
    int64_t started_ms, started_ns, wait_us;
    int64_t progress_ms; /* when it was last told; monotonic */
    uint64_t bytes;      /* allocated while it ran */
};

#endif
