/* How fibers wait: for a time, for the engine's answer, for each other; and who goes on. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/coro.h"

#include <stdlib.h>

#define LONGEST_MS (INT64_MAX / 2000000) /* 146 years: a longer sleep is as good as this one */

/* --- waking ----------------------------------------------------------------------------------- */

static void ask_for_slot(struct run *run, bool late);

/* It does not wait any more. */
static void stir(struct fiber *fiber)
{
    fiber->run->n_asking -= fiber->asking;
    fiber->run->n_resting -= fiber->resting;
    fiber->run->n_sleeping -= fiber->sleeping;
    fiber->asking = fiber->resting = fiber->sleeping = false;
}

static void go_on(struct worker *w, struct fiber *fiber, bool late)
{
    struct run *run = fiber->run;
    if (fiber->turn.pos)
        heap_remove(&w->sleepers, &fiber->turn);
    fiber->state = FIBER_READY;
    stir(fiber);
    if (run->slotless) {
        list_push(&run_more(run)->blocked, &fiber->place);
        ask_for_slot(run, late);
        return;
    }
    fiber->turn.key = -run->job->priority;
    fiber->turn.tie = ++w->wakings;
    heap_push(&w->woken, &fiber->turn);
}

/* Its wait is over. */
void fiber_make_ready(struct worker *w, struct fiber *fiber)
{
    go_on(w, fiber, false);
}

void fiber_detach(struct worker *w, struct fiber *fiber)
{
    if (fiber->turn.pos)
        heap_remove(fiber->state == FIBER_PREEMPTED ? &w->preempted
                    : fiber->state == FIBER_READY   ? &w->woken
                                                    : &w->sleepers,
                    &fiber->turn);
    if (list_linked(&fiber->place))
        list_remove(&fiber->place);
    fiber_release_plugin(w, fiber);
    stir(fiber);
    fiber->serial++;
    fiber->state = FIBER_ON;
}

void worker_wake_sleepers(struct worker *w)
{
    for (struct heap_node *node; (node = heap_min(&w->sleepers)) && node->key <= w->now_ns;) {
        heap_pop(&w->sleepers);
        go_on(w, HEAP_ENTRY(node, struct fiber, turn), true);
    }
}

/* It is unwound when it would be resumed. */
int fiber_kill(lua_State *L, struct fiber *fiber, uint64_t born)
{
    if (!fiber->run || fiber->born != born || fiber == &fiber->run->main || fiber->ended)
        return 0;
    fiber->ended = true;
    if (fiber == vm_of(L)->fiber)
        return coro_quit(L);
    if (fiber->state != FIBER_WAITING)
        return 0;
    fiber->serial++;
    fiber_make_ready(fiber->worker, fiber);
    return 0;
}

void fiber_wake(struct fiber *fiber, uint64_t serial)
{
    if (fiber->run && fiber->serial == serial && fiber->state == FIBER_WAITING &&
        !list_linked(&fiber->place))
        fiber_make_ready(fiber->worker, fiber);
}

/* --- parking ---------------------------------------------------------------------------------- */

/* A job that has ended still runs its to-be-closed variables: there it gets an answer at once. */
static int cannot_wait(lua_State *L)
{
    if (!op_killed(L))
        return luaL_error(L, "cannot wait here: inside a function that C called (a sort "
                             "comparator, a gsub callback...) or in the __close of a coroutine "
                             "that coroutine.close ends");
    lua_pushnil(L);
    lua_pushliteral(L, "killed");
    return 2;
}

/* Waits for nothing but a time or another fiber. */
static void rest(struct fiber *fiber)
{
    struct run *run = fiber->run;
    fiber->resting = true;
    fiber->sleeping = fiber->turn.pos;
    run->n_resting++;
    run->n_sleeping += fiber->sleeping;
    run_rests(run);
}

static bool may_wait(lua_State *L)
{
    return !op_killed(L) && coro_waitable(L);
}

static void set_timer(struct fiber *fiber, int64_t ms)
{
    struct worker *w = fiber->worker;
    fiber->turn.key = clock_mono_ns() + (ms < LONGEST_MS ? ms : LONGEST_MS) * 1000000;
    fiber->turn.tie = ++w->wakings;
    heap_push(&w->sleepers, &fiber->turn);
}

int run_sleep(lua_State *L, int64_t ms, lua_CFunction then)
{
    if (!may_wait(L))
        return cannot_wait(L);
    vm_of(L)->fiber->serial++;
    set_timer(vm_of(L)->fiber, ms);
    rest(vm_of(L)->fiber);
    return coro_park(L, then);
}

int run_park_for(lua_State *L, int64_t ms, lua_CFunction then)
{
    if (!may_wait(L))
        return cannot_wait(L);
    set_timer(vm_of(L)->fiber, ms);
    rest(vm_of(L)->fiber);
    return coro_park(L, then);
}

