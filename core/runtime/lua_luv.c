/* require "luv": libuv on the worker's own loop. What each function may do is said in
 * scripts/luv.lua; here is how: every call goes through call_luv, every callback through
 * on_callback.
 *
 * An owner is what one job has of it. Its handles are closed when the job ends, and its callbacks
 * run as the job's or, once that is over, not at all:
 *
 *   job ─op─► owner ─uservalue─► {[handle] = true, or the descriptor that is to be closed with it}
 *               ▲
 *   luv ──► callback {function, owner}
 *
 * luv is opened at the first require, so that who does not use it pays nothing. It may not run out
 * of memory half-way, nor be called for a handle that is closed already: it would leave things with
 * the loop that are freed later. */
#include "runtime/lua_core.h"

#include "base/mem.h"
#include "runtime/op.h"
#include "runtime/vm.h"
#include "runtime/worker_run.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define HEADROOM_BYTES (256 * 1024) /* more than any call of luv allocates before it returns */

enum how {
    HOW_JOB = 1 << 0,         /* only in a job */
    HOW_CLOSED = 1 << 1,      /* of a closed handle, too */
    HOW_NEW = 1 << 2,         /* returns a handle */
    HOW_CLOSE = 1 << 3,       /* closes its handle */
    HOW_ONCE = 1 << 4,        /* once a handle: libuv would lose the first request */
    HOW_ALONE = 1 << 5,       /* nothing besides the handle: luv would keep a copy for ever */
    HOW_DATA = 1 << 6,        /* the second argument is a string or a list of them */
    HOW_POOL = 1 << 7,        /* with a callback it is done by a thread of libuv's */
    HOW_CALLBACK = 1 << 8,    /* never without one: it would block the worker */
    HOW_REQUEST = 1 << 9,     /* of a request, not of a handle */
    HOW_FAMILY = 1 << 11,     /* the first argument is a family of addresses */
    HOW_ADDRESS = 1 << 12,    /* the third and fourth are an address and a port, or not there */
    HOW_DESCRIPTOR = 1 << 10, /* the first argument is a descriptor: takes a duplicate */
};

static const struct {
    const char *word;
    int flag;
} words[] = {
    {"job", HOW_JOB},
    {"closed", HOW_CLOSED},
    {"new", HOW_NEW},
    {"close", HOW_CLOSE},
    {"once", HOW_ONCE},
    {"alone", HOW_ALONE},
    {"family", HOW_FAMILY},
    {"address", HOW_ADDRESS},
    {"data", HOW_DATA},
    {"pool", HOW_POOL},
    {"callback", HOW_CALLBACK},
    {"request", HOW_REQUEST},
    {"descriptor", HOW_DESCRIPTOR},
};

/* Of luv.h, which does not compile under our warnings. */
typedef int (*luv_pcall)(lua_State *L, int nargs, int nresults, int flags);
typedef void (*luv_set_callback)(lua_State *L, luv_pcall pcall);
typedef void (*luv_set_loop)(lua_State *L, uv_loop_t *loop);

/* Owner: the worker. Of its luv, once that is open. */
struct world {
    struct worker *worker;
    lua_State *L;    /* the main state: callbacks come there */
    unsigned pooled; /* requests that a thread of libuv's has */
};

/* Owner: the worker. A userdata; luv's callbacks keep it. */
struct owner {
    struct op op;
    struct run *run; /* NULL: it has ended */
    struct world *world;
    unsigned handles; /* open */
};

#define HANDLES_MAX 10000 /* of a job: others wait while they are closed at its end */

/* Keys: of the registry, a table {[run] = owner}; luv's function `close`; the module. Of
 * worker_keep: the world. */
static const char owners_key, close_key, module_key, world_key;

/* --- handles ---------------------------------------------------------------------------------- */

