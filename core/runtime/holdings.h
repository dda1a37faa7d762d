/* What a coroutine keeps alive, about, in bytes: a walk over what its stack reaches and nothing
 * else does. For the rare moment when a state is full and somebody has to go: how much was
 * allocated while a job ran says little about what it still holds. Never raises, allocates nothing
 * in Lua but room on L's stack. */
#ifndef RUNTIME_HOLDINGS_H
#define RUNTIME_HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct holdings { /* its worker's thread */
    lua_State *L; /* whose stack is the queue of what is to be looked into */
    int base, next;
    const void **seen; /* objects, by address */
    size_t n_seen, cap_seen;
    size_t bytes;
    bool full; /* there is more than was looked at */
};

void holdings_init(struct holdings *h, lua_State *L);
void holdings_close(struct holdings *h); /* L's stack is as before */

/* What the value on top of L (popped) reaches counts for nobody from now on. */
void holdings_exclude(struct holdings *h);
void holdings_exclude_alone(struct holdings *h); /* the value itself, not what it reaches */
/* Adds what `co` holds, its children included, to h->bytes. */
void holdings_add(struct holdings *h, lua_State *co);

#endif
