#include "runtime/vm.h"

#include "base/embedded.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/interrupt.h"
#include "runtime/lua_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lualib.h>

#ifdef __SANITIZE_THREAD__
#include <setjmp.h>
/* Debian's liblua leaves by the checked longjmp, which TSan does not know: it would keep the frames
 * that are left on a stack of its own, until that overflows. */
_Noreturn void __longjmp_chk(jmp_buf env, int value);
void __longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}
#endif

/* The soft limit interrupts, it does not refuse: who allocates is not always who holds the most,
 * and the emergency collection that Lua 5.4.4 tries after a refusal has a use-after-free. */
static bool past_limit(struct vm *vm, size_t bytes)
{
    if (vm->limit_bytes && bytes > vm->limit_bytes)
        return true;
    if (vm->soft_bytes && bytes > vm->soft_bytes && !vm->over) {
        vm->over = true;
        interrupt_arm(vm);
    }
    return false;
}

/* Apart, as the next: what `allocate` does most often needs no frame then. */
static __attribute__((noinline)) void *allocate_new(struct vm *vm, size_t size)
{
    if (vm->limited && past_limit(vm, vm->bytes + size))
        return NULL;
    void *block = size <= SLABS_SMALL_MAX ? slabs_take(&vm->slabs, size)
                                          : slabs_resize(&vm->slabs, NULL, 0, size);
    if (block) {
        vm->bytes += size;
        vm->allocated_bytes += size;
    }
    return block;
}

static __attribute__((noinline)) void *resize(struct vm *vm, void *old, size_t old_size,
                                              size_t new_size)
{
    if (vm->limited && new_size > old_size && past_limit(vm, vm->bytes - old_size + new_size))
        return NULL;
    void *block = slabs_resize(&vm->slabs, old, old_size, new_size);
    if (!block)
        return NULL;
    vm->bytes += new_size - old_size;
    if (new_size > old_size)
        vm->allocated_bytes += new_size - old_size;
    return block;
}

static void *allocate(void *user, void *old, size_t old_size, size_t new_size)
{
    struct vm *vm = user;
    if (!old) /* `old_size` is then the kind of object */
        return new_size ? allocate_new(vm, new_size) : NULL;
    if (new_size)
        return resize(vm, old, old_size, new_size);
    vm->bytes -= old_size;
    return slabs_give(&vm->slabs, old, old_size);
}

/* --- the collector's pace ----------------------------------------------------------------------
 */

/* Half of a small heap is ours and stays, so to begin a cycle whenever the heap has doubled, as is
 * usual, means to mark the same objects again for little garbage: strings got 15 % slower. */
#define BREATH_BYTES (2 * 1024 * 1024) /* of garbage, in a small heap, before a cycle begins */
#define PAUSE_MIN 200
#define PAUSE_MAX 1000

void vm_pace(struct vm *vm)
{
    const size_t most = vm->soft_bytes / 8;
    const size_t breath = most && most < BREATH_BYTES ? most : BREATH_BYTES;
    const size_t pause = 100 + breath * 100 / (vm->live_bytes + 1);
    lua_gc(vm->L, LUA_GCSETPAUSE,
           pause < PAUSE_MIN   ? PAUSE_MIN
           : pause > PAUSE_MAX ? PAUSE_MAX
                               : (int)pause);
    vm->cycled = false;
}

/* Finalizer of an object that nobody refers to, at the end of each cycle. */
static int on_cycle(lua_State *L)
{
    struct vm *vm = vm_of(L);
    vm->live_bytes = vm->bytes;
    vm->cycled = true;
    lua_getmetatable(L, 1);
    lua_setmetatable(L, 1); /* and at that of the next one */
    return 0;
}

/* What has been allocated so far stays: the first cycle begins after a breath. */
static void begin_cycles(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, on_cycle);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_gc(L, LUA_GCRESTART);
    lua_gc(L, LUA_GCSTEP, -BREATH_BYTES / 1024);
    vm->live_bytes = vm->bytes;
    vm_pace(vm);
}

static int at_panic(lua_State *L)
{
    fprintf(stderr, "neap: unprotected error in Lua: %s\n", lua_tostring(L, -1));
    return 0; /* Lua aborts: every entry is protected, so this is a bug of ours */
}

#define DEEP 1000 /* levels of a stack that is not walked to its bottom for a traceback */
#define DEEP_FRAMES 20

/* --- errors ----------------------------------------------------------------------------------- */

static int call_tostring(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

const char *vm_error_text(lua_State *L, int index, size_t *len)
{
    index = lua_absindex(L, index);
    const int type = lua_type(L, index);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        lua_pushvalue(L, index);
        return lua_tolstring(L, -1, len);
    }
    if (type != LUA_TLIGHTUSERDATA && luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushcfunction(L, call_tostring);
        lua_pushvalue(L, index);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING)
            return lua_tolstring(L, -1, len);
        lua_pop(L, 1);
    }
    lua_pushfstring(L, "(error object is a %s value)", lua_typename(L, type));
    return lua_tolstring(L, -1, len);
}

int vm_traceback(lua_State *L)
{
    size_t len;
    lua_settop(L, 1);
    lua_createtable(L, 0, 2);
    vm_error_text(L, 1, &len);
    lua_setfield(L, 2, "message");
    vm_push_traceback(L);
    lua_setfield(L, 2, "traceback");
    return 1;
}

void vm_check_acting(lua_State *L, const char *name)
{
    if (vm_of(L)->loading)
        luaL_error(L, "%s cannot be called while a file loads: call it inside run or setup", name);
}

void vm_check_trusted(lua_State *L, const char *name)
{
    if (vm_of(L)->strict)
        luaL_error(L, "%s is not available in a strict sandbox", name);
}

