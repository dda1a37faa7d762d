/* Memory from the system itself, in large pieces that are aligned to their size: a block in one
 * leads to its beginning. Any thread. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stddef.h>

/* `bytes` is a power of two, of at least a page. Zeroed; NULL: no memory. */
void *pages_map(size_t bytes);
void pages_unmap(void *at, size_t bytes);
/* All of them now, where the system can: a fault for each is three times as dear. */
void pages_populate(void *at, size_t bytes);

#endif
