/* Tracebacks in stock Lua's form, but without frames of ours, and quick where the stack is deep:
 * luaL_traceback takes 180 ms for a stack overflow, since to find a level Lua walks to it. */
#include "runtime/vm.h"

#include <stdio.h>
#include <string.h>

#define HEAD_LEVELS 12
#define TAIL_LEVELS 10
#define WALK_LEVELS 1000 /* of a deeper stack only the head is shown */

/* Frames of the Lua half and of the C functions below a job are of no use to who reads it. */
static bool is_ours(const lua_Debug *ar)
{
    return strncmp(ar->source, "@neap:scripts/", 14) == 0 ||
           (*ar->what == 'C' && *ar->namewhat == 0);
}

static void put_level(struct buf *out, const lua_Debug *ar)
{
    buf_format(out, "\n\t%s:", ar->short_src);
    if (ar->currentline > 0)
        buf_format(out, "%d:", ar->currentline);
    buf_text(out, " in ");
    if (strcmp(ar->namewhat, "global") == 0)
        buf_format(out, "function '%s'", ar->name);
    else if (*ar->namewhat)
        buf_format(out, "%s '%s'", ar->namewhat, ar->name);
    else if (*ar->what == 'm')
        buf_text(out, "main chunk");
    else
        buf_format(out, "function <%s:%d>", ar->short_src, ar->linedefined);
    if (ar->istailcall)
        buf_text(out, "\n\t(...tail calls...)");
}

/* Levels of the stack, WALK_LEVELS at most. */
static int depth_of(lua_State *L)
{
    lua_Debug ar;
    int have = 0, end = WALK_LEVELS;
    if (lua_getstack(L, end - 1, &ar))
        return end;
    while (end - have > 1) {
        const int middle = have + (end - have) / 2;
        if (lua_getstack(L, middle - 1, &ar))
            have = middle;
        else
            end = middle;
    }
    return have;
}

static void put_levels(struct buf *out, lua_State *L, int from, int to)
{
    lua_Debug ar;
    for (int level = from; level < to && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Slnt", &ar);
        if (!is_ours(&ar))
            put_level(out, &ar);
    }
}

/* From `level` on: 0 is L's innermost frame, 1 who called the running C function. */
static void trace_into(lua_State *L, int level, struct buf *out)
{
    const int depth = depth_of(L);
    buf_text(out, "stack traceback:");
    if (depth <= HEAD_LEVELS + TAIL_LEVELS) {
        put_levels(out, L, level, depth);
    } else {
        put_levels(out, L, level, HEAD_LEVELS);
        if (depth == WALK_LEVELS)
            buf_text(out, "\n\t...\t(and many more levels)");
        else
            buf_format(out, "\n\t...\t(skipping %d levels)", depth - HEAD_LEVELS - TAIL_LEVELS);
        if (depth < WALK_LEVELS)
            put_levels(out, L, depth - TAIL_LEVELS, depth);
    }
}

static struct buf *trace(lua_State *L, int level)
{
    struct buf *out = vm_scratch(vm_of(L));
    trace_into(L, level, out);
    return out;
}

void vm_put_traceback(lua_State *L, struct buf *out)
{
    trace_into(L, 0, out);
}

void vm_push_traceback(lua_State *L)
{
    const struct buf *out = trace(L, 1);
    lua_pushlstring(L, out->data, out->len);
}

const char *vm_traceback_text(lua_State *L)
{
    return buf_string(trace(L, 0));
}
