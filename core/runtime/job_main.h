/* What a job's coroutine runs: load the task if need be, set it up, check the arguments, call run,
 * keep what came of it. */
#ifndef RUNTIME_JOB_MAIN_H
#define RUNTIME_JOB_MAIN_H

#include "runtime/run.h"

int job_main(lua_State *L); /* a lua_CFunction; catches everything */

/* What a fiber of neap.async runs: the function it is given. Catches everything. */
int job_async(lua_State *L);

/* The attempt failed. `code` is static text. Keeps the first failure only. */
void job_main_failed(struct run *run, const char *code, const char *message, const char *traceback);

#endif
