/* Coroutines that the runtime can suspend wherever they are. User code nests its own coroutines
 * inside a job's; a wait must get through all of them down to the worker, and come back to the
 * innermost.
 *
 *   worker ─resume─► job's coroutine ─coroutine.resume─► user's ─coroutine.resume─► user's:
 * neap.sleep parks ◄─yield──                 ◄─yield (ours)─────        ◄─yield (ours)─────
 *
 * The coroutine library, pcall and xpcall are replaced. A resumer that sees vm->parking yields on
 * with a continuation that resumes its child again. Meanwhile each coroutine of the chain notes its
 * child in lua_getextraspace, the innermost CORO_LEAF, so that to user code they are `normal`: only
 * the runtime resumes them. */
#ifndef RUNTIME_CORO_H
#define RUNTIME_CORO_H

#include <stdbool.h>

#include <lua.h>

#include "runtime/vm.h"

/* Replaces the functions in the `coroutine` table, and pcall and xpcall in the globals. */
void coro_open(lua_State *L);

/* May the code running in L wait now? Not inside a sort comparator, a gsub callback, a file's top
 * level or a __close of a kill. */
bool coro_waitable(lua_State *L);

/* Suspends the whole chain; `k` goes on in L, with an empty stack, when the worker resumes the job.
 * Only where coro_waitable. Does not return. */
int coro_park(lua_State *L, lua_CFunction k);

/* Ends the running job from inside: parks for good where it can, else raises an error that no pcall
 * holds. vm->run->ended (or vm->doomed) must be set. Does not return. */
int coro_quit(lua_State *L);

/* Resumes a coroutine of the runtime's own from outside any other. */
int coro_run(lua_State *co, lua_State *from, int narg);

/* From a count hook, in place of coro_park and coro_quit. */
void coro_hook_park(lua_State *L);
void coro_hook_quit(lua_State *L);

/* The innermost coroutine of a parked chain. */
lua_State *coro_innermost(lua_State *co);

/* Resets a suspended or failed chain, innermost coroutine first, running its to-be-closed
 * variables. `co` is fit for the next job then. */
void coro_reset(lua_State *co);

#endif
