#include "runtime/holdings.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

#define NODES_MAX 50000 /* looked into for one job, or for what is nobody's: some 10 ms */
#define LEVELS_MAX 1000 /* of calls: to find one Lua counts from the innermost each time */

/* About what Lua 5.4 takes on a machine of 64 bits, of malloc's rounding a part. */
enum {
    STRING_BYTES = 32,
    TABLE_BYTES = 64,
    ENTRY_BYTES = 32,
    FUNCTION_BYTES = 48,
    UPVALUE_BYTES = 40,
    THREAD_BYTES = 1024,
    SLOT_BYTES = 16,
    USERDATA_BYTES = 48
};

void holdings_init(struct holdings *h, lua_State *L)
{
    *h = (struct holdings){.L = L, .base = lua_gettop(L)};
    h->cap_seen = 1024;
    h->seen = mem_zero(h->cap_seen, sizeof *h->seen);
    h->next = h->base + 1;
}

void holdings_close(struct holdings *h)
{
    lua_settop(h->L, h->base);
    free(h->seen);
}

/* --- the objects seen ------------------------------------------------------------------------- */

static size_t slot_of(const struct holdings *h, const void *object)
{
    size_t slot = (size_t)((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 20;
    for (slot &= h->cap_seen - 1; h->seen[slot] && h->seen[slot] != object;)
        slot = (slot + 1) & (h->cap_seen - 1);
    return slot;
}

static void grow(struct holdings *h)
{
    const void **old = h->seen;
    const size_t cap = h->cap_seen;
    h->cap_seen *= 2;
    h->seen = mem_zero(h->cap_seen, sizeof *h->seen);
    for (size_t i = 0; i < cap; i++)
        if (old[i])
            h->seen[slot_of(h, old[i])] = old[i];
    free(old);
}

/* True: for the first time. */
static bool see(struct holdings *h, const void *object)
{
    const size_t slot = slot_of(h, object);
    if (h->seen[slot])
        return false;
    h->seen[slot] = object;
    if (++h->n_seen > h->cap_seen / 2)
        grow(h);
    return true;
}

/* --- the queue -------------------------------------------------------------------------------- */

/* Counts the value at `index`; is it to be looked into? */
static bool is_new(struct holdings *h, int index)
{
    lua_State *L = h->L;
    const int type = lua_type(L, index);
    if (type != LUA_TSTRING && type != LUA_TTABLE && type != LUA_TFUNCTION &&
        type != LUA_TUSERDATA && type != LUA_TTHREAD)
        return false;
    const void *object = lua_topointer(L, index);
    if (!object || !see(h, object))
        return false;
    if (type == LUA_TSTRING) {
        h->bytes += lua_rawlen(L, index) + STRING_BYTES;
        return false;
    }
    h->full |= lua_gettop(L) - h->base > NODES_MAX || !lua_checkstack(L, 8);
    return !h->full;
}

/* The value on top of L stays, in the queue, or goes. */
static void take(struct holdings *h)
{
    if (!is_new(h, -1))
        lua_pop(h->L, 1);
}

static void look_into_table(struct holdings *h, int index)
{
    lua_State *L = h->L;
    h->bytes += TABLE_BYTES;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        h->bytes += ENTRY_BYTES;
        if (is_new(h, -1))
            lua_insert(L, -2); /* below the key, which has to be on top */
        else
            lua_pop(L, 1);
        if (is_new(h, -1))
            lua_pushvalue(L, -1);
        if (h->full) {
            lua_pop(L, 1);
            return;
        }
    }
}

static void look_into_function(struct holdings *h, int index)
{
    h->bytes += FUNCTION_BYTES;
    for (int n = 1; !h->full && lua_getupvalue(h->L, index, n); n++) {
        h->bytes += UPVALUE_BYTES;
        take(h);
    }
}

static void look_into_userdata(struct holdings *h, int index)
{
    h->bytes += lua_rawlen(h->L, index) + USERDATA_BYTES;
    for (int n = 1; !h->full && lua_getiuservalue(h->L, index, n) != LUA_TNONE; n++)
        take(h);
    lua_pop(h->L, !h->full); /* the nil of none */
}

/* The values of one call. The queue itself lies in the innermost one of L: not beyond its base. */
static void look_into_call(struct holdings *h, lua_State *co, lua_Debug *ar, bool innermost)
{
    const int end = co == h->L && innermost ? h->base : INT32_MAX;
    for (int n = 1; n <= end && !h->full && lua_getlocal(co, ar, n); n++) {
        if (co != h->L)
            lua_xmove(co, h->L, 1);
        h->bytes += SLOT_BYTES;
        take(h);
    }
    if (!h->full && lua_getinfo(co, "f", ar)) {
        if (co != h->L)
            lua_xmove(co, h->L, 1);
        take(h);
    }
}

static void look_into_coroutine(struct holdings *h, lua_State *co)
{
    lua_Debug ar;
    h->bytes += THREAD_BYTES;
    if (co != h->L && !lua_checkstack(co, 2)) {
        h->full = true;
        return;
    }
    for (int level = 0; !h->full && lua_getstack(co, level, &ar); level++) {
        look_into_call(h, co, &ar, level == 0);
        h->full |= level == LEVELS_MAX;
    }
}

static void walk(struct holdings *h)
{
    lua_State *L = h->L;
    for (; !h->full && h->next <= lua_gettop(L); h->next++) {
        const int type = lua_type(L, h->next);
        if (lua_getmetatable(L, h->next))
            take(h);
        if (type == LUA_TTABLE)
            look_into_table(h, h->next);
        else if (type == LUA_TFUNCTION)
            look_into_function(h, h->next);
        else if (type == LUA_TUSERDATA)
            look_into_userdata(h, h->next);
        else if (type == LUA_TTHREAD)
            look_into_coroutine(h, lua_tothread(L, h->next));
    }
    lua_settop(L, h->base);
    h->next = h->base + 1;
}

void holdings_exclude_alone(struct holdings *h)
{
    see(h, lua_topointer(h->L, -1));
    lua_pop(h->L, 1);
}

void holdings_exclude(struct holdings *h)
{
    take(h);
    walk(h);
    h->bytes = 0;
    h->full = false; /* the nearest of it have been seen */
}

void holdings_add(struct holdings *h, lua_State *co)
{
    if (!see(h, co))
        return;
    look_into_coroutine(h, co);
    walk(h);
}
