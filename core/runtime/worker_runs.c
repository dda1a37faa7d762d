/* Runs, fibers and their coroutines: made, kept for reuse, freed with the worker. */
#include "runtime/worker_state.h"

#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/job_main.h"

#include <stdlib.h>

#define FREE_RUNS_MAX 4096    /* coroutines kept for reuse */
#define SPENT_BYTES (4 << 20) /* a job that allocated more takes its coroutine along, see below */

/* --- coroutines ------------------------------------------------------------------------------- */

static int new_thread(lua_State *L) /* 1: the fiber it is for (light) */
{
    struct fiber *fiber = lua_touserdata(L, 1);
    fiber->co = lua_newthread(L);
    fiber->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static void drop_coroutine(struct worker *w, struct fiber *fiber)
{
    luaL_unref(w->vm.L, LUA_REGISTRYINDEX, fiber->co_ref);
    fiber->co = NULL;
}

static void fiber_init(struct fiber *fiber)
{
    fiber->state = FIBER_READY;
    fiber->fresh = true;
    fiber->ended = fiber->closing = fiber->asking = fiber->resting = fiber->sleeping = false;
    fiber->lent = fiber->aside = false;
    fiber->op = NULL;
}

/* --- runs ------------------------------------------------------------------------------------- */

static void keep_free(struct worker *w, struct run *run)
{
    if (run->main.co) { /* the one used last is next: it is still in the cache */
        w->n_free++;
        list_insert(w->free_runs.next, &run->link);
    } else {
        list_push(&w->free_runs, &run->link);
    }
}

static void run_ready(struct worker *w, struct run *run)
{
    fiber_init(&run->main);
    list_push(&w->runs, &run->link);
}

/* With what can_go_on knows of it: its one fiber runs, nothing is open. */
void run_again(struct run *run)
{
    fiber_init(&run->main);
}

struct run_more *run_more(struct run *run)
{
    if (run->more)
        return run->more;
    run->more = mem_zero(1, sizeof *run->more);
    list_init(&run->more->sides);
    list_init(&run->more->children);
    return run->more;
}

void run_drop_more(struct run *run)
{
    run_drop_children(run);
    ranks_close(&run->more->blocked);
    free(run->more->error); /* of one that completed after all */
    free(run->more->stray);
    buf_close(&run->more->log);
    buf_close(&run->more->line);
    free(run->more);
    run->more = NULL;
}

struct run *run_new(struct worker *w)
{
    struct list *first = list_shift(&w->free_runs);
    struct run *run = first ? LIST_ENTRY(first, struct run, link) : mem_zero(1, sizeof *run);
    if (!first)
        run->main.worker = w; /* else an answer on its way to the last job reads it just now */
    if (run->main.co) {
        w->n_free--;
        run_ready(w, run);
        return run;
    }
    lua_State *L = w->vm.L;
    lua_pushcfunction(L, new_thread);
    lua_pushlightuserdata(L, &run->main);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) {
        run_ready(w, run);
        return run;
    }
    lua_pop(L, 1);
    run->main.co = NULL;
    keep_free(w, run);
    return NULL;
}

/* After a stack overflow a coroutine keeps many records of calls, and Lua frees every other one:
 * what is left lies scattered, and the next deep recursion on it takes three times as long. */
bool run_is_spent(const struct worker *w, const struct run *run)
{
    return w->n_free >= FREE_RUNS_MAX || run->bytes > SPENT_BYTES;
}

void run_recycle(struct worker *w, struct run *run)
{
    list_remove(&run->link);
    if (run_is_spent(w, run))
        drop_coroutine(w, &run->main);
    keep_free(w, run);
}

static void drop_answer(struct fiber *fiber)
{
    if (fiber->answer)
        call_free(fiber->worker, fiber->answer);
}

/* Of a worker that was given up in the middle of it. */
static void run_abandon(struct run *run)
{
    for (struct list *at; run->more && (at = list_shift(&run->more->sides));) {
        struct side_fiber *side = LIST_ENTRY(at, struct side_fiber, link);
        drop_answer(&side->fiber);
        free(side);
    }
    drop_answer(&run->main);
    if (run->more)
        run_drop_more(run);
    job_free(&run->main.worker->cache, run->job);
    free(run->result);
    free(run);
}

void worker_free_runs(struct worker *w)
{
    for (struct list *at; (at = list_shift(&w->runs));)
        run_abandon(LIST_ENTRY(at, struct run, link));
    for (struct list *at; (at = list_shift(&w->free_runs));) {
        struct run *run = LIST_ENTRY(at, struct run, link);
        if (run->main.co)
            drop_coroutine(w, &run->main);
        free(run);
    }
    for (struct list *at; (at = list_shift(&w->free_fibers));)
        free(LIST_ENTRY(at, struct side_fiber, link));
}

/* --- fibers of neap.async --------------------------------------------------------------------- */

/* The record is kept, for answers on their way; the coroutine is not: what runs in one is small and
 * rare beside jobs. */
void fiber_recycle(struct worker *w, struct side_fiber *side)
{
    struct fiber *fiber = &side->fiber;
    list_remove(&side->link);
    side->run->more->n_sides--;
    fiber->serial++;
    if (fiber->answer)
        call_free(w, fiber->answer);
    fiber->answer = NULL;
    side->run = NULL;
    drop_coroutine(w, fiber);
    list_push(&w->free_fibers, &side->link);
}

/* Where there is no memory for it Lua raises, and the record is back among the free ones. */
struct side_fiber *fiber_spawn(lua_State *L)
{
    struct run *run = vm_of(L)->run;
    struct worker *w = run->main.worker;
    lua_State *co = lua_newthread(L);
    lua_insert(L, -2);
    lua_pushcfunction(co, job_async);
    lua_xmove(L, co, 1);
    const int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct list *first = list_shift(&w->free_fibers);
    struct side_fiber *side =
        first ? LIST_ENTRY(first, struct side_fiber, link) : mem_zero(1, sizeof *side);
    if (!first) {
        side->fiber.worker = w;
        side->fiber.side = true;
    }
    side->fiber.co = co;
    side->fiber.co_ref = ref;
    side->run = run;
    side->born = ++w->births;
    fiber_init(&side->fiber);
    list_push(&run_more(run)->sides, &side->link);
    run->more->n_sides++;
    fiber_make_ready(w, &side->fiber);
    return side;
}
