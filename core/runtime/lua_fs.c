/* neap.fs: files. The work is done by a thread of the loop's pool while the job waits; where it
 * cannot wait (a to-be-closed variable of a killed job, a teardown, a sort comparator) on the
 * worker's own thread. */
#include "runtime/lua_core.h"

#include "base/error.h"
#include "base/mem.h"
#include "runtime/anchor.h"
#include "runtime/coro.h"
#include "runtime/fs_work.h"
#include "runtime/op.h"
#include "runtime/vm.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#define BOX "neap.fs.request"
#define DATA_INDEX 2 /* of what to write, among the arguments */
#define READ_MAX_BYTES (64 * 1024 * 1024)
#define MAX_MAX_BYTES (1024 * 1024 * 1024)

struct fs_call { /* constant */
    const char *name;
    void (*work)(struct fs_request *request);
    int (*push)(lua_State *L, const struct fs_request *request); /* where it went well */
};

struct fs_jobs { /* of a worker; owner: its thread */
    uv_loop_t *loop;
    size_t under_way;
};
static const char jobs_key;

/* Owner: the worker's thread; the pool's has `request` while it works. */
struct fs_job {
    struct op op; /* first */
    uv_work_t work;
    struct fs_jobs *all;
    struct worker *worker;
    int anchor; /* keeps what is written */
    const struct fs_call *call;
    struct fs_request *request;
    atomic_uint passed; /* from thread to thread: libuv's locks order that, but TSan does not see
                           those of a library */
    bool over, unwanted;
};

/* --- results ---------------------------------------------------------------------------------- */

static int push_true(lua_State *L, const struct fs_request *r)
{
    (void)r;
    lua_pushboolean(L, 1);
    return 1;
}

static int push_data(lua_State *L, const struct fs_request *r)
{
    lua_pushlstring(L, r->data.data ? r->data.data : "", r->data.len);
    return 1;
}

static const char *type_name(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "other";
}

static void push_info(lua_State *L, mode_t mode, int64_t size, int64_t mtime_ns)
{
    char text[16];
    snprintf(text, sizeof text, "%03o", (unsigned)mode & 07777);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, type_name(mode));
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, size);
    lua_setfield(L, -2, "size");
    lua_pushnumber(L, (double)mtime_ns / 1e9); /* rounded alike, so that times can be compared */
    lua_setfield(L, -2, "mtime");
    lua_pushstring(L, text);
    lua_setfield(L, -2, "mode");
}

static int push_stat(lua_State *L, const struct fs_request *r)
{
    const struct timespec *t = &r->st.st_mtim;
    push_info(L, r->st.st_mode, r->st.st_size, (int64_t)t->tv_sec * 1000000000 + t->tv_nsec);
    return 1;
}

static int push_list(lua_State *L, const struct fs_request *r)
{
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t at = 0; at < r->data.len;) {
        struct fs_entry entry;
        memcpy(&entry, r->data.data + at, sizeof entry);
        at += sizeof entry;
        push_info(L, entry.mode, entry.size, entry.mtime_ns);
        lua_pushlstring(L, r->data.data + at, entry.name_len);
        lua_setfield(L, -2, "name");
        lua_rawseti(L, -2, ++count);
        at += entry.name_len;
    }
    return 1;
}

static int push_outcome(lua_State *L, const struct fs_call *call, const struct fs_request *r)
{
    if (!r->error)
        return call->push(L, r);
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", r->at ? r->at : r->path, r->why ? r->why : strerror(r->error));
    lua_pushstring(L, error_name(r->error));
    return 3;
}

/* --- by the pool ------------------------------------------------------------------------------ */

static struct fs_job *job_of(struct op *op)
{
    return (struct fs_job *)op;
}

static void free_job(struct fs_job *job)
{
    fs_request_free(job->request);
    free(job);
}

static void work(uv_work_t *uv) /* on a thread of the pool */
{
    struct fs_job *job = LIST_ENTRY(uv, struct fs_job, work);
    atomic_load(&job->passed);
    job->call->work(job->request);
    atomic_store(&job->passed, 2);
}

static void worked(uv_work_t *uv, int status)
{
    struct fs_job *job = LIST_ENTRY(uv, struct fs_job, work);
    (void)status; /* cancelled: then it is unwanted */
    atomic_load(&job->passed);
    job->over = true;
    job->all->under_way--;
    anchor_give(job->worker, job->anchor);
    if (job->unwanted)
        free_job(job);
    else
        op_done(&job->op);
}

/* What has not begun never does, what takes long ends early; a single call of the system ends when
 * the disk lets it. */
