/* Small blocks for one thread: what a Lua state allocates. Blocks of a size come from slabs of
 * their own, without a header and without a lock; a slab goes when its last block does, unless it
 * is all that there is of its size. Larger blocks are malloc's. Owner: one thread at a time; may be
 * moved as bytes. */
#ifndef BASE_SLABS_H
#define BASE_SLABS_H

#include <stddef.h>

#define SLABS_UNIT 16
#define SLABS_CLASSES 16 /* sizes up to SLABS_UNIT * SLABS_CLASSES */

struct slab;

struct slabs {
    struct slab *open[SLABS_CLASSES]; /* those with a free block */
};

/* As realloc, but told the size that `old` has: NULL where there is no memory, and `old` is then as
 * it was. To free: `size` 0, and NULL comes back. */
void *slabs_resize(struct slabs *s, void *old, size_t old_size, size_t size);

void slabs_close(struct slabs *s); /* all blocks have been freed; zeroed is fine */

#endif