/* The handle at `index`, or NULL: something else. */
static uv_handle_t *handle_at(lua_State *L, int index)
{
    uv_handle_t **held = lua_touserdata(L, index);
    if (!held || lua_islightuserdata(L, index) || !lua_getmetatable(L, index))
        return NULL;
    lua_getfield(L, LUA_REGISTRYINDEX, "uv_handle"); /* luv's own: {[metatable] = true} */
    lua_insert(L, -2);
    const bool is_one = lua_istable(L, -2) && lua_rawget(L, -2) == LUA_TBOOLEAN;
    lua_pop(L, 2);
    return is_one ? *held : NULL;
}

static bool is_request(lua_State *L, int index)
{
    return luaL_testudata(L, index, "uv_req") || luaL_testudata(L, index, "uv_fs");
}

/* Closes the handle on top of the stack as luv does, which drops what it keeps of it. */
static int close_handle(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &close_key);
    lua_insert(L, 1);
    lua_call(L, 1, 0);
    return 0;
}

/* Stack: the owner's handles, key, value. */
static void close_one(lua_State *L)
{
    uv_handle_t *handle = *(uv_handle_t **)lua_touserdata(L, -2);
    if (!uv_is_closing(handle)) {
        lua_pushcfunction(L, close_handle);
        lua_pushvalue(L, -3);
        if (lua_pcall(L, 1, 0, 0) != LUA_OK) { /* no memory: so luv's record of it stays */
            lua_pop(L, 1);
            uv_close(handle, NULL);
        }
    }
    if (lua_isinteger(L, -1))
        close((int)lua_tointeger(L, -1));
}

/* In a protected call: lua_next cannot fail here, but that is for Lua to know. */
static int close_all(lua_State *L) /* 1: owner (light) */
{
    struct owner *owner = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
    lua_rawgetp(L, -1, owner->run);
    lua_getiuservalue(L, -1, 1);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        close_one(L);
    lua_settop(L, 2);
    lua_pushnil(L);
    lua_rawsetp(L, 2, owner->run);
    return 0;
}

static void stop_owner(struct op *op)
{
    struct owner *owner = (struct owner *)op;
    lua_State *L = owner->world->L;
    lua_pushcfunction(L, close_all);
    lua_pushlightuserdata(L, owner);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    owner->run = NULL;
}

/* Pushes what the running job has of luv. */
static struct owner *push_owner(lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct run *run = vm->run;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &owners_key);
    if (lua_rawgetp(L, -1, run) == LUA_TUSERDATA) {
        lua_remove(L, -2);
        return lua_touserdata(L, -1);
    }
    lua_pop(L, 1);
    struct owner *owner = lua_newuserdatauv(L, sizeof *owner, 1);
    *owner = (struct owner){.run = run, .world = worker_kept(vm->worker, &world_key)};
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, run);
    lua_remove(L, -2);
    op_attach(L, &owner->op, stop_owner);
    return owner;
}

/* Sets the value of the handle at `index` among those of the owner at `owner`. On top: the value,
 * popped. */
static void set_handle(lua_State *L, int owner, int index)
{
    lua_getiuservalue(L, owner, 1);
    lua_insert(L, -2);
    lua_pushvalue(L, index);
    lua_insert(L, -2);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* --- callbacks -------------------------------------------------------------------------------- */

/* A function that a task gave to luv, for on_callback to take apart. Upvalues: the function, the
 * owner, whether a thread of libuv's calls for it. */
static int callback(lua_State *L)
{
    return luaL_error(L, "a callback of luv was called by something else");
}

/* luv calls all callbacks through this, on the main state, from uv_run: the function and its
 * arguments are on top. Not protected, so nothing here may raise. */
static int on_callback(lua_State *L, int nargs, int nresults, int flags)
{
    const int base = lua_gettop(L) - nargs - 1;
    (void)nresults, (void)flags;
    if (lua_checkstack(L, LUA_MINSTACK) && lua_tocfunction(L, base + 1) == callback) {
        lua_getupvalue(L, base + 1, 3);
        const bool pooled = lua_toboolean(L, -1);
        lua_getupvalue(L, base + 1, 2);
        struct owner *owner = lua_touserdata(L, -1);
        lua_pop(L, 2);
        if (pooled)
            owner->world->pooled--;
        if (owner->run) {
            lua_getupvalue(L, base + 1, 1);
            lua_replace(L, base + 1);
            run_callback(L, owner->run, nargs);
        }
    }
    lua_settop(L, base);
    return 0;
}

static bool is_callable(lua_State *L, int index)
{
    if (lua_isfunction(L, index))
        return true;
    if (!luaL_getmetafield(L, index, "__call"))
        return false;
    lua_pop(L, 1);
    return true;
}

/* --- calls ------------------------------------------------------------------------------------ */

static int fail(lua_State *L, int code)
{
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", uv_err_name(code), uv_strerror(code));
    lua_pushstring(L, uv_err_name(code));
    return 3;
}

/* luv does not give back what it made of the data when it finds no address beside it. */
static void check_address(lua_State *L)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (lua_isnoneornil(L, 3) && lua_isnoneornil(L, 4))
        return;
    const char *host = luaL_checkstring(L, 3);
    const int port = (int)luaL_checkinteger(L, 4);
    luaL_argcheck(L, uv_ip4_addr(host, port, &v4) == 0 || uv_ip6_addr(host, port, &v6) == 0, 3,
                  "an IP address");
}