static void stop(struct op *op)
{
    struct fs_job *job = job_of(op);
    job->unwanted = true;
    if (job->over) {
        free_job(job);
        return;
    }
    atomic_store_explicit(&job->request->cancelled, true, memory_order_relaxed);
    uv_cancel((uv_req_t *)&job->work);
}

static int done(lua_State *L)
{
    struct fs_job *job = job_of(op_current(L));
    const int count = push_outcome(L, job->call, job->request);
    op_close(op_current(L));
    free_job(job);
    anchor_sweep(L);
    return count;
}

/* A worker's end: what the disk has not answered is waited for here, where it holds up nobody. */
static void jobs_close(void *thing)
{
    struct fs_jobs *all = thing;
    while (all->under_way)
        uv_run(all->loop, UV_RUN_ONCE);
    free(all);
}

static struct fs_jobs *jobs_of(struct worker *worker)
{
    struct fs_jobs *all = worker_kept(worker, &jobs_key);
    if (!all) {
        all = mem_zero(1, sizeof *all);
        all->loop = worker_loop(worker);
        worker_keep(worker, &jobs_key, all, jobs_close);
    }
    return all;
}

/* --- here and now ----------------------------------------------------------------------------- */

static int free_box(lua_State *L)
{
    struct fs_request **box = luaL_checkudata(L, 1, BOX);
    fs_request_free(*box);
    *box = NULL;
    return 0;
}

static struct fs_request **new_box(lua_State *L)
{
    struct fs_request **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    luaL_setmetatable(L, BOX);
    return box;
}

/* --- the calls -------------------------------------------------------------------------------- */

enum { WITH_MAX = 1, WITH_APPEND = 2, WITH_MODE = 4, WITH_PARENTS = 8, WITH_RECURSIVE = 16 };

struct fs_args { /* borrowed from the Lua stack */
    const char *path, *to, *data;
    size_t len;
    int64_t max_bytes;
    int mode;
    bool append, deep;
};

static struct fs_request *request_of(const struct fs_args *args)
{
    struct fs_request *r = fs_request_new(args->path, args->to);
    r->in = args->data;
    r->in_len = args->len;
    r->max_bytes = args->max_bytes;
    r->mode = args->mode;
    r->append = args->append;
    r->deep = args->deep;
    return r;
}

static int queue(lua_State *L, const struct fs_call *call, const struct fs_args *args)
{
    op_need_loop(L, call->name);
    const int anchor = args->data ? anchor_take(L, DATA_INDEX) : ANCHOR_NONE; /* may raise */
    struct fs_job *job = mem_zero(1, sizeof *job);
    job->call = call;
    job->request = request_of(args);
    job->worker = vm_of(L)->worker;
    job->anchor = anchor;
    job->all = jobs_of(job->worker);
    job->all->under_way++;
    op_open(L, &job->op, stop);
    atomic_store(&job->passed, 1);
    uv_queue_work(job->all->loop, &job->work, work, worked);
    return op_wait(L, &job->op, done);
}

static int run(lua_State *L, const struct fs_call *call, const struct fs_args *args)
{
    vm_check_acting(L, call->name);
    if (coro_waitable(L) && !op_killed(L))
        return queue(L, call, args);
    struct fs_request **box = new_box(L);
    *box = request_of(args);
    call->work(*box);
    const int count = push_outcome(L, call, *box);
    fs_request_free(*box); /* where there is no memory for the outcome, the collector does it */
    *box = NULL;
    return count;
}

static int octal_at(lua_State *L, int index, const char *who)
{
    const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
    const size_t digits = strspn(text, "01234567");
    if (!digits || digits > 5 || text[digits] || strtol(text, NULL, 8) > 07777)
        luaL_error(L, "%s: mode is octal digits as a string, such as \"644\"", who);
    return (int)strtol(text, NULL, 8);
}

static bool flag_at(lua_State *L, int index, const char *who, const char *key)
{
    if (!lua_isboolean(L, index))
        luaL_error(L, "%s: %s is true or false, got %s", who, key, luaL_typename(L, index));
    return lua_toboolean(L, index);
}

static void size_option(lua_State *L, const char *who, struct fs_args *args)
{
    char what[64];
    snprintf(what, sizeof what, "%s: max", who);
    args->max_bytes = lua_check_size(L, lua_gettop(L), what);
    if (args->max_bytes > MAX_MAX_BYTES)
        luaL_error(L, "%s is at most 1G", what);
}

