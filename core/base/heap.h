/* Intrusive binary heap on (key, tie): the least first, no two alike compare equal while ties are
 * unique. A node's `pos` is its place + 1, 0 while in no heap;
 * its key and tie must not change while it is in one. Owned by one thread. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t tie;
    size_t pos;
    int64_t key; /* last: struct job has it beside the links of a list */
};

struct heap_slot { /* the key beside the pointer: comparing two does not fetch their nodes */
    int64_t key;
    uint64_t tie;
    struct heap_node *node;
};

struct heap { /* zeroed is empty */
    struct heap_slot *slots;
    size_t len, cap;
};

#define HEAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_close(struct heap *h); /* frees the array, not the nodes */
void heap_push(struct heap *h, struct heap_node *node);
void heap_remove(struct heap *h, struct heap_node *node);
struct heap_node *heap_pop(struct heap *h); /* NULL if empty */

static inline struct heap_node *heap_min(const struct heap *h) /* NULL if empty */
{
    return h->len ? h->slots[0].node : NULL;
}

#endif
