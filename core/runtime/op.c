#include "runtime/op.h"

#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/worker_state.h"

#include <assert.h>
#include <stdlib.h>

/* --- operations ------------------------------------------------------------------------------- */

bool op_killed(lua_State *L)
{
    const struct vm *vm = vm_of(L);
    return (vm->run && vm->run->ended) || (vm->fiber && vm->fiber->ended);
}

bool op_may_wait(lua_State *L, const char *name)
{
    run_check(L, name);
    if (op_killed(L)) {
        lua_pushnil(L);
        lua_pushliteral(L, "killed");
        return false;
    }
    if (!coro_waitable(L))
        luaL_error(L,
                   "%s cannot wait here: inside a function that C called (a sort comparator, a "
                   "gsub callback, a callback of luv...) or in the __close of a coroutine that "
                   "coroutine.close ends",
                   name);
    op_need_loop(L, name);
    return true;
}

void op_need_loop(lua_State *L, const char *name)
{
    struct neap_error err;
    if (worker_open_loop(vm_of(L)->worker, &err))
        luaL_error(L, "%s: %s", name, err.message);
}

static void open_for(struct run *run, struct fiber *fiber, struct op *op,
                     void (*stop)(struct op *op))
{
    op->run = run;
    op->fiber = fiber;
    op->stop = stop;
    op->done = false;
    struct run_more *more = run_more(run);
    if (more->ops) {
        list_push(&more->ops->link, &op->link);
        return;
    }
    list_init(&op->link);
    more->ops = op;
}

void op_open(lua_State *L, struct op *op, void (*stop)(struct op *op))
{
    struct vm *vm = vm_of(L);
    open_for(vm->run, vm->fiber, op, stop);
}

void op_attach(lua_State *L, struct op *op, void (*stop)(struct op *op))
{
    open_for(vm_of(L)->run, NULL, op, stop);
}

void op_close(struct op *op)
{
    struct list *next = op->link.next;
    struct run_more *more = op->run->more;
    if (more->ops == op)
        more->ops = next == &op->link ? NULL : LIST_ENTRY(next, struct op, link);
    list_remove(&op->link);
    if (op->fiber && fiber_op(op->fiber) == op)
        op->fiber->holds = HOLDS_NOTHING;
}

/* Whatever `stop` does, it does not open or close others. */
void ops_stop(struct run *run, const struct fiber *fiber)
{
    struct op *first = run_ops(run);
    const struct list *last = first ? first->link.prev : NULL;
    for (struct op *op = first, *next; op; op = next) {
        next = &op->link == last ? NULL : LIST_ENTRY(op->link.next, struct op, link);
        if (fiber && op->fiber != fiber)
            continue;
        op_close(op);
        op->stop(op);
    }
}

/* --- waiting ---------------------------------------------------------------------------------- */

int op_wait(lua_State *L, struct op *op, lua_CFunction then)
{
    struct fiber *fiber = vm_of(L)->fiber;
    assert(op->fiber == fiber);
    fiber_let_go(vm_of(L)->worker, fiber);
    fiber->op = op;
    fiber->holds = HOLDS_OP;
    fiber->serial++;
    if (!op->done)
        return run_park(L, then);
    lua_settop(L, 0);
    return then(L);
}

struct op *op_current(lua_State *L)
{
    return fiber_op(vm_of(L)->fiber);
}

void op_done(struct op *op)
{
    struct fiber *fiber = op->fiber;
    op->done = true;
    if (fiber_op(fiber) == op)
        fiber_wake(fiber, fiber->serial);
}

/* --- what a worker has one of ----------------------------------------------------------------- */

struct kept {
    struct kept *next;
    const void *key;
    void *thing;
    void (*close)(void *thing);
};

uv_loop_t *worker_loop(struct worker *worker)
{
    assert(worker->looping);
    return &worker->loop;
}

void worker_keep(struct worker *worker, const void *key, void *thing, void (*close)(void *thing))
{
    struct kept *kept = mem_zero(1, sizeof *kept);
    *kept = (struct kept){worker->kept, key, thing, close};
    worker->kept = kept;
}

void *worker_kept(struct worker *worker, const void *key)
{
    for (const struct kept *kept = worker->kept; kept; kept = kept->next)
        if (kept->key == key)
            return kept->thing;
    return NULL;
}

void kept_close(struct worker *w)
{
    for (struct kept *kept; (kept = w->kept);) {
        w->kept = kept->next;
        kept->close(kept->thing);
        free(kept);
    }
}

/* --- errands ---------------------------------------------------------------------------------- */

void worker_send(struct worker *worker, struct worker_errand *errand)
{
    errand->message.kind = WORKER_ERRAND;
    mailbox_post(&worker->mailbox, &errand->message);
}
