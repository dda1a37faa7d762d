/* How fibers wait: for a time, for the engine's answer, for each other; and who goes on. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/coro.h"

#include <stdlib.h>

#define LONGEST_MS (INT64_MAX / 2000000) /* 146 years: a longer sleep is as good as this one */

/* --- waking ----------------------------------------------------------------------------------- */

static void ask_for_slot(struct run *run, bool late);

static void set_waiting(struct fiber *fiber, bool asking, bool resting, bool sleeping)
{
    if (fiber->side) {
        struct run_more *more = fiber_run(fiber)->more;
        more->n_asking += asking - fiber->asking;
        more->n_resting += resting - fiber->resting;
        more->n_sleeping += sleeping - fiber->sleeping;
    }
    fiber->asking = asking;
    fiber->resting = resting;
    fiber->sleeping = sleeping;
}

/* It does not wait any more. */
static void stir(struct fiber *fiber)
{
    set_waiting(fiber, false, false, false);
}

/* Where its turn is. */
static struct ranks *ranks_of(struct worker *w, const struct fiber *fiber)
{
    if (fiber->lent)
        return &fiber_run(fiber)->more->blocked;
    if (fiber->aside)
        return &fiber_run(fiber)->entry->loaded->blocked;
    return fiber->state == FIBER_PREEMPTED ? &w->preempted
           : fiber->state == FIBER_READY   ? &w->woken
                                           : &w->sleepers;
}

static void go_on(struct worker *w, struct fiber *fiber, bool late)
{
    struct run *run = fiber_run(fiber);
    if (fiber->turn.pos)
        ranks_remove(&w->sleepers, &fiber->turn);
    fiber->turn.key = turn_key(run->job->priority, ++w->wakings);
    fiber->state = FIBER_READY;
    stir(fiber);
    if (run->slotless) {
        fiber->lent = true;
        ranks_push(&run_more(run)->blocked, &fiber->turn);
        ask_for_slot(run, late);
        return;
    }
    ranks_push(&w->woken, &fiber->turn);
}

/* Its wait is over. */
void fiber_make_ready(struct worker *w, struct fiber *fiber)
{
    go_on(w, fiber, false);
}

void fiber_detach(struct worker *w, struct fiber *fiber)
{
    if (fiber->turn.pos)
        ranks_remove(ranks_of(w, fiber), &fiber->turn);
    fiber->lent = fiber->aside = false;
    fiber_release_plugin(w, fiber);
    stir(fiber);
    fiber->serial++;
    fiber->state = FIBER_ON;
}

void worker_wake_sleepers(struct worker *w)
{
    for (struct rank *first; (first = ranks_min(&w->sleepers)) && first->key <= w->now_ns;) {
        ranks_pop(&w->sleepers);
        go_on(w, RANK_ENTRY(first, struct fiber, turn), true);
    }
}

/* It is unwound when it would be resumed. */
int fiber_kill(lua_State *L, struct fiber *fiber, uint64_t born)
{
    const struct side_fiber *side = fiber_side(fiber); /* core_spawn gives no other */
    if (!side->run || side->born != born || fiber->ended)
        return 0;
    fiber->ended = true;
    if (fiber == vm_of(L)->fiber)
        return coro_quit(L);
    if (fiber->state != FIBER_WAITING)
        return 0;
    fiber->serial++;
    fiber_make_ready(fiber_worker(fiber), fiber);
    return 0;
}

void fiber_wake(struct fiber *fiber, uint64_t serial)
{
    if (fiber_run(fiber) && fiber->serial == serial && fiber->state == FIBER_WAITING)
        fiber_make_ready(fiber_worker(fiber), fiber);
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
    set_waiting(fiber, fiber->asking, true, fiber->turn.pos != 0);
    run_rests(fiber_run(fiber));
}

static bool may_wait(lua_State *L)
{
    return !op_killed(L) && coro_waitable(L);
}

static void set_timer(struct fiber *fiber, int64_t ms)
{
    struct worker *w = fiber_worker(fiber);
    fiber->turn.key = clock_mono_ns() + (ms < LONGEST_MS ? ms : LONGEST_MS) * 1000000;
    ranks_push(&w->sleepers, &fiber->turn);
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
    if (!fiber_op(vm_of(L)->fiber)) /* else for the loop: that is work */
        rest(vm_of(L)->fiber);
    return coro_park(L, then);
}

