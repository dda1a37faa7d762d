#include "runtime/anchor.h"

#include "base/buf.h"
#include "runtime/op.h"
#include "runtime/vm.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

struct anchors {      /* of a worker; owner: its thread */
    struct buf given; /* int... : references in the registry */
};
static const char anchors_key;

static void anchors_close(void *thing)
{
    struct anchors *anchors = thing;
    buf_close(&anchors->given);
    free(anchors);
}

void anchor_sweep(lua_State *L)
{
    struct anchors *anchors = worker_kept(vm_of(L)->worker, &anchors_key);
    if (!anchors)
        return;
    for (size_t at = 0; at < anchors->given.len; at += sizeof(int)) {
        int ref;
        memcpy(&ref, anchors->given.data + at, sizeof ref);
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
    }
    anchors->given.len = 0;
}

int anchor_take(lua_State *L, int index)
{
    anchor_sweep(L);
    lua_pushvalue(L, index);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

void anchor_give(struct worker *worker, int anchor)
{
    if (anchor == ANCHOR_NONE)
        return;
    struct anchors *anchors = worker_kept(worker, &anchors_key);
    if (!anchors) {
        anchors = mem_zero(1, sizeof *anchors);
        worker_keep(worker, &anchors_key, anchors, anchors_close);
    }
    buf_put(&anchors->given, &anchor, sizeof anchor);
}
