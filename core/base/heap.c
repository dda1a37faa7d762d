#include "base/heap.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void place(struct heap *h, struct heap_node *node, size_t i)
{
    h->nodes[i] = node;
    node->pos = i + 1;
}

static void sift_up(struct heap *h, struct heap_node *node, size_t i)
{
    for (; i > 0; i = (i - 1) / 2) {
        struct heap_node *parent = h->nodes[(i - 1) / 2];
        if (!before(node, parent))
            break;
        place(h, parent, i);
    }
    place(h, node, i);
}

static void sift_down(struct heap *h, struct heap_node *node, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && before(h->nodes[child + 1], h->nodes[child]))
            child++;
        if (!before(h->nodes[child], node))
            break;
        place(h, h->nodes[child], i);
        i = child;
    }
    place(h, node, i);
}

void heap_close(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){0};
}

void heap_push(struct heap *h, struct heap_node *node)
{
    assert(node->pos == 0);
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->nodes = mem_grow(h->nodes, h->cap, sizeof *h->nodes);
    }
    sift_up(h, node, h->len++);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    size_t i = node->pos - 1;
    assert(node->pos && i < h->len && h->nodes[i] == node);
    node->pos = 0;
    struct heap_node *last = h->nodes[--h->len];
    if (last == node)
        return;
    if (i > 0 && before(last, h->nodes[(i - 1) / 2]))
        sift_up(h, last, i);
    else
        sift_down(h, last, i);
}

struct heap_node *heap_pop(struct heap *h)
{
    struct heap_node *node = heap_min(h);
    if (node)
        heap_remove(h, node);
    return node;
}