void vm_check_room(lua_State *L, size_t bytes)
{
    const struct vm *vm = vm_of(L);
    if (vm->limit_bytes && vm->bytes + bytes > vm->limit_bytes)
        luaL_error(L, "not enough memory");
}

/* --- the Lua half ----------------------------------------------------------------------------- */

static const struct embedded_file *embedded(const char *path)
{
    for (size_t i = 0; i < embedded_count; i++)
        if (strcmp(embedded_files[i].path, path) == 0)
            return &embedded_files[i];
    return NULL;
}

/* Where the Lua that built it is not the one that runs, its bytecode is refused, and the text is
 * there. */
static int load_embedded(lua_State *L, const struct embedded_file *file, const char *chunk)
{
    if (file->code) {
        const char *code = (const char *)file->code;
        if (luaL_loadbufferx(L, code, file->code_length, chunk, "b") == LUA_OK)
            return LUA_OK;
        lua_pop(L, 1);
    }
    return luaL_loadbufferx(L, (const char *)file->data, file->length, chunk, "t");
}

void vm_load_script(lua_State *L, const char *name)
{
    const char *dir = getenv("NEAP_SCRIPTS");
    const char *chunk = lua_pushfstring(L, "@neap:scripts/%s", name);
    int rc;
    if (dir) {
        rc = luaL_loadfilex(L, lua_pushfstring(L, "%s/%s", dir, name), "t");
        lua_remove(L, -2);
    } else {
        const struct embedded_file *file = embedded(lua_pushfstring(L, "scripts/%s", name));
        lua_pop(L, 1);
        if (!file) {
            luaL_error(L, "no script %s in this binary", name);
            return;
        }
        rc = load_embedded(L, file, chunk);
    }
    if (rc != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

/* Upvalue: core. Calls the schema script and moves what it returns into the table that stood for
 * it. */
static int open_schema(lua_State *L)
{
    vm_load_script(L, "schema.lua");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 1, 1);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, 1);
    }
    lua_pushnil(L);
    lua_setmetatable(L, 1);
    lua_settop(L, 2);
    lua_rawget(L, 1);
    return 1;
}

/* Stack: core ─► core and schema. A third of all the Lua, and many tasks declare nothing: so it is
 * loaded when something of it is first used. */
static void promise_schema(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, open_schema, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* Stack: nothing ─► the entry points. */
static int boot(lua_State *L)
{
    static const char *const scripts[] = {"async.lua", "groups.lua",  "signal.lua",
                                          "task.lua",  "sandbox.lua", "prelude.lua"};
    struct vm *vm = vm_of(L);
    lua_gc(L, LUA_GCSTOP); /* all of it stays */
    luaL_openlibs(L);
    coro_open(L);
    lua_settop(L, 0);
    lua_core_open(L); /* 1: core; each script gets core and what the ones before it returned */
    promise_schema(L);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        const int have = lua_gettop(L);
        vm_load_script(L, scripts[i]);
        for (int arg = 1; arg <= have; arg++)
            lua_pushvalue(L, arg);
        lua_call(L, have, 1);
        if (lua_isnil(L, -1)) /* it only added to core.neap */
            lua_pop(L, 1);
    }
    vm->main_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0); /* so that no task reaches it */
    lua_setfield(L, -2, "__metatable");
    vm->string_meta_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    begin_cycles(L);
    return 0;
}

int vm_init(struct vm *vm, bool staging, struct neap_error *err)
{
    *vm = (struct vm){0};
    vm->L = lua_newstate(allocate, vm);
    if (!vm->L)
        return error_set(err, NEAP_EIO, "no memory for a Lua state");
    lua_atpanic(vm->L, at_panic);
    memset(lua_getextraspace(vm->L), 0, LUA_EXTRASPACE);
    vm->loading = staging;
    lua_pushcfunction(vm->L, boot);
    if (lua_pcall(vm->L, 0, 0, 0) != LUA_OK) {
        error_set(err, NEAP_EINTERNAL, "the Lua half does not start: %s", lua_tostring(vm->L, -1));
        vm_close(vm);
        return NEAP_EINTERNAL;
    }
    return NEAP_OK;
}

void vm_close(struct vm *vm)
{
    if (vm->L)
        lua_close(vm->L);
    slabs_close(&vm->slabs);
    buf_close(&vm->scratch);
    free(vm->at);
    *vm = (struct vm){0};
}

void vm_move(struct vm *to, struct vm *from)
{
    *to = *from;
    *from = (struct vm){0};
    lua_setallocf(to->L, allocate, to);
}

int vm_call(struct vm *vm, lua_CFunction f, void *arg, struct neap_error *err)
{
    lua_State *L = vm->L; /* nothing here but the pcall allocates */
    lua_State *const before = vm->current;
    const int base = lua_gettop(L);
    interrupt_follow(vm, L);
    lua_pushcfunction(L, vm_traceback);
    lua_pushcfunction(L, f);
    lua_pushlightuserdata(L, arg);
    const int rc = lua_pcall(L, 1, 0, base + 1);
    if (rc != LUA_OK) {
        const char *message = "not enough memory", *traceback = "";
        if (lua_istable(L, -1)) { /* of vm_traceback: both are there, and texts */
            lua_getfield(L, -1, "message");
            message = lua_tostring(L, -1);
            lua_getfield(L, -2, "traceback");
            traceback = lua_tostring(L, -1);
        }
        error_set(err, NEAP_EINVAL, "%s\n%s", message, traceback);
    }
    interrupt_follow(vm, before);
    lua_settop(L, base);
    return rc == LUA_OK ? NEAP_OK : NEAP_EINVAL;
}