int run_park(lua_State *L, lua_CFunction then)
{
    if (!may_wait(L))
        return cannot_wait(L);
    if (!vm_of(L)->fiber->op) /* else for the loop: that is work */
        rest(vm_of(L)->fiber);
    return coro_park(L, then);
}

/* --- asking the engine ------------------------------------------------------------------------ */

static void answered(struct call *call) /* on the engine's thread */
{
    const struct fiber *fiber = call->owner;
    worker_post(fiber->worker, &call->message);
}

static struct call *call_new(struct fiber *fiber, int kind, uint64_t id)
{
    struct call *call = mem_zero(1, sizeof *call);
    call->message.kind = kind;
    call->id = id;
    call->deadline_ms = INT64_MAX;
    call->owner = fiber;
    call->done = answered;
    return call;
}

struct call *run_call_new(lua_State *L, int kind, uint64_t id)
{
    return call_new(vm_of(L)->fiber, kind, id);
}

void call_free(struct worker *w, struct call *call)
{
    buf_close(&call->reply);
    free(call->error);
    if (call->job && call->rc != NEAP_OK) {
        if (call->message.kind == ENGINE_CALL_SUBMIT)
            gate_leave(call->job->gate);
        job_free(&w->cache, call->job);
    }
    free(call);
}

static void post_call(struct fiber *fiber, struct call *call)
{
    call->serial = fiber->serial;
    worker_tell(fiber->worker, &call->message);
}

/* A job that waits for jobs (or for room in a queue) and does nothing meanwhile but rest lends its
 * slot and its place in the queue, or those it waits for might never start. */
static bool only_waits(const struct run *run)
{
    return run->n_asking > 0 && run->n_asking + run->n_resting == run->n_fibers;
}

static void lend_slot(struct fiber *fiber, struct call *call)
{
    struct run *run = fiber->run;
    if (call->message.kind != ENGINE_CALL_WAIT && call->message.kind != ENGINE_CALL_ROOM)
        return;
    call->asker = run->job;
    fiber->asking = true;
    run->n_asking++;
    call->lends = run->slotless = only_waits(run);
    call->sleeps = run->n_sleeping > 0;
}

/* Of the job itself, not of one of its fibers. */
static void post_for(struct run *run, int kind, bool late)
{
    struct call *call = call_new(&run->main, kind, run->job->id);
    call->asker = run->job;
    call->late = late;
    call->sleeps = run->n_sleeping > 0;
    call->serial = run->main.born;
    worker_tell(run->main.worker, &call->message);
}

/* As lend_slot, for the calls that wait already. */
void run_rests(struct run *run)
{
    if (run->slotless || run->ended || !only_waits(run))
        return;
    run->slotless = true;
    post_for(run, ENGINE_CALL_LEND, false);
}

int run_ask(lua_State *L, struct call *call, lua_CFunction then)
{
    if (!may_wait(L)) {
        call->rc = NEAP_ECLOSED;
        call_free(vm_of(L)->worker, call);
        return cannot_wait(L);
    }
    struct fiber *fiber = vm_of(L)->fiber;
    if (fiber->answer)
        call_free(fiber->worker, fiber->answer);
    fiber->answer = NULL;
    fiber->serial++;
    lend_slot(fiber, call);
    post_call(fiber, call);
    return coro_park(L, then);
}

static void have_slot(struct run *run)
{
    run->slotless = run->returning = run->late = false;
    if (!run->more)
        return;
    for (struct list *at; (at = list_shift(&run->more->blocked));)
        fiber_make_ready(run->main.worker, LIST_ENTRY(at, struct fiber, place));
}

/* One of its fibers goes on while the call that lent the slot waits; late: its time is up. */
static void ask_for_slot(struct run *run, bool late)
{
    if (run->returning && (run->late || !late))
        return;
    run->returning = true;
    run->late = late;
    post_for(run, ENGINE_CALL_RETURN, late);
}

/* Where it did not give the slot, the answer to the other call does. */
static void slot_answered(struct worker *w, struct call *call)
{
    const struct fiber *fiber = call->owner;
    if (fiber->run && fiber->born == call->serial && call->gave_slot)
        have_slot(fiber->run);
    call_free(w, call);
}

void worker_take_answer(struct worker *w, struct call *call)
{
    struct fiber *fiber = call->owner;
    if (call->message.kind == ENGINE_CALL_RETURN || call->message.kind == ENGINE_CALL_LEND) {
        slot_answered(w, call);
        return;
    }
    if (!fiber->run || fiber->serial != call->serial) {
        call_free(w, call);
        return;
    }
    fiber->answer = call;
    fiber->serial++;
    if (call->gave_slot)
        have_slot(fiber->run);
    go_on(fiber->worker, fiber, call->rc == NEAP_ETIME);
}

/* --- leaving for good ------------------------------------------------------------------------- */

int run_end(lua_State *L, struct run *run, int kind)
{
    run_settle(run, kind);
    return coro_quit(L);
}