/* luv itself would forget the buffers it made up to the first that is none, and libuv asserts that
 * there are any. */
static void check_data(lua_State *L)
{
    if (!lua_istable(L, 2)) {
        luaL_checkstring(L, 2);
        return;
    }
    luaL_argcheck(L, lua_rawlen(L, 2) > 0, 2, "an empty list");
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 2); i++, lua_pop(L, 1))
        if (lua_rawgeti(L, 2, i) != LUA_TSTRING)
            luaL_argerror(L, 2, "a string or a list of strings");
}

static const char *const families[] = {"unspec", "inet", "inet6", NULL};

/* False with the results of the failed call pushed: a handle among the arguments is closed. */
static bool check_arguments(lua_State *L, int how, int count)
{
    bool has_callback = false;
    for (int i = 1; i <= count; i++) {
        const uv_handle_t *handle = handle_at(L, i);
        if (lua_isuserdata(L, i) && !handle) /* luv would look into it, whatever it is */
            luaL_argcheck(L, how & HOW_REQUEST && is_request(L, i), i, "an object of luv");
        luaL_argcheck(L, !handle || !(how & HOW_REQUEST), i, "a request of luv");
        if (handle && !(how & HOW_CLOSED) && uv_is_closing(handle))
            return false;
        has_callback |= is_callable(L, i);
    }
    if (how & HOW_CALLBACK && !has_callback)
        luaL_error(L, "%s needs a callback: it would block the worker",
                   lua_tostring(L, lua_upvalueindex(2)));
    if (how & HOW_DATA)
        check_data(L);
    if (how & HOW_ADDRESS)
        check_address(L);
    if (how & HOW_FAMILY)
        luaL_checkoption(L, 1, families[0], families);
    luaL_argcheck(L, !(how & HOW_ALONE) || count == 1, 2, "nothing: a closure may hold it");
    return true;
}

/* Puts callbacks of the owner on top, popped, in the place of functions. True: there is one. */
static bool take_callbacks(lua_State *L, int how, int count)
{
    bool any = false;
    for (int i = 1; i <= count; i++) {
        if (!is_callable(L, i))
            continue;
        lua_pushvalue(L, i);
        lua_pushvalue(L, -2);
        lua_pushboolean(L, how & HOW_POOL);
        lua_pushcclosure(L, callback, 3);
        lua_replace(L, i);
        any = true;
    }
    lua_pop(L, 1);
    return any;
}

/* A connect of a pipe that is connecting would take the place of the first request, which then
 * never ends. */
static void check_once(lua_State *L)
{
    push_owner(L);
    lua_getiuservalue(L, -1, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, -2) != LUA_TBOOLEAN || !lua_toboolean(L, -1))
        luaL_error(L, "%s: once for a pipe, in the job that made it",
                   lua_tostring(L, lua_upvalueindex(2)));
    lua_pop(L, 2);
    lua_pushboolean(L, 0);
    set_handle(L, lua_gettop(L) - 1, 1);
    lua_pop(L, 1);
}

