/* Directories watched through inotify, never files: an atomic save would kill a file's watch.
 * A root that is missing or lies behind a symbolic link is also watched from where that would
 * change. Owned by the loader's thread. */
#ifndef RUNTIME_LOADER_WATCH_H
#define RUNTIME_LOADER_WATCH_H

#include <stdbool.h>

#include <uv.h>

#include "parts/source.h"

struct watches;

struct watches *watches_new(uv_loop_t *loop, void *user, void (*changed)(void *user));
/* Watches exactly what is listed; directories that were replaced are taken anew. True: something
 * was added, so what changed there before must be looked for. */
bool watches_sync(struct watches *watches, const struct source_listing *listing,
                  const char *const *roots, size_t n_roots);
int watches_error(
    const struct watches *watches); /* libuv's code of the last sync's failure, or 0 */
size_t watches_count(const struct watches *watches);
void watches_free(struct watches *watches); /* the loop must run once more; NULL is fine */

#endif
