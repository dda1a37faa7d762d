/* Strings of Lua that C reads while no Lua code holds them: what is written to a file, the input of
 * a program. Not copied, so they count in the memory of the state, and once. On the worker's
 * thread. */
#ifndef RUNTIME_ANCHOR_H
#define RUNTIME_ANCHOR_H

#include <lua.h>

struct worker;

#define ANCHOR_NONE LUA_NOREF

/* Keeps the value at `index`. Raises where there is no memory for that. */
int anchor_take(lua_State *L, int index);
/* It is not needed any more. Calls no Lua, so the loop's callbacks may; ANCHOR_NONE is fine. */
void anchor_give(struct worker *worker, int anchor);
/* Lets go of what was given back; anchor_take does that, too. */
void anchor_sweep(lua_State *L);

#endif
