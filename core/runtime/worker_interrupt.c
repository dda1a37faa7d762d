/* What is done about code that is interrupted: its slice is over, it is past its deadline, it was
 * cancelled, the state is out of memory. And the sections that can be interrupted (see pulse.h). */
#include "runtime/worker_state.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/coro.h"
#include "runtime/interrupt.h"
#include "runtime/job_main.h"

#include <stdio.h>
#include <stdlib.h>

/* A shorter resume is counted as CPU time as long as it took. To read the thread's clock is a
 * system call, and what computes is slower for some 10 us after one: the predictors of the CPU
 * begin anew. */
#define READ_CPU_NS 1000000
#define UNREAD_NS 10000000 /* of those: then it is read, so that the next long one has its own */
#define CALL_NS INT64_C(1000000000) /* CPU time for a teardown */

/* --- sections --------------------------------------------------------------------------------- */

static void begin(struct worker *w, struct run *run)
{
    w->vm.run = run;
    w->section_allocated = w->vm.allocated_bytes;
    w->section_bytes = w->vm.bytes;
    w->vm.limited = true;
    if (w->vm.cycled)
        vm_pace(&w->vm);
    if (w->vm.over) /* what the last section allocated at its very end */
        interrupt_arm(&w->vm);
}

/* After an interrupt. They take at most a tenth of the time, also of a deep recursion, where each
 * is slow. */
static void set_slice(struct worker *w)
{
    const int64_t least_ns = 10 * w->vm.arming_ns;
    struct pulse *p = &w->pulse;
    atomic_store_explicit(&p->patience_ns, p->slice_ns > least_ns ? p->slice_ns : least_ns,
                          memory_order_relaxed);
}

void section_enter(struct worker *w, struct run *run)
{
    begin(w, run);
    pulse_enter(&w->pulse, w->now_ns, run->deadline.key, run->job->id, run->job->priority, false);
}

/* The wall limit is for a machine so busy that what runs would pass for stuck in C. */
void worker_allow(struct worker *w, int64_t cpu_ns)
{
    w->brief_cpu_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns;
    w->brief_wall_ns = clock_mono_ns() + cpu_ns + w->env->grace_ns / 2;
}

void section_enter_brief(struct worker *w, struct run *run, int64_t cpu_ns)
{
    const int64_t now_ns = clock_mono_ns();
    w->now_ns = now_ns; /* section_leave reckons from it */
    begin(w, run);
    w->brief = true;
    worker_allow(w, cpu_ns);
    pulse_enter(&w->pulse, now_ns, now_ns + cpu_ns, run && run->job ? run->job->id : 0,
                NEAP_PRIORITY_MAX, true);
}

/* What this thread had of a CPU since it was last asked, but for the short resumes. */
static int64_t cpu_since(struct worker *w)
{
    const int64_t read_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    const int64_t cpu_ns = read_ns - w->cpu_ns - w->uncounted_ns;
    w->cpu_ns = read_ns;
    w->uncounted_ns = 0;
    return cpu_ns;
}

/* Of the wall time that a section took, what this thread had of a CPU. */
static int64_t cpu_of(struct worker *w, int64_t wall_ns)
{
    if (wall_ns < READ_CPU_NS) {
        w->uncounted_ns += wall_ns;
        if (w->uncounted_ns >= UNREAD_NS)
            cpu_since(w);
        return wall_ns;
    }
    const int64_t cpu_ns = cpu_since(w);
    return cpu_ns < 0 ? 0 : cpu_ns < wall_ns ? cpu_ns : wall_ns;
}

static void charge(struct worker *w, struct run *run, int64_t wall_ns)
{
    const struct vm *vm = &w->vm;
    run->bytes += vm->allocated_bytes - w->section_allocated;
    run->net_bytes += (int64_t)vm->bytes - (int64_t)w->section_bytes;
    if (run->net_bytes < 0) /* it collected garbage of others */
        run->net_bytes = 0;
    run->cpu_ns += cpu_of(w, wall_ns);
}

