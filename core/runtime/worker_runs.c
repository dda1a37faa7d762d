/* Runs, fibers and their coroutines: made, kept for reuse, freed with the worker. */
#include "runtime/worker_state.h"

#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/job_main.h"

#include <stdlib.h>
#include <string.h>

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
    fiber->holds = HOLDS_NOTHING;
}

/* --- runs ------------------------------------------------------------------------------------- */

static void keep_free(struct worker *w, struct run *run)
{
    struct run **list = run->main.co ? &w->free_runs : &w->bare_runs;
    w->n_free += run->main.co != NULL;
    run->next_free = *list;
    *list = run; /* and is next: it is still in the cache */
}

static struct run *take_free(struct run **list)
{
    struct run *run = *list;
    *list = run->next_free;
    run->entry = NULL;
    fiber_init(&run->main);
    return run;
}

static void add_block(struct worker *w)
{
    void *place;
    if (posix_memalign(&place, RUN_ALIGN, sizeof(struct run_block)))
        mem_none();
    struct run_block *block = memset(place, 0, sizeof *block);
    block->next = w->runs;
    w->runs = block;
    for (unsigned i = RUN_BLOCK; i--;)
        keep_free(w, &block->runs[i]);
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
    free(run->more->error); /* of one that was abandoned */
    free(run->more->stray);
    buf_close(&run->more->log);
    buf_close(&run->more->line);
    free(run->more);
    run->more = NULL;
}

struct run *run_new(struct worker *w)
{
    if (w->free_runs) {
        w->n_free--;
        return take_free(&w->free_runs);
    }
    if (!w->bare_runs)
        add_block(w);
    struct run *run = take_free(&w->bare_runs);
    lua_State *L = w->vm.L;
    lua_pushcfunction(L, new_thread);
    lua_pushlightuserdata(L, &run->main);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK)
        return run;
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
    if (run_is_spent(w, run))
        drop_coroutine(w, &run->main);
    keep_free(w, run);
}

/* Of a worker that was given up in the middle of it. */
static void run_abandon(struct worker *w, struct run *run)
{
    for (struct list *at; run->more && (at = list_shift(&run->more->sides));) {
        struct side_fiber *side = LIST_ENTRY(at, struct side_fiber, link);
        fiber_let_go(w, &side->fiber);
        free(side);
    }
    fiber_let_go(w, &run->main);
    if (run->more)
        run_drop_more(run);
    job_free(&w->cache, run->job);
}

void worker_free_runs(struct worker *w)
{
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));)
        run_abandon(w, run);
    while (w->free_runs)
        drop_coroutine(w, &take_free(&w->free_runs)->main);
    for (struct run_block *block; (block = w->runs);) {
        w->runs = block->next;
        free(block);
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
    fiber_let_go(w, fiber);
    side->run = NULL;
    drop_coroutine(w, fiber);
    list_push(&w->free_fibers, &side->link);
}

/* Where there is no memory for it Lua raises, and no record was taken. */
struct side_fiber *fiber_spawn(lua_State *L)
{
    struct run *run = vm_of(L)->run;
    struct worker *w = run_worker(run);
    lua_State *co = lua_newthread(L);
    lua_insert(L, -2);
    lua_pushcfunction(co, job_async);
    lua_xmove(L, co, 1);
    const int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct list *first = list_shift(&w->free_fibers);
    struct side_fiber *side =
        first ? LIST_ENTRY(first, struct side_fiber, link) : mem_zero(1, sizeof *side);
    side->fiber.side = true;
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
