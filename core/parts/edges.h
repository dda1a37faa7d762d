/* Which jobs wait for the end of which. In memory; a durable store has a table of its own. Owner:
 * the store. */
#ifndef PARTS_EDGES_H
#define PARTS_EDGES_H

#include <stddef.h>
#include <stdint.h>

struct edge_row;

struct edges {                 /* zeroed: none */
    struct edge_row **buckets; /* a power of two of them */
    size_t n_buckets, count;
};

void edges_close(struct edges *edges);
void edges_add(struct edges *edges, uint64_t parent, uint64_t child);
/* Takes away at most `max` children of the parent, in the order in which they were added. */
size_t edges_take(struct edges *edges, uint64_t parent, uint64_t *out, size_t max);
void edges_each(const struct edges *edges, void *user,
                void (*each)(void *user, uint64_t parent, uint64_t child)); /* not taken yet */

#endif
