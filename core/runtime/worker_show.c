/* What a worker shows of the jobs it runs: where they are, and what they have printed so far. On
 * its own thread: at its next message turn, or from the hook that interrupts what computes. */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/interrupt.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 200 /* jobs: to find out takes some 10 us each */
#define TEXT_MAX (64 * 1024)
#define FOLLOW_NS INT64_C(100000000) /* between two pieces of what one job prints */

static struct shown *shown_new(struct worker *w, uint64_t serial)
{
    struct shown *shown = mem_zero(1, sizeof *shown);
    shown->message.kind = ENGINE_SHOWN;
    shown->worker = w;
    shown->serial = serial;
    return shown;
}

void shown_free(struct shown *shown)
{
    for (size_t i = 0; i < shown->n_runs; i++)
        free(shown->runs[i].traceback);
    free(shown->runs);
    buf_close(&shown->text);
    free(shown);
}

/* --- stacks -------------------------------------------------------------------------------------
 */

static void put_fiber(struct buf *out, const struct fiber *fiber, lua_State *L)
{
    lua_State *co = L ? L : coro_innermost(fiber->co);
    if (fiber->side)
        buf_text(out, "\nin neap.async: ");
    if (fiber->fresh && !L)
        buf_text(out, "not started yet");
    else
        vm_put_traceback(co, out);
}

static const char *state_of(const struct worker *w, const struct run *run, const lua_State *L)
{
    if (L && w->vm.run == run)
        return "computing";
    for (const struct fiber *fiber = &run->main; fiber; fiber = fiber_after(fiber))
        if (fiber->state != FIBER_WAITING)
            return "ready";
    return run->closing ? "ending" : "waiting";
}

/* L: where w->vm.fiber is, or NULL: nothing runs now. */
static struct shown_run show_run(const struct worker *w, struct run *run, lua_State *L)
{
    struct buf text = {0};
    put_fiber(&text, &run->main, L && w->vm.fiber == &run->main ? L : NULL);
    for (const struct fiber *fiber = &run->main;
         (fiber = fiber_after(fiber)) && text.len < TEXT_MAX;)
        put_fiber(&text, fiber, L && w->vm.fiber == fiber ? L : NULL);
    return (struct shown_run){
        .id = run->job->id,
        .task = run->job->task,
        .attempt = run_attempt(run),
        .generation = run->entry ? run->entry->loaded->plugin->generation : 0,
        .for_ms = (clock_mono_ns() - run->started_ns) / 1000000,
        .state = state_of(w, run, L),
        .traceback = buf_take(&text),
    };
}

void worker_show_stacks(struct worker *w, lua_State *L, uint64_t id, uint64_t serial)
{
    if (serial <= w->shown) /* the hook was faster than the mailbox */
        return;
    struct shown *shown = shown_new(w, serial);
    w->shown = serial;
    shown->runs = mem_zero(SHOWN_MAX, sizeof *shown->runs);
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));) {
        if (id && run->job->id != id)
            continue;
        if (shown->n_runs == SHOWN_MAX)
            shown->n_more++;
        else
            shown->runs[shown->n_runs++] = show_run(w, run, L);
    }
    worker_tell(w, &shown->message);
}

void worker_show_from_hook(struct worker *w, lua_State *L)
{
    const uint64_t serial = atomic_exchange_explicit(&w->pulse.show, 0, memory_order_acquire);
    if (serial)
        worker_show_stacks(w, L, atomic_load_explicit(&w->pulse.show_job, memory_order_relaxed),
                           serial);
}

/* --- what is printed ----------------------------------------------------------------------------
 */

static void post_printed(struct worker *w, struct run *run)
{
    struct shown *shown = shown_new(w, 0);
    struct run_more *more = run->more;
    const uint64_t first = more->printed - more->log.len;
    const uint64_t from = more->follow_from > first ? more->follow_from : first;
    shown->job = run->job->id;
    shown->attempt = run_attempt(run);
    shown->end = more->printed;
    if (more->printed > from)
        buf_put(&shown->text, more->log.data + (from - first), (size_t)(more->printed - from));
    more->followed = false;
    more->follow_ns = w->now_ns;
    w->n_followed--;
    worker_tell(w, &shown->message);
}

static void look_at(struct worker *w, struct run *run)
{
    const struct run_more *more = run->more;
    if (!more || !more->followed || more->printed <= more->follow_from)
        return;
    const int64_t due_ns = more->follow_ns + FOLLOW_NS;
    if (w->now_ns >= due_ns)
        post_printed(w, run);
    else if (due_ns < w->follow_due_ns)
        w->follow_due_ns = due_ns;
}

void worker_show_printed(struct worker *w)
{
    w->follow_due_ns = INT64_MAX;
    if (!w->n_followed)
        return;
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));)
        look_at(w, run);
}

void worker_follow_run(struct worker *w, const struct worker_note *note)
{
    struct run_walk walk = {w->runs, 0};
    for (struct run *run; (run = run_walk(&walk));) {
        if (run->job->id != note->id || run->job->flags & JOB_ON_DEAD)
            continue;
        struct run_more *more = run_more(run);
        w->n_followed += !more->followed;
        more->followed = true;
        more->follow_from = note->from;
        if (note->serial) /* at once, even if it is nothing */
            post_printed(w, run);
        return;
    }
}

void worker_unfollow(struct worker *w, struct run *run)
{
    w->n_followed -= run->more->followed;
    run->more->followed = false;
}

/* --- asked by the engine, on its thread ---------------------------------------------------------
 */

static void post_note(struct worker *worker, int kind, uint64_t id, uint64_t from, uint64_t serial)
{
    struct worker_note *note = mem_zero(1, sizeof *note);
    note->message.kind = kind;
    note->id = id;
    note->from = from;
    note->serial = serial;
    worker_post(worker, &note->message);
}

void worker_ask_stacks(struct worker *worker, uint64_t id, uint64_t serial)
{
    struct pulse *p = &worker->pulse;
    atomic_store_explicit(&p->show_job, id, memory_order_relaxed);
    atomic_store_explicit(&p->show, serial, memory_order_release);
    post_note(worker, WORKER_STACKS, id, 0, serial);
    const uint64_t state = atomic_load_explicit(&p->state, memory_order_acquire);
    if (pulse_is_in(state))
        interrupt_send(p, state);
}

void worker_follow(struct worker *worker, uint64_t id, uint64_t from, bool now)
{
    post_note(worker, WORKER_FOLLOW, id, from, now);
}

uint64_t worker_serial(const struct worker *worker)
{
    return atomic_load_explicit(&worker->pulse.serial, memory_order_relaxed);
}

size_t worker_memory(const struct worker *worker, size_t *limit)
{
    *limit = worker->memory_bytes;
    return atomic_load_explicit(&worker->pulse.bytes, memory_order_relaxed);
}
