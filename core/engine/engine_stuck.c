/* Workers that do not come back from C, and such whose state is full: what they had in hand goes to
 * others, a fresh one takes their place. */
#include "engine/engine_state.h"

#include "base/clock.h"
#include "base/mem.h"
#include "parts/running.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The job whose code is stuck. That its attempt ends here is final: whatever the thread makes of it
 * later finds the section lost (pulse.h). */
static void end_culprit(struct engine *e, struct job *job)
{
    static const char text[] =
        "timeout: stuck in C code that did not come back in time; its worker was replaced";
    const bool cancelled = job->claim->cancelled;
    const bool stopped = e->stopping || e->drain_stopped;
    const int kind = cancelled ? OUTCOME_CANCELLED : stopped ? OUTCOME_HANDED_BACK : OUTCOME_FAILED;
    struct outcome *outcome = outcome_new(&e->cache, job, kind);
    outcome->started_ms = e->now_ms;
    if (outcome->kind == OUTCOME_FAILED)
        outcome->error =
            job_error_new("timeout", (int)job->attempt, text, sizeof text - 1, NULL, 0);
    job_outcome(e, outcome);
}

static void take_claims(struct engine *e, struct member *m, uint64_t culprit)
{
    for (struct list *at; (at = list_first(&m->claims));) {
        struct job *job = LIST_ENTRY(at, struct claim, link)->job;
        if (!atomic_load_explicit(&job->started, memory_order_acquire)) {
            job->place = (struct list){0}; /* it may be in a list of the worker's */
            claim_give_back(e, job);
            continue;
        }
        job_ref(job); /* the thread may look at it once more */
        if (e->running)
            running_end(e->running, job->running_slot);
        if (job->id == culprit)
            end_culprit(e, job);
        else
            job_outcome(e, outcome_new(&e->cache, job, OUTCOME_HANDED_BACK));
    }
}

static void say(struct engine *e, const struct member *m, uint64_t culprit)
{
    const struct job *job = culprit ? e->ops->get(e->store, culprit) : NULL;
    engine_log(e, NEAP_ERROR, job,
               "a worker of pool %s is stuck in C code (%s) and was replaced; %llu so far",
               m->pool->name, job ? job->task->text : "no job's", (unsigned long long)e->stuck);
}

static void replace(struct engine *e, struct pool *pool)
{
    if (!e->stopping)
        pool_add_worker(e, pool);
}

static void look_at_count(struct engine *e)
{
    char text[128];
    if (e->stuck <= (uint64_t)e->config->max_stuck || e->told)
        return;
    snprintf(text, sizeof text, "%llu %s stuck in C code, more than max_stuck = %lld",
             (unsigned long long)e->stuck, e->stuck == 1 ? "worker is" : "workers are",
             (long long)e->config->max_stuck);
    e->told = true;
    if (e->env.fatal)
        e->env.fatal(e->env.user, text);
}

void worker_is_stuck(struct engine *e, struct worker *worker, uint64_t section)
{
    struct member *m = member_of(e, worker);
    uint64_t culprit;
    if (!m || !worker_abandon(worker, section, &culprit))
        return; /* it has just come back */
    e->stuck++;
    e->preemptions += worker_preemptions(worker);
    say(e, m, culprit);
    dispatch_recall(e, m);
    take_claims(e, m, culprit);
    children_kill_owner(e->env.worker->children, worker);
    e->reaping = true;
    list_remove(&m->link);
    if (!m->retiring)
        m->pool->n_members--;
    list_push(&e->ghosts, &m->link);
    if (!m->retiring)
        replace(e, m->pool);
    look_at_count(e);
}

bool ghost_gone(struct engine *e, struct worker *worker)
{
    for (struct list *at = e->ghosts.next; at != &e->ghosts; at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        if (m->worker != worker)
            continue;
        engine_log(e, NEAP_WARN, NULL,
                   "a worker of pool %s came back from C code after it was replaced; what it "
                   "brings is refused",
                   m->pool->name);
        list_remove(at);
        worker_join(worker);
        heap_close(&m->returning);
        free(m);
        return true;
    }
    return false;
}

void ghosts_leave(struct engine *e)
{
    unsigned count = 0;
    for (struct list *at = e->ghosts.next; at != &e->ghosts; at = at->next, count++)
        worker_detach(LIST_ENTRY(at, struct member, link)->worker);
    if (count)
        engine_log(e, NEAP_ERROR, NULL,
                   "%u %s stuck in C code left behind, with the memory it may still use", count,
                   count == 1 ? "thread" : "threads");
}

bool engine_is_haunted(const struct engine *engine)
{
    return engine && !list_empty(&engine->ghosts);
}

void worker_is_full(struct engine *e, struct worker *worker)
{
    struct member *m = member_of(e, worker);
    if (!m || m->retiring)
        return;
    engine_log(e, NEAP_WARN, NULL,
               "a worker of pool %s is near its memory limit though no job holds much: what its "
               "plugins keep has grown; it ends after its jobs, another takes its place",
               m->pool->name);
    m->retiring = true; /* dispatch does the rest */
    m->pool->n_members--;
    replace(e, m->pool);
}