/* Could the loop poll that? luv forgets the handle that it could not make. */
static bool can_poll(lua_State *L, int fd)
{
    const int loop_fd = uv_backend_fd(worker_loop(vm_of(L)->worker));
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &event) == 0 &&
           epoll_ctl(loop_fd, EPOLL_CTL_DEL, fd, &event) == 0;
}

/* The duplicate of descriptor 1, in its place: so nobody else can close what the loop polls. */
static int duplicate(lua_State *L)
{
    const lua_Integer given = luaL_checkinteger(L, 1);
    luaL_argcheck(L, given > 2 && given < INT32_MAX, 1, "a descriptor above 2");
    const int fd = fcntl((int)given, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -1;
    if (!can_poll(L, fd)) {
        close(fd);
        return -1;
    }
    lua_pushinteger(L, fd);
    lua_replace(L, 1);
    return fd;
}

static lua_CFunction luv_function(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1));
}

static int keep_handle(lua_State *L) /* 1: handle, 2: what to keep of it */
{
    struct owner *owner = push_owner(L);
    lua_pushvalue(L, 2);
    set_handle(L, 3, 1);
    owner->handles++;
    return 0;
}

static void check_room(lua_State *L)
{
    const struct owner *owner = push_owner(L);
    if (owner->handles >= HANDLES_MAX)
        luaL_error(L, "luv: a job has at most %d open handles", HANDLES_MAX);
    lua_pop(L, 1);
}

static int make_handle(lua_State *L, int how)
{
    int fd = -1;
    check_room(L);
    if (how & HOW_DESCRIPTOR && (fd = duplicate(L)) < 0)
        return fail(L, UV_EBADF);
    const int count = luv_function(L)(L);
    if (!handle_at(L, -count)) {
        if (fd >= 0)
            close(fd);
        return count;
    }
    lua_pushcfunction(L, keep_handle);
    lua_pushvalue(L, -2);
    if (fd >= 0)
        lua_pushinteger(L, fd);
    else
        lua_pushboolean(L, 1);
    lua_pushvalue(L, -1);
    lua_insert(L, -4); /* handle, what to keep, keep_handle, handle, what to keep */
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) {
        lua_pop(L, 1);
        return 1;
    }
    lua_insert(L, -3);
    close_one(L);
    lua_pop(L, 2);
    return lua_error(L);
}

/* The handle is not among the owner's any more. */
static int close_by_hand(lua_State *L)
{
    const uv_handle_t *handle = handle_at(L, 1);
    if (!handle) /* luv says so */
        return luv_function(L)(L);
    const int count = lua_gettop(L);
    push_owner(L);
    lua_getiuservalue(L, -1, 1);
    lua_pushvalue(L, 1);
    const int fd = lua_rawget(L, -2) == LUA_TNUMBER ? (int)lua_tointeger(L, -1) : -1;
    lua_settop(L, count);
    const int results = luv_function(L)(L);
    if (!uv_is_closing(handle))
        return results;
    if (fd >= 0)
        close(fd);
    struct owner *owner = push_owner(L);
    lua_pushnil(L);
    set_handle(L, lua_gettop(L) - 1, 1);
    lua_pop(L, 1);
    owner->handles--;
    return results;
}

static int call_pool(lua_State *L, bool has_callback)
{
    const int count = luv_function(L)(L);
    if (has_callback && !lua_isnil(L, -count)) {
        struct world *world = worker_kept(vm_of(L)->worker, &world_key);
        world->pooled++;
    }
    return count;
}

/* Upvalues: luv's function, its name, how it is called. In the frame of the call, so that luv's own
 * messages name the task's line. */
