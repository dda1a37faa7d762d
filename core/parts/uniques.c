#include "parts/uniques.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct unique_row {
    struct unique_row *next;
    unsigned char key[JOB_KEY_BYTES];
    uint64_t id;
    int64_t at_ms;
    struct heap_node end; /* in `ending`; key: Unix ms, tie: the id */
};

static struct unique_row **bucket_of(const struct uniques *u, const unsigned char *key)
{
    uint64_t hash;
    memcpy(&hash, key, sizeof hash); /* the key is a hash */
    return &u->buckets[hash & (u->n_buckets - 1)];
}

static struct unique_row **place_of(const struct uniques *u, const unsigned char *key)
{
    struct unique_row **at = bucket_of(u, key);
    while (*at && memcmp((*at)->key, key, JOB_KEY_BYTES) != 0)
        at = &(*at)->next;
    return at;
}

static void grow(struct uniques *u)
{
    struct uniques wide = {.n_buckets = u->n_buckets ? u->n_buckets * 2 : 64};
    wide.buckets = mem_zero(wide.n_buckets, sizeof *wide.buckets);
    for (size_t i = 0; i < u->n_buckets; i++) {
        for (struct unique_row *row = u->buckets[i], *next; row; row = next) {
            struct unique_row **bucket = bucket_of(&wide, row->key);
            next = row->next;
            row->next = *bucket;
            *bucket = row;
        }
    }
    free(u->buckets);
    u->buckets = wide.buckets;
    u->n_buckets = wide.n_buckets;
}

void uniques_put(struct uniques *u, const struct job *job)
{
    if (u->count >= u->n_buckets)
        grow(u);
    struct unique_row **at = place_of(u, job_terms(job)->unique->key);
    if (!*at) {
        *at = mem_zero(1, sizeof **at);
        memcpy((*at)->key, job_terms(job)->unique->key, JOB_KEY_BYTES);
        u->count++;
    } else if ((*at)->end.pos) {
        heap_remove(&u->ending, &(*at)->end);
    }
    (*at)->id = job->id;
    (*at)->at_ms = job->submitted_ms;
}

uint64_t uniques_find(const struct uniques *u, const unsigned char key[JOB_KEY_BYTES],
                      int64_t *at_ms)
{
    struct unique_row *row = u->count ? *place_of(u, key) : NULL;
    if (!row)
        return 0;
    *at_ms = row->at_ms;
    return row->id;
}

static void drop(struct uniques *u, struct unique_row **at)
{
    struct unique_row *row = *at;
    assert(row);
    if (row->end.pos)
        heap_remove(&u->ending, &row->end);
    *at = row->next;
    free(row);
    u->count--;
}

static struct unique_row **row_of(struct uniques *u, const struct job *job)
{
    struct unique_row **at = u->count ? place_of(u, job_terms(job)->unique->key) : NULL;
    return at && *at && (*at)->id == job->id ? at : NULL;
}

void uniques_remove(struct uniques *u, const struct job *job)
{
    struct unique_row **at = row_of(u, job);
    if (at)
        drop(u, at);
}

void uniques_orphan(struct uniques *u, const struct job *job, int64_t now_ms)
{
    struct unique_row **at = row_of(u, job);
    if (!at)
        return;
    const int64_t end_ms = job->submitted_ms + job_terms(job)->unique->within_ms;
    if (end_ms <= now_ms) {
        drop(u, at);
        return;
    }
    (*at)->end.key = end_ms;
    (*at)->end.tie = job->id;
    heap_push(&u->ending, &(*at)->end);
}

void uniques_expire(struct uniques *u, int64_t now_ms)
{
    for (struct heap_node *node; (node = heap_min(&u->ending)) && node->key <= now_ms;)
        drop(u, place_of(u, HEAP_ENTRY(node, struct unique_row, end)->key));
}

void uniques_each(const struct uniques *u, void *user,
                  void (*each)(void *user, const unsigned char *key, uint64_t id, int64_t at_ms))
{
    for (size_t i = 0; i < u->n_buckets; i++)
        for (const struct unique_row *row = u->buckets[i]; row; row = row->next)
            each(user, row->key, row->id, row->at_ms);
}

void uniques_close(struct uniques *u)
{
    for (size_t i = 0; i < u->n_buckets; i++)
        while (u->buckets[i])
            drop(u, &u->buckets[i]);
    free(u->buckets);
    heap_close(&u->ending);
    *u = (struct uniques){0};
}
