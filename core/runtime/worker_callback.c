/* Code of a job that the loop calls: a callback it gave to luv. It runs on the main state, where
 * nothing can yield: so it cannot wait, it is not preempted, and it has little time. */
#include "runtime/worker_state.h"

#include "runtime/interrupt.h"
#include "runtime/job_main.h"
#include "runtime/monitor.h"

#define CALLBACK_MS 100 /* of CPU time */

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

void run_callback(lua_State *L, struct run *run, int nargs)
{
    struct worker *w = run->worker;
    const int base = lua_gettop(L) - nargs;
    uv_stop(&w->loop); /* it may have woken somebody: uv_run must not sleep on */
    if (atomic_load_explicit(&w->pulse.idle, memory_order_relaxed)) {
        atomic_store(&w->pulse.idle, false);
        monitor_rouse(w->env->monitor);
    }
    if (w->lost || !lua_checkstack(L, LUA_MINSTACK)) {
        lua_settop(L, base - 1);
        return;
    }
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