void section_leave(struct worker *w)
{
    struct vm *vm = &w->vm;
    const int64_t entered_ns = atomic_load_explicit(&w->pulse.entered_ns, memory_order_relaxed);
    if (w->submits.places)
        worker_give_back_places(w);
    if (!pulse_leave(&w->pulse)) {
        w->lost = true;
        return;
    }
    atomic_store_explicit(&w->pulse.bytes, vm->bytes, memory_order_relaxed);
    if (vm->armed)
        set_slice(w);
    vm->armed = 0;
    vm->doomed = vm->raised = vm->limited = w->brief = false;
    if (clock_moved(&w->ticks)) /* most jobs are shorter than what the clock costs is worth */
        w->now_ns = clock_mono_ns();
    if (vm->run)
        charge(w, vm->run, w->now_ns - entered_ns);
    vm->run = NULL;
}

int worker_call(struct worker *w, lua_CFunction f, void *arg, struct neap_error *err)
{
    if (w->lost)
        return error_set(err, NEAP_ETIME, "its worker was given up before that");
    section_enter_brief(w, NULL, CALL_NS);
    const int rc = vm_call(&w->vm, f, arg, err);
    const bool late = w->vm.doomed;
    section_leave(w);
    if (late)
        return error_set(err, NEAP_ETIME, "it did not end within %d s of CPU time",
                         (int)(CALL_NS / 1000000000));
    return rc;
}

/* --- the verdict ------------------------------------------------------------------------------ */

static void settle_asked(struct worker *w, struct run *run, lua_State *L)
{
    struct pulse *p = &w->pulse;
    const bool on_dead = run->job->flags & JOB_ON_DEAD; /* a cancel means the job, which is over */
    if (atomic_load_explicit(&p->stop, memory_order_relaxed))
        run_settle(run, OUTCOME_HANDED_BACK);
    else if (atomic_load_explicit(&p->cancel, memory_order_relaxed) == run->job->id && !on_dead)
        run_settle(run, OUTCOME_CANCELLED);
    else if (clock_mono_ns() >= run->deadline.key)
        run_timed_out(run, L);
}

static int brief_verdict(struct worker *w)
{
    if (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) < w->brief_cpu_ns &&
        clock_mono_ns() < w->brief_wall_ns)
        return VERDICT_GO_ON;
    w->vm.doomed = true; /* no pcall holds it */
    return VERDICT_QUIT;
}

static bool slice_is_over(struct worker *w)
{
    struct pulse *p = &w->pulse;
    const int64_t entered_ns = atomic_load_explicit(&p->entered_ns, memory_order_relaxed);
    return w->hoarder || atomic_exchange_explicit(&p->urgent, false, memory_order_relaxed) ||
           clock_mono_ns() - entered_ns >= p->slice_ns;
}

int worker_interrupted(struct vm *vm, lua_State *L)
{
    struct worker *w = vm->worker;
    struct run *run = vm->run;
    set_slice(w);
    if (pulse_lost(&w->pulse)) { /* what runs here is nobody's any more */
        vm->doomed = true;
        return VERDICT_QUIT;
    }
    if (atomic_load_explicit(&w->pulse.show, memory_order_relaxed))
        worker_show_from_hook(w, L);
    if (vm->cycled)
        vm_pace(vm);
    if (vm->over)
        worker_relieve(w, L);
    if (w->brief || vm->closing)
        return brief_verdict(w);
    if (!run)
        return VERDICT_GO_ON;
    settle_asked(w, run, L);
    if (run->ended)
        return vm->raised ? brief_verdict(w) : VERDICT_QUIT;
    if (!slice_is_over(w) || !coro_waitable(L))
        return VERDICT_GO_ON;
    vm->fiber->state = FIBER_PREEMPTED;
    return VERDICT_GIVE_WAY;
}
