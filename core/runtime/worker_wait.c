/* How jobs wait: for a time, for the engine's answer, for each other. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/coro.h"

#include <stdlib.h>

#define LONGEST_MS (INT64_MAX / 2000000) /* 146 years: a longer sleep is as good as this one */

/* --- waking ----------------------------------------------------------------------------------- */

void worker_make_ready(struct worker *w, struct run *run)
{
    run->ready.key = -run->job->priority;
    run->ready.tie = ++w->wakings;
    heap_push(&w->ready, &run->ready);
}

/* uv_run looks at its timers before it polls: one that fired there must keep it from sleeping on.
 */
static void on_timer(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

void worker_wake_sleepers(struct worker *w)
{
    for (struct heap_node *node; (node = heap_min(&w->sleepers)) && node->key <= w->now_ns;) {
        heap_pop(&w->sleepers);
        worker_make_ready(w, HEAP_ENTRY(node, struct run, timer));
    }
}

void worker_arm_timer(struct worker *w)
{
    const struct heap_node *first = heap_min(&w->sleepers);
    if (!first) {
        uv_timer_stop(&w->timer);
        return;
    }
    const int64_t left_ns = first->key - w->now_ns; /* at most a turn old: never too short */
    uv_update_time(&w->loop);
    uv_timer_start(&w->timer, on_timer, left_ns > 0 ? (uint64_t)(left_ns + 999999) / 1000000 : 0,
                   0);
}

void run_wake(struct run *run, uint64_t serial)
{
    if (run->job && run->serial == serial && run->state == RUN_WAITING && !run->ready.pos)
        worker_make_ready(run->worker, run);
}

void worker_take_answer(struct call *call)
{
    struct run *run = call->owner;
    run->asked--;
    if (run->job && run->serial == call->serial && run->state == RUN_WAITING) {
        run->answer = call;
        worker_make_ready(run->worker, run);
    } else {
        call_free(call);
    }
}

/* --- parking ---------------------------------------------------------------------------------- */

static int resumed(lua_State *L)
{
    return vm_of(L)->run->then(L);
}

static int park(lua_State *L, struct run *run, lua_CFunction then)
{
    run->then = then;
    return coro_park(L, resumed);
}

/* A job that has ended still runs its to-be-closed variables: there it gets an answer at once. */
static int cannot_wait(lua_State *L, const struct run *run)
{
    if (!run->ended)
        return luaL_error(L, "cannot wait here: inside a function that C called (a sort "
                             "comparator, a gsub callback...) or in the __close of a coroutine "
                             "that coroutine.close ends");
    lua_pushnil(L);
    lua_pushliteral(L, "killed");
    return 2;
}

static bool may_wait(lua_State *L, const struct run *run)
{
    return !run->ended && coro_waitable(L);
}

int run_sleep(lua_State *L, struct run *run, int64_t ms, lua_CFunction then)
{
    struct worker *w = run->worker;
    if (!may_wait(L, run))
        return cannot_wait(L, run);
    run->serial++;
    run->timer.key = clock_mono_ns() + (ms < LONGEST_MS ? ms : LONGEST_MS) * 1000000;
    run->timer.tie = ++w->wakings;
    heap_push(&w->sleepers, &run->timer);
    return park(L, run, then);
}

int run_park(lua_State *L, struct run *run, lua_CFunction then)
{
    if (!may_wait(L, run))
        return cannot_wait(L, run);
    return park(L, run, then);
}

/* --- asking the engine ------------------------------------------------------------------------ */

static void answered(struct call *call) /* on the engine's thread */
{
    struct run *run = call->owner;
    worker_post(run->worker, &call->message);
}

struct call *run_call_new(struct run *run, int kind, uint64_t id)
{
    struct call *call = mem_zero(1, sizeof *call);
    call->message.kind = kind;
    call->id = id;
    call->deadline_ms = INT64_MAX;
    call->owner = run;
    call->done = answered;
    return call;
}

void call_free(struct call *call)
{
    buf_close(&call->reply);
    free(call->error);
    if (call->job && call->rc != NEAP_OK)
        job_free(call->job);
    free(call);
}

int run_ask(lua_State *L, struct run *run, struct call *call, lua_CFunction then)
{
    if (!may_wait(L, run)) {
        call->rc = NEAP_ECLOSED;
        call_free(call);
        return cannot_wait(L, run);
    }
    if (run->answer)
        call_free(run->answer);
    run->answer = NULL;
    call->serial = ++run->serial;
    run->asked++;
    mailbox_post(run->worker->env->engine, &call->message);
    return park(L, run, then);
}

/* --- leaving for good ------------------------------------------------------------------------- */

int run_end(lua_State *L, struct run *run, int kind)
{
    if (!run->ended) {
        run->kind = kind;
        run->ended = true;
    }
    return coro_quit(L);
}
