/* A program that a job runs and waits for: its place among the children, its process, what it
 * prints. Everything here is on the thread of the job's worker.
 *
 *   waiting for a place ─► running ─► ended ─► drained ─► done
 *                             └─► killed: out of time; the job is being killed
 *
 * The program is the leader of a process group. Once it has ended, what it left in the group has a
 * moment to close the pipes, then it is killed: nothing outlives the call, but what has made itself
 * a session or group of its own. */
#ifndef RUNTIME_EXEC_H
#define RUNTIME_EXEC_H

#include "base/buf.h"
#include "runtime/op.h"
#include "runtime/process.h"

struct exec;
struct run;

struct exec_request {
    struct process_spec spec; /* borrowed: what it points to is copied, but the input */
    int anchor;               /* of the input; the exec's to give back */
    int64_t timeout_ms;       /* from its start; 0: none */
    size_t max_bytes;         /* of each of stdout and stderr; what is beyond is thrown away */
    bool log;                 /* no output is kept, it goes to the job's log */
};

struct exec_result { /* borrowed from the exec */
    int error;       /* errno: it did not start; why is in `message` */
    const char *message;
    int status; /* as waitpid gives it; -1: unknown, somebody else reaped it */
    bool truncated, timed_out;
    const struct buf *out[2];
};

/* For the job in L, which may wait (op_may_wait). The exec begins with its op, opened. */
struct exec *exec_open(lua_State *L, const struct exec_request *request);
struct op *exec_op(struct exec *exec);
struct exec *exec_of(struct op *op);
struct exec_result exec_result(const struct exec *exec); /* once it is done */
void exec_close(struct exec *exec);                      /* closes the op, too */

#endif
