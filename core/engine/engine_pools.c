#include "engine/engine_state.h"

#include "base/mem.h"

#include <stdlib.h>

static int member_start(struct engine *e, struct pool *pool, struct neap_error *err)
{
    struct member *m = mem_zero(1, sizeof *m);
    const int rc = worker_start(&m->worker, e->env.worker, e->catalogue, err);
    if (rc) {
        free(m);
        return rc;
    }
    m->pool = pool;
    m->line_min = NEAP_PRIORITY_MAX;
    list_init(&m->claims);
    list_init(&m->returning);
    list_push(&pool->members, &m->link);
    pool->n_members++;
    return NEAP_OK;
}

int pools_open(struct engine *e, struct neap_error *err)
{
    e->n_pools = e->config->n_pools;
    e->pools = mem_zero(e->n_pools, sizeof *e->pools);
    for (size_t i = 0; i < e->n_pools; i++) {
        e->pools[i].index = (unsigned)i;
        e->pools[i].name = mem_text(e->config->pools[i].name);
        list_init(&e->pools[i].members);
        list_init(&e->pools[i].on_dead);
    }
    for (size_t i = 0; i < e->n_pools; i++) {
        e->pools[i].slots = e->config->pools[i].slots;
        while (e->pools[i].n_members < (size_t)e->config->pools[i].workers) {
            const int rc = member_start(e, &e->pools[i], err);
            if (rc)
                return rc;
        }
    }
    return NEAP_OK;
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

void pools_resize(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        struct pool *pool = &e->pools[i];
        const size_t want = (size_t)e->config->pools[i].workers;
        struct neap_error err;
        pool->slots = e->config->pools[i].slots;
        while (pool->n_members > want)
            retire(pool);
        while (pool->n_members < want) {
            if (member_start(e, pool, &err)) {
                engine_log(e, NEAP_ERROR, NULL, "pool %s: %s", pool->name, err.message);
                break;
            }
        }
    }
}

void pools_publish(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        for (struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next) {
            struct catalogue_note *note = mem_zero(1, sizeof *note);
            note->message.kind = WORKER_CATALOGUE;
            note->catalogue = catalogue_ref(e->catalogue);
            worker_post(LIST_ENTRY(at, struct member, link)->worker, &note->message);
        }
    }
    atomic_store_explicit(&e->env.worker->serial, e->catalogue->serial, memory_order_relaxed);
}

void pools_note_all(struct engine *e, int kind)
{
    for (size_t i = 0; i < e->n_pools; i++)
        for (struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next)
            worker_note(LIST_ENTRY(at, struct member, link)->worker, kind, 0);
}

void pools_gone(struct engine *e, struct worker *worker)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        for (struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next) {
            struct member *m = LIST_ENTRY(at, struct member, link);
            if (m->worker != worker)
                continue;
            list_remove(&m->link);
            if (!m->retiring)
                m->pool->n_members--;
            worker_join(worker);
            free(m);
            return;
        }
    }
}

bool pools_busy(const struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        for (const struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next) {
            const struct member *m = LIST_ENTRY(at, struct member, link);
            if (m->jobs && !worker_hungry(m->worker))
                return true;
        }
    }
    return false;
}

size_t pools_claims(const struct engine *e)
{
    size_t claims = 0;
    for (size_t i = 0; i < e->n_pools; i++)
        for (const struct list *at = e->pools[i].members.next; at != &e->pools[i].members; at = at->next)
            claims += (size_t)LIST_ENTRY(at, struct member, link)->jobs;
    return claims;
}

void pools_close(struct engine *e)
{
    for (size_t i = 0; i < e->n_pools; i++) {
        for (struct list *at; (at = list_shift(&e->pools[i].on_dead));)
            job_free(LIST_ENTRY(at, struct job, place));
        free(e->pools[i].name);
    }
    free(e->pools);
}