static void read_option(lua_State *L, const char *who, unsigned with, const char *key,
                        struct fs_args *args)
{
    static const char *const names[] = {"max", "append", "mode", "parents", "recursive"};
    const char *known[5];
    size_t n_known = 0;
    unsigned which = 0;
    for (unsigned i = 0; i < 5; i++) {
        if (with & 1U << i)
            known[n_known++] = names[i];
        if (with & 1U << i && strcmp(key, names[i]) == 0)
            which = 1U << i;
    }
    switch (which) {
    case WITH_MAX:
        size_option(L, who, args);
        break;
    case WITH_APPEND:
        args->append = flag_at(L, -1, who, key);
        break;
    case WITH_MODE:
        args->mode = octal_at(L, -1, who);
        break;
    case WITH_PARENTS:
    case WITH_RECURSIVE:
        args->deep = flag_at(L, -1, who, key);
        break;
    default:
        lua_unknown_option(L, who, "option", key, known, n_known);
    }
}

static void read_options(lua_State *L, int index, const char *who, unsigned with,
                         struct fs_args *args)
{
    if (lua_isnoneornil(L, index))
        return;
    if (!lua_istable(L, index))
        luaL_error(L, "%s: options are a table, got %s", who, luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: the keys of options are names", who);
        read_option(L, who, with, lua_tostring(L, -2), args);
    }
}

static const char *path_at(lua_State *L, int index)
{
    size_t len;
    const char *path = luaL_checklstring(L, index, &len);
    luaL_argcheck(L, strlen(path) == len, index, "a path contains no zero byte");
    return path;
}

static struct fs_args args_of(lua_State *L)
{
    return (struct fs_args){.path = path_at(L, 1), .mode = -1, .max_bytes = READ_MAX_BYTES};
}

/* neap.fs.read(path [, {max=}]) -> string | nil, message, code */
static int lua_fs_read(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.read", fs_read, push_data};
    struct fs_args args = args_of(L);
    read_options(L, 2, call.name, WITH_MAX, &args);
    return run(L, &call, &args);
}

/* neap.fs.write(path, data [, {append=, mode=}]) -> true | nil, message, code */
static int lua_fs_write(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.write", fs_write, push_true};
    struct fs_args args = args_of(L);
    args.data = luaL_checklstring(L, DATA_INDEX, &args.len);
    read_options(L, 3, call.name, WITH_APPEND | WITH_MODE, &args);
    return run(L, &call, &args);
}

/* neap.fs.write_atomic(path, data [, {mode=}]) -> true | nil, message, code */
static int lua_fs_write_atomic(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.write_atomic", fs_write_atomic, push_true};
    struct fs_args args = args_of(L);
    args.data = luaL_checklstring(L, DATA_INDEX, &args.len);
    read_options(L, 3, call.name, WITH_MODE, &args);
    return run(L, &call, &args);
}

/* neap.fs.stat(path) -> {type=, size=, mtime=, mode=} | nil, message, code */
static int lua_fs_stat(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.stat", fs_stat, push_stat};
    const struct fs_args args = args_of(L);
    return run(L, &call, &args);
}

/* neap.fs.list(dir) -> {{name=, type=, size=, mtime=, mode=}...} in no order | nil, message, code
 */
static int lua_fs_list(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.list", fs_list, push_list};
    const struct fs_args args = args_of(L);
    return run(L, &call, &args);
}

/* neap.fs.mkdir(path [, {parents=}]) -> true | nil, message, code */
static int lua_fs_mkdir(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.mkdir", fs_mkdir, push_true};
    struct fs_args args = args_of(L);
    read_options(L, 2, call.name, WITH_PARENTS, &args);
    return run(L, &call, &args);
}

/* neap.fs.remove(path [, {recursive=}]) -> true | nil, message, code */
static int lua_fs_remove(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.remove", fs_remove, push_true};
    struct fs_args args = args_of(L);
    read_options(L, 2, call.name, WITH_RECURSIVE, &args);
    return run(L, &call, &args);
}

/* neap.fs.rename(from, to) -> true | nil, message, code */
static int lua_fs_rename(lua_State *L)
{
    static const struct fs_call call = {"neap.fs.rename", fs_rename, push_true};
    struct fs_args args = args_of(L);
    args.to = path_at(L, 2);
    return run(L, &call, &args);
}

void lua_fs_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read", lua_fs_read},
        {"write", lua_fs_write},
        {"stat", lua_fs_stat},
        {"write_atomic", lua_fs_write_atomic},
        {"list", lua_fs_list},
        {"mkdir", lua_fs_mkdir},
        {"remove", lua_fs_remove},
        {"rename", lua_fs_rename},
        {NULL, NULL},
    };
    luaL_newmetatable(L, BOX);
    lua_pushcfunction(L, free_box);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_getfield(L, -1, "neap");
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "fs");
    lua_pop(L, 1);
}
