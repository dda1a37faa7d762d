#include "engine/engine_state.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is in line is what workers have to do during a commit, and all that the next one can end;
 * where there is none, a short line is taken back for less. It grows where it lasts for a moment
 * only (line_adapt). */
#define LINE_LEAST 128
#define LINE_LEAST_DURABLE 512
#define FED 16 /* jobs in line are enough for a while */

void pools_init(struct engine *e)
{
    e->n_pools = e->config->n_pools;
    e->pools = mem_zero(e->n_pools, sizeof *e->pools);
    for (size_t i = 0; i < e->n_pools; i++) {
        e->pools[i].index = (unsigned)i;
        e->pools[i].name = mem_text(e->config->pools[i].name);
        e->pools[i].line_least = e->ops->durable ? LINE_LEAST_DURABLE : LINE_LEAST;
        list_init(&e->pools[i].members);
        list_init(&e->pools[i].on_dead);
    }
}

/* Found by name: a reload may have moved the sections. That none came or went is checked before. */
static const struct config_pool *plan_of(const struct engine *e, const struct pool *pool)
{
    for (size_t i = 0; i < e->config->n_pools; i++)
        if (strcmp(e->config->pools[i].name, pool->name) == 0)
            return &e->config->pools[i];
    assert(!"the configuration in force lacks a pool");
    return NULL;
}

void pool_add_worker(struct engine *e, struct pool *pool)
{
    struct member *m = mem_zero(1, sizeof *m);
    m->worker = worker_new(e->env.worker, plan_of(e, pool), e->catalogue);
    m->line_most = pool->line_least;
    m->pool = pool;
    m->number = ++pool->births;
    m->line_min = NEAP_PRIORITY_MAX;
    list_init(&m->claims);
    list_push(&pool->members, &m->link);
    pool->n_members++;
}

static void grow(struct engine *e, struct pool *pool, size_t want)
{
    while (pool->n_members < want)
        pool_add_worker(e, pool);
}

void pools_start(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        const struct config_pool *plan = plan_of(e, &e->pools[i]);
        e->pools[i].slots = plan->slots;
        grow(e, &e->pools[i], (size_t)plan->workers);
    }
}

/* What it was to run goes to others; without any, nothing would ever run. */
void member_failed(struct engine *e, struct member *m, const struct neap_error *err)
{
    char text[256];
    const bool counted = !m->retiring;
    m->retiring = true;
    dispatch_recall(e, m);
    mailbox_nudge(&e->mailbox); /* another turn: this one may be past the others */
    if (!counted)
        return; /* it was told, or is leaving anyway */
    m->pool->n_members--;
    snprintf(text, sizeof text, "pool %s: %.200s", m->pool->name, err->message);
    engine_log(e, NEAP_ERROR, NULL, "%s", text);
    if (m->pool->n_members == 0 && e->env.fatal)
        e->env.fatal(e->env.user, text);
}

static struct member *last_active(struct pool *pool)
{
    for (struct list *at = pool->members.prev; at != &pool->members; at = at->prev)
        if (!LIST_ENTRY(at, struct member, link)->retiring)
            return LIST_ENTRY(at, struct member, link);
    return NULL;
}

static void retire(struct pool *pool)
{
    struct member *m = last_active(pool);
    m->retiring = true; /* dispatch takes its line back; it ends when its last job has */
    pool->n_members--;
}

/* Workers on their way out that have not been told yet stay after all. */
static void keep_retiring(struct pool *pool, size_t want)
{
    for (struct list *at = pool->members.next; at != &pool->members && pool->n_members < want;
         at = at->next) {
        struct member *m = LIST_ENTRY(at, struct member, link);
        if (!m->retiring || m->leaving)
            continue;
        m->retiring = false;
        pool->n_members++;
    }
}

void pools_resize(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        struct pool *pool = &e->pools[i];
        const struct config_pool *plan = plan_of(e, pool);
        const size_t want = (size_t)plan->workers;
        pool->slots = plan->slots;
        while (pool->n_members > want)
            retire(pool);
        keep_retiring(pool, want);
        grow(e, pool, want);
    }
}

void member_name(const struct member *m, char *out, size_t size)
{
    snprintf(out, size, "%s/%u", m->pool->name, m->number);
}

struct member *member_next(const struct engine *e, const struct member *m)
{
    size_t pool = m ? m->pool->index : 0;
    const struct list *at = m ? m->link.next : e->n_pools ? e->pools[0].members.next : NULL;
    while (pool < e->n_pools && at == &e->pools[pool].members)
        at = ++pool < e->n_pools ? e->pools[pool].members.next : NULL;
    return at ? LIST_ENTRY(at, struct member, link) : NULL;
}

void pools_publish(struct engine *e)
{
    for (struct member *m = NULL; (m = member_next(e, m));) {
        struct catalogue_note *note = mem_zero(1, sizeof *note);
        note->message.kind = WORKER_CATALOGUE;
        note->catalogue = catalogue_ref(e->catalogue);
        worker_post(m->worker, &note->message);
    }
    atomic_store_explicit(&e->env.worker->serial, e->catalogue->serial, memory_order_relaxed);
}

void pools_note_all(struct engine *e, int kind)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        worker_note(m->worker, kind, 0);
}

void pools_stop_all(struct engine *e, int kind)
{
    pools_note_all(e, kind);
    for (struct member *m = NULL; (m = member_next(e, m));)
        worker_stop_job(m->worker, 0);
}

struct member *member_of(const struct engine *e, const struct worker *worker)
{
    struct member *m = NULL;
    while ((m = member_next(e, m)) && m->worker != worker)
        ;
    return m;
}

void pools_gone(struct engine *e, struct worker *worker)
{
    if (ghost_gone(e, worker))
        return;
    struct member *m = member_of(e, worker);
    assert(m && m->jobs == 0);
    list_remove(&m->link);
    if (!m->retiring)
        m->pool->n_members--;
    e->preemptions += worker_preemptions(worker);
    worker_join(worker);
    heap_close(&m->returning);
    free(m);
}

/* One with a line is on its way, even where it still says that it is hungry. */
bool pools_busy(const struct engine *e)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (m->jobs && (line_length(worker_line(m->worker)) || !worker_hungry(m->worker)))
            return true;
    return false;
}

/* What computes on and on gets nothing in its line. */
bool pools_fed(const struct engine *e)
{
    for (struct member *m = NULL; (m = member_next(e, m));)
        if (!m->computes && line_length(worker_line(m->worker)) < FED)
            return false;
    return true;
}

bool pools_left(const struct engine *e)
{
    return member_next(e, NULL) != NULL;
}

size_t pools_claims(const struct engine *e)
{
    size_t claims = 0;
    for (struct member *m = NULL; (m = member_next(e, m));)
        claims += (size_t)m->jobs;
    return claims;
}

void pools_close(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        for (struct list *at; (at = list_shift(&e->pools[i].on_dead));)
            job_free(&e->cache, LIST_ENTRY(at, struct job, place));
        free(e->pools[i].name);
    }
    free(e->pools);
}
