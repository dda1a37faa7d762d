/* The state in which a FILE was staged, for the first worker to take over: it is as a worker's is
 * once it has loaded that file, so to begin with an empty one would be to do all that twice. Only
 * where the trial run left nothing in it that counts on being one: no output was dropped, no C
 * module was opened on another thread. */
#ifndef RUNTIME_TRIED_H
#define RUNTIME_TRIED_H

#include "parts/catalogue.h"
#include "runtime/vm.h"

struct tried { /* owned by who holds it */
    struct vm vm;
    struct plugin *plugin; /* a reference */
    int table_ref;         /* what main.load would give for it */
};

/* A place for one, filled by one thread and emptied by another. */
typedef struct tried *_Atomic tried_slot;

/* Takes over the state, unless it had better not be used or there is one already: false. */
bool tried_keep(tried_slot *slot, struct vm *vm, struct plugin *plugin, int table_ref);
/* For a worker, if it suits: of a plugin in that catalogue, as strict, with these C modules. */
struct tried *tried_take(tried_slot *slot, const struct catalogue *catalogue, bool strict,
                         const struct preload *preloads);
void tried_free(struct tried *tried); /* NULL is fine */

#endif
