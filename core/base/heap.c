#include "base/heap.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static bool before(const struct heap_slot *a, const struct heap_slot *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

static void place(struct heap *h, struct heap_slot slot, size_t i)
{
    h->slots[i] = slot;
    slot.node->pos = i + 1;
}

static void sift_up(struct heap *h, struct heap_slot slot, size_t i)
{
    for (; i > 0; i = (i - 1) / 2) {
        const struct heap_slot *parent = &h->slots[(i - 1) / 2];
        if (!before(&slot, parent))
            break;
        place(h, *parent, i);
    }
    place(h, slot, i);
}

static void sift_down(struct heap *h, struct heap_slot slot, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && before(&h->slots[child + 1], &h->slots[child]))
            child++;
        if (!before(&h->slots[child], &slot))
            break;
        place(h, h->slots[child], i);
        i = child;
    }
    place(h, slot, i);
}

void heap_close(struct heap *h)
{
    free(h->slots);
    *h = (struct heap){0};
}

void heap_push(struct heap *h, struct heap_node *node)
{
    assert(node->pos == 0);
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->slots = mem_grow(h->slots, h->cap, sizeof *h->slots);
    }
    sift_up(h, (struct heap_slot){node->key, node->tie, node}, h->len++);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    const size_t i = node->pos - 1;
    assert(node->pos && i < h->len && h->slots[i].node == node);
    node->pos = 0;
    const struct heap_slot last = h->slots[--h->len];
    if (last.node == node)
        return;
    if (i > 0 && before(&last, &h->slots[(i - 1) / 2]))
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