/* --- asking the engine ------------------------------------------------------------------------ */

static void answered(struct call *call) /* on the engine's thread */
{
    worker_post(call->worker, &call->message);
}

static struct call *call_new(struct worker *w, struct fiber *fiber, int kind, uint64_t id)
{
    struct call *call = mem_zero(1, sizeof *call);
    call->message.kind = kind;
    call->id = id;
    call->deadline_ms = INT64_MAX;
    call->owner = fiber;
    call->worker = w;
    call->done = answered;
    return call;
}

static void post_call(struct run *run, struct call *call)
{
    call->run = run;
    call->run_ns = run->started_ns;
    worker_tell(run_worker(run), &call->message);
}

struct call *run_call_new(lua_State *L, int kind, uint64_t id)
{
    const struct vm *vm = vm_of(L);
    return call_new(vm->worker, vm->fiber, kind, id); /* no fiber: it will not be asked */
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

void fiber_let_go(struct worker *w, struct fiber *fiber)
{
    if (fiber->holds == HOLDS_ANSWER)
        call_free(w, fiber->answer);
    else if (fiber->holds == HOLDS_RESULT)
        free(fiber->result);
    fiber->holds = HOLDS_NOTHING;
}

/* A job that waits for jobs (or for room in a queue) and does nothing meanwhile but rest lends its
 * slot and its place in the queue, or those it waits for might never start. */
static bool only_waits(const struct run *run)
{
    const struct run_more *more = run->more;
    const struct fiber *main = &run->main;
    if (!run_has_sides(run))
        return main->asking;
    return (main->asking || more->n_asking) && main->asking + main->resting == 1 &&
           more->n_asking + more->n_resting == more->n_sides;
}

static bool somebody_sleeps(const struct run *run)
{
    return run->main.sleeping || (run->more && run->more->n_sleeping);
}

static void lend_slot(struct fiber *fiber, struct call *call)
{
    struct run *run = fiber_run(fiber);
    if (call->message.kind != ENGINE_CALL_WAIT && call->message.kind != ENGINE_CALL_ROOM)
        return;
    call->asker = run->job;
    set_waiting(fiber, true, fiber->resting, fiber->sleeping);
    run->slotless = only_waits(run);
    call->lends = run->slotless;
    call->sleeps = somebody_sleeps(run);
}

/* Of the job itself, not of one of its fibers. */
static void post_for(struct run *run, int kind, bool late)
{
    struct call *call = call_new(run_worker(run), NULL, kind, run->job->id);
    call->asker = run->job;
    call->late = late;
    call->sleeps = somebody_sleeps(run);
    post_call(run, call);
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
    fiber_let_go(vm_of(L)->worker, fiber);
    call->serial = ++fiber->serial;
    lend_slot(fiber, call);
    post_call(fiber_run(fiber), call);
    return coro_park(L, then);
}

static void have_slot(struct run *run)
{
    run->slotless = run->returning = run->late = false;
    if (!run->more)
        return;
    for (struct rank *first; (first = ranks_pop(&run->more->blocked));) {
        struct fiber *fiber = RANK_ENTRY(first, struct fiber, turn);
        fiber->lent = false;
        fiber_make_ready(run_worker(run), fiber);
    }
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

/* The job's slot is back: its own, though the fiber that lent it may have ended meanwhile. */
static void take_slot(const struct call *call)
{
    struct run *run = call->run;
    if (call->gave_slot && run->job && run->started_ns == call->run_ns)
        have_slot(run);
}

void worker_take_answer(struct worker *w, struct call *call)
{
    struct fiber *fiber = call->owner; /* NULL: a job's, for its slot alone */
    if (w->lost) { /* what asked goes on elsewhere, and must not be spoken for here */
        call_free(w, call);
        return;
    }
    take_slot(call);
    if (!fiber || !fiber_run(fiber) || fiber->serial != call->serial) {
        call_free(w, call);
        return;
    }
    fiber_let_go(w, fiber);
    fiber->answer = call;
    fiber->holds = HOLDS_ANSWER;
    fiber->serial++;
    go_on(w, fiber, call->rc == NEAP_ETIME);
}

/* --- leaving for good ------------------------------------------------------------------------- */

int run_end(lua_State *L, struct run *run, int kind)
{
    run_settle(run, kind);
    return coro_quit(L);
}
