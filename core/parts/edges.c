#include "parts/edges.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct edge_row { /* one parent and its children */
    struct edge_row *next;
    uint64_t parent;
    uint64_t *children;
    size_t first, count, cap;
};

static struct edge_row **place_of(const struct edges *edges, uint64_t parent)
{
    const uint64_t hash = parent * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    struct edge_row **at = &edges->buckets[hash & (edges->n_buckets - 1)];
    while (*at && (*at)->parent != parent)
        at = &(*at)->next;
    return at;
}

static void grow(struct edges *edges)
{
    struct edges wide = {.n_buckets = edges->n_buckets ? edges->n_buckets * 2 : 64};
    wide.buckets = mem_zero(wide.n_buckets, sizeof *wide.buckets);
    for (size_t i = 0; i < edges->n_buckets; i++) {
        for (struct edge_row *row = edges->buckets[i], *next; row; row = next) {
            next = row->next;
            row->next = NULL;
            *place_of(&wide, row->parent) = row;
        }
    }
    free(edges->buckets);
    edges->buckets = wide.buckets;
    edges->n_buckets = wide.n_buckets;
}

void edges_add(struct edges *edges, uint64_t parent, uint64_t child)
{
    if (edges->count >= edges->n_buckets)
        grow(edges);
    struct edge_row **at = place_of(edges, parent);
    if (!*at) {
        *at = mem_zero(1, sizeof **at);
        (*at)->parent = parent;
        edges->count++;
    }
    struct edge_row *row = *at;
    if (row->count == row->cap) {
        row->cap = row->cap ? row->cap * 2 : 4;
        row->children = mem_grow(row->children, row->cap, sizeof *row->children);
    }
    row->children[row->count++] = child;
}

static void drop(struct edges *edges, struct edge_row **at)
{
    struct edge_row *row = *at;
    *at = row->next;
    free(row->children);
    free(row);
    edges->count--;
}

size_t edges_take(struct edges *edges, uint64_t parent, uint64_t *out, size_t max)
{
    struct edge_row **at = edges->count ? place_of(edges, parent) : NULL;
    if (!at || !*at)
        return 0;
    struct edge_row *row = *at;
    const size_t left = row->count - row->first, n = left < max ? left : max;
    memcpy(out, row->children + row->first, n * sizeof *out);
    row->first += n;
    if (row->first == row->count)
        drop(edges, at);
    return n;
}

void edges_each(const struct edges *edges, void *user,
                void (*each)(void *user, uint64_t parent, uint64_t child))
{
    for (size_t i = 0; i < edges->n_buckets; i++)
        for (const struct edge_row *row = edges->buckets[i]; row; row = row->next)
            for (size_t c = row->first; c < row->count; c++)
                each(user, row->parent, row->children[c]);
}

void edges_close(struct edges *edges)
{
    for (size_t i = 0; i < edges->n_buckets; i++)
        while (edges->buckets[i])
            drop(edges, &edges->buckets[i]);
    free(edges->buckets);
    *edges = (struct edges){0};
}
