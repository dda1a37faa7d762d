/* Values between Lua and MessagePack bytes, straight to and from the stack.
 *
 * Crosses: nil, booleans, 64-bit integers, floats (inf, nan, -0.0 too), strings of any bytes,
 * tables. A table is an array where neap.array marked it or where its keys are exactly 1..n, n > 0;
 * else a map (an unmarked empty table is a map). Map keys: strings, integers, floats, booleans.
 * neap.null is nil inside a table and survives; a nil value at the top is no bytes at all (length
 * 0) and neap.null there is 0xc0. Refused with the path of the offending key ("args.user.list[3]: a
 * function cannot cross"): functions, userdata, threads, cycles ("refers back to args.a"), deeper
 * than NEAP_DEPTH_MAX, more than NEAP_VALUE_MAX bytes. Metamethods are not called. Non-minimal or
 * ext MessagePack from outside: non-minimal is read, ext refused. */
#ifndef MODEL_CODEC_H
#define MODEL_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "base/buf.h"
#include "neap.h"

/* Appends the value at `index`. `name` begins the path in errors ("args", "result"). Never raises;
 * needs no memory of Lua. On error `out` is as it was. */
int codec_encode(lua_State *L, int index, const char *name, struct buf *out,
                 struct neap_error *err);

/* Pushes the value of exactly these bytes. Pushes nothing on error. May raise a memory error
 * only. */
int codec_decode(lua_State *L, const void *data, size_t len, struct neap_error *err);

/* neap.null is this light userdata; the metatable of neap.array is kept in the registry under this
 * address. */
void codec_push_null(lua_State *L);
bool codec_is_null(lua_State *L, int index);
/* Pushes the (shared, locked: __metatable = "neap.array") metatable that marks arrays; made on
 * first use. */
void codec_push_array_mark(lua_State *L);

#endif
