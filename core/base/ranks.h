/* As base/heap.h, but by a key alone, and smaller: a million of them may be in one. Nodes of equal
 * keys come in any order. A node's `pos` is its place + 1, 0 while in no heap; its key must not
 * change while it is in one. Owned by one thread. */
#ifndef BASE_RANKS_H
#define BASE_RANKS_H

#include <stddef.h>
#include <stdint.h>

struct rank {
    int64_t key;
    uint32_t pos;
    uint32_t note; /* its owner's: there is room */
};

struct rank_slot { /* the key beside the pointer: comparing two does not fetch their nodes */
    int64_t key;
    struct rank *rank;
};

struct ranks { /* zeroed is empty */
    struct rank_slot *slots;
    uint32_t len, cap;
};

#define RANK_ENTRY(rank, type, member) ((type *)(void *)((char *)(rank)-offsetof(type, member)))

void ranks_close(struct ranks *r); /* frees the array, not the nodes */
void ranks_push(struct ranks *r, struct rank *rank);
void ranks_remove(struct ranks *r, struct rank *rank);
struct rank *ranks_pop(struct ranks *r); /* NULL if empty */

static inline struct rank *ranks_min(const struct ranks *r) /* NULL if empty */
{
    return r->len ? r->slots[0].rank : NULL;
}

#endif
