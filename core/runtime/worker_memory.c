/* A state past its memory limit: who has to go. A soft limit interrupts whoever allocates at that
 * moment; the state is collected, and if that is not enough the job that holds the most is killed.
 * If no job holds much it is what the plugins keep that has grown: then the worker is replaced. */
#include "runtime/worker_state.h"

#include "base/mem.h"
#include "runtime/holdings.h"
#include "runtime/job_main.h"

#include <stdio.h>

#define LOOKS_MAX 8 /* jobs whose holdings are looked at, those with the largest claims */

static int64_t held_by(const struct worker *w, const struct run *run)
{
    if (run != w->vm.run)
        return run->net_bytes;
    return run->net_bytes + (int64_t)w->vm.bytes - (int64_t)w->section_bytes;
}

static struct run *biggest(const struct worker *w)
{
    struct run *found = NULL;
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));)
        if (!run->ended && (!found || held_by(w, run) > held_by(w, found)))
            found = run;
    return found;
}

/* --- what they really hold ---------------------------------------------------------------------
 */

static void set_held(struct worker *w, struct run *run, int64_t bytes)
{
    run->net_bytes += bytes - held_by(w, run);
}

static void exclude_plugin(struct holdings *h, const struct run *run)
{
    if (!run->entry)
        return;
    lua_rawgeti(h->L, LUA_REGISTRYINDEX, run->entry->loaded->table_ref);
    holdings_exclude(h);
}

static void look_at(struct worker *w, struct run *run, lua_State *L)
{
    struct holdings h;
    holdings_init(&h, L);
    lua_pushvalue(L, LUA_REGISTRYINDEX);
    holdings_exclude_alone(&h);
    exclude_plugin(&h, run);
    for (const struct fiber *fiber = &run->main; fiber; fiber = fiber_after(fiber))
        holdings_add(&h, fiber->co);
    if (!h.full || (int64_t)h.bytes > held_by(w, run)) /* else it may hold what it seems to */
        set_held(w, run, (int64_t)h.bytes);
    holdings_close(&h);
}

/* What was allocated while a job ran may be garbage by now, so the largest claims are looked at. */
static struct run *hoarder_of(struct worker *w, lua_State *L)
{
    const struct run *last = NULL;
    struct run *run = biggest(w);
    w->vm.limited = false;
    for (int i = 0; run && run != last && i < LOOKS_MAX; i++) {
        look_at(w, run, L);
        last = run;
        run = biggest(w);
    }
    w->vm.limited = true;
    return run;
}

/* --- the end of one -----------------------------------------------------------------------------
 */

static void blame(struct worker *w, struct run *run)
{
    char text[160];
    snprintf(
        text, sizeof text,
        "not enough memory: the worker's state needs more than %zu MiB, and this job holds the "
        "most, about %lld MiB",
        w->memory_bytes >> 20, (long long)(held_by(w, run) >> 20));
    job_main_failed(run, "memory", text,
                    run == w->vm.run ? vm_traceback_text(w->vm.current) : NULL);
    run_settle(run, OUTCOME_FAILED);
}

static void report_full(struct worker *w)
{
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = ENGINE_WORKER_FULL;
    note->worker = w;
    worker_tell(w, &note->message);
    w->reported_full = true;
}

/* Does one job hold so much that its end helps? */
static bool is_hoarder(const struct worker *w, const struct run *run)
{
    return run && held_by(w, run) >= (int64_t)(w->memory_bytes / 8);
}

void worker_relieve(struct worker *w, lua_State *L)
{
    struct vm *vm = &w->vm;
    const size_t limit = w->memory_bytes;
    vm->over = false;
    lua_gc(L, LUA_GCCOLLECT, 0);
    vm->soft_bytes = limit;
    if (vm->bytes <= limit - limit / 8)
        return;
    vm->soft_bytes = vm->bytes + limit / 8; /* it is looked at again then */
    struct run *run = hoarder_of(w, L);
    if (!is_hoarder(w, run) && vm->bytes < limit + limit / 2) {
        if (!w->reported_full)
            report_full(w);
        return;
    }
    if (run && run == vm->run)
        blame(w, run);
    else
        w->hoarder = run;
}

/* A job has ended, perhaps the one that was to go: the limit is the limit again. */
void worker_watch_memory(struct worker *w)
{
    if (!w->reported_full)
        w->vm.soft_bytes = w->memory_bytes;
}

/* Between two resumes. */
void worker_kill_hoarder(struct worker *w)
{
    struct run *run = w->hoarder;
    const size_t limit = w->memory_bytes;
    w->hoarder = NULL;
    blame(w, run);
    run_unwind(w, run);
    if (w->lost)
        return;
    lua_gc(w->vm.L, LUA_GCCOLLECT, 0);
    w->vm.soft_bytes = limit;
    if (w->vm.bytes > limit - limit / 5 && !w->reported_full)
        report_full(w); /* no job holds it: what its plugins keep has grown */
}