static int call_luv(lua_State *L)
{
    const int how = (int)lua_tointeger(L, lua_upvalueindex(3)), count = lua_gettop(L);
    if (!how)
        return luv_function(L)(L);
    run_check(L, lua_tostring(L, lua_upvalueindex(2)));
    if (op_killed(L) && !(how & HOW_CLOSED)) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return 2;
    }
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    if (!check_arguments(L, how, count))
        return fail(L, UV_EBADF);
    if (how & HOW_ONCE)
        check_once(L);
    vm_check_room(L, HEADROOM_BYTES);
    if (op_killed(L))
        return luv_function(L)(L);
    push_owner(L);
    const bool has_callback = take_callbacks(L, how, count);
    if (how & HOW_NEW)
        return make_handle(L, how);
    if (how & HOW_CLOSE)
        return close_by_hand(L);
    if (how & HOW_POOL)
        return call_pool(L, has_callback);
    return luv_function(L)(L);
}

static int flag_of(lua_State *L, const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == len && memcmp(words[i].word, word, len) == 0)
            return words[i].flag;
    return luaL_error(L, "no such way to call luv: %s", word);
}

/* core.luv_wrap(function, name, how): how is words of `words` above. */
static int core_luv_wrap(lua_State *L)
{
    const char *how = luaL_checkstring(L, 3);
    int flags = 0;
    while (*how) {
        const size_t len = strcspn(how, " ");
        flags |= flag_of(L, how, len);
        how += len + strspn(how + len, " ");
    }
    lua_pushvalue(L, 1);
    lua_pushfstring(L, "luv.%s", luaL_checkstring(L, 2));
    lua_pushinteger(L, flags);
    lua_pushcclosure(L, call_luv, 3);
    return 1;
}

/* --- the end of a worker ---------------------------------------------------------------------- */

static void count_closing(uv_handle_t *handle, void *count)
{
    *(unsigned *)count += uv_is_closing(handle) != 0;
}

/* The jobs are gone, so all handles are closed or closing: but luv hears of it, and of what threads
 * of libuv's still do, while there is a Lua state. */
static void close_world(void *thing)
{
    struct world *world = thing;
    uv_loop_t *loop = worker_loop(world->worker);
    for (;;) {
        unsigned left = world->pooled;
        uv_walk(loop, count_closing, &left);
        if (left == 0)
            break;
        uv_run(loop, UV_RUN_ONCE);
    }
    free(world);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void *symbol(lua_State *L, void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (!found)
        luaL_error(L, "luv has no %s: is this luv 1.30 or newer?", name);
    return found;
}

/* Stays open for good: code of it may be on its way in any worker. */
static void *open_library(lua_State *L, const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        luaL_error(L, "%s", dlerror());
    return library;
}

/* Staging has no loop: there luv makes its own, and nothing acts on it. */
static void give_loop(lua_State *L, void *library)
{
    struct vm *vm = vm_of(L);
    const luv_set_loop set_loop = (luv_set_loop)symbol(L, library, "luv_set_loop");
    const luv_set_callback set_callback = (luv_set_callback)symbol(L, library, "luv_set_callback");
    set_callback(vm->L, on_callback); /* the stock one prints, and ends the process */
    if (!vm->worker)
        return;
    op_need_loop(L, "luv");
    set_loop(vm->L, worker_loop(vm->worker));
    struct world *world = mem_zero(1, sizeof *world);
    world->worker = vm->worker;
    world->L = vm->L;
    worker_keep(vm->worker, &world_key, world, close_world);
}

/* core.luv(path, refuse): the module of this state, at the first call from the library `path`. */
static int core_luv(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &module_key) == LUA_TTABLE)
        return 1;
    lua_settop(L, 2);
    void *library = open_library(L, luaL_checkstring(L, 1));
    const lua_CFunction open = (lua_CFunction)symbol(L, library, "luaopen_luv");
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &owners_key);
    vm_load_script(L, "luv.lua");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, core_luv_wrap);
    lua_setfield(L, -2, "luv_wrap");
    give_loop(L, library);
    lua_pushcfunction(L, open);
    lua_call(L, 0, 1);
    lua_getfield(L, -1, "close");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &close_key);
    lua_pushvalue(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, 2);
    lua_call(L, 4, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &module_key);
    return 1;
}

void lua_luv_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"luv", core_luv}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
