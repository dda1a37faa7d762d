/* Code of a job that the loop calls: a callback it gave to luv. It runs on the main state, where
 * nothing can yield: so it cannot wait, it is not preempted, and it has little time. Preemption
 * must not show: while a preempted fiber keeps the plugin, its callbacks are put off. So are those
 * that come after others have taken a slice in the same turn of the loop: libuv runs a timer that
 * another one's callback has started for now in that same turn, which need not ever end. */
#include "runtime/worker_state.h"

#include "runtime/interrupt.h"
#include "runtime/job_main.h"
#include "runtime/monitor.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>

#define CALLBACK_MS 100 /* of CPU time */

struct put_off {
    struct list link;
    struct run *run;
    int64_t started_ns;   /* of run: is it still that job's? */
    const void *function; /* to tell it from others */
    int ref;              /* {function, arguments...} */
    int nargs;
};

struct put_offs { /* Owner: the worker, from the first one on. */
    struct list list;
};

static const char put_offs_key;

/* On top of L: the error, if status says so. */
static void settle(lua_State *L, struct run *run, int status, bool late)
{
    if (run->ended) /* ctx:fail and the like */
        return;
    if (late) {
        job_main_failed(run, "timeout", "a callback of luv did not end within 100 ms of CPU time",
                        NULL);
    } else if (status == LUA_OK) {
        return;
    } else if (!lua_istable(L, -1)) {
        job_main_failed(run, status == LUA_ERRMEM ? "memory" : "error",
                        lua_isstring(L, -1) ? lua_tostring(L, -1) : "unknown error", NULL);
    } else { /* of vm_traceback: both are there, and texts */
        lua_getfield(L, -1, "message");
        lua_getfield(L, -2, "traceback");
        job_main_failed(run, "error", lua_tostring(L, -2), lua_tostring(L, -1));
    }
    run_settle(run, OUTCOME_FAILED);
}

static void call(lua_State *L, struct run *run, int nargs)
{
    struct worker *w = run_worker(run);
    const int base = lua_gettop(L) - nargs;
    entry_switch(&w->vm, run->entry);
    lua_pushcfunction(L, vm_traceback);
    lua_insert(L, base);
    section_enter_brief(w, run, CALLBACK_MS * INT64_C(1000000));
    interrupt_follow(&w->vm, L);
    const int status = lua_pcall(L, nargs, 0, base);
    interrupt_follow(&w->vm, NULL);
    const bool late = w->vm.doomed;
    section_leave(w);
    if (!w->lost)
        settle(L, run, status, late);
    lua_settop(L, base - 1);
    if (!w->lost && run->ended)
        run_unwind(w, run);
}

/* --- put off ---------------------------------------------------------------------------------- */

static void close_put_offs(void *thing)
{
    struct put_offs *all = thing;
    for (struct list *at; (at = list_shift(&all->list));)
        free(LIST_ENTRY(at, struct put_off, link));
    free(all);
}

static struct put_offs *put_offs_of(struct worker *w)
{
    struct put_offs *all = worker_kept(w, &put_offs_key);
    if (all)
        return all;
    all = mem_zero(1, sizeof *all);
    list_init(&all->list);
    worker_keep(w, &put_offs_key, all, close_put_offs);
    return all;
}

static int pack(lua_State *L) /* function, arguments ─► reference of a table of them */
{
    const int count = lua_gettop(L);
    lua_createtable(L, count, 0);
    lua_insert(L, 1);
    for (int i = count; i > 0; i--)
        lua_rawseti(L, 1, i);
    lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
    return 1;
}

/* What comes again and again without arguments, as that of a timer does, need not come twice. */
static bool comes_already(const struct put_offs *all, const struct run *run, const void *function)
{
    for (const struct list *at = all->list.next; at != &all->list; at = at->next) {
        const struct put_off *one = LIST_ENTRY(at, const struct put_off, link);
        if (one->run == run && one->started_ns == run->started_ns && one->nargs == 0 &&
            one->function == function)
            return true;
    }
    return false;
}

static void put_off(lua_State *L, struct run *run, int nargs, bool once)
{
    struct worker *w = run_worker(run);
    struct put_offs *all = put_offs_of(w);
    const int base = lua_gettop(L) - nargs;
    const void *function = lua_topointer(L, base);
    if (nargs > 0 || !once || !comes_already(all, run, function)) {
        lua_pushcfunction(L, pack);
        lua_insert(L, base);
        if (lua_pcall(L, nargs + 1, 1, 0) == LUA_OK) {
            struct put_off *one = mem_zero(1, sizeof *one);
            *one = (struct put_off){.run = run,
                                    .started_ns = run->started_ns,
                                    .function = function,
                                    .ref = (int)lua_tointeger(L, -1),
                                    .nargs = nargs};
            list_push(&all->list, &one->link);
        } /* else there is no memory, not even for that: it is as if it had not come */
    }
    lua_settop(L, base - 1);
}

static void make_up_for(lua_State *L, const struct put_off *one)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, one->ref);
    luaL_unref(L, LUA_REGISTRYINDEX, one->ref);
    const int table = lua_gettop(L);
    if (one->run->job && one->run->started_ns == one->started_ns &&
        lua_checkstack(L, one->nargs + 16)) {
        for (int i = 1; i <= one->nargs + 1; i++)
            lua_rawgeti(L, table, i);
        call(L, one->run, one->nargs);
    }
    lua_settop(L, table - 1);
}

static bool is_held(const struct put_off *one)
{
    return one->run->job && one->run->started_ns == one->started_ns &&
           one->run->entry->loaded->holder;
}

void worker_run_callbacks(struct worker *w)
{
    struct put_offs *all = worker_kept(w, &put_offs_key);
    if (!all)
        return;
    for (struct list *at = all->list.next, *next; !w->lost && at != &all->list; at = next) {
        struct put_off *one = LIST_ENTRY(at, struct put_off, link);
        next = at->next;
        if (is_held(one))
            continue;
        list_remove(at);
        make_up_for(w->vm.L, one);
        free(one);
    }
}

void run_callback(lua_State *L, struct run *run, int nargs)
{
    struct worker *w = run_worker(run);
    const int base = lua_gettop(L) - nargs;
    uv_stop(&w->loop); /* it may have woken somebody: uv_run must not sleep on */
    if (atomic_load_explicit(&w->pulse.idle, memory_order_relaxed)) {
        atomic_store(&w->pulse.idle, false);
        monitor_rouse(w->env->monitor);
        w->alone = true;
    }
    if (w->lost || !lua_checkstack(L, LUA_MINSTACK)) {
        lua_settop(L, base - 1);
        return;
    }
    if (run->entry->loaded->holder) {
        put_off(L, run, nargs, true);
    } else if (w->callbacks_ns > w->pulse.slice_ns) {
        put_off(L, run, nargs, false);
    } else {
        const int64_t before_ns = clock_mono_ns();
        call(L, run, nargs);
        w->callbacks_ns += clock_mono_ns() - before_ns;
    }
}
