/* What the loader knows of every plugin: which version is in force, which one was looked at last,
 * and what is wrong with it. Turns a look at the disk into a new catalogue. Private to loader*.c.
 * Owned by the loader's thread (before it starts, the opener's). */
#ifndef RUNTIME_LOADER_VERSIONS_H
#define RUNTIME_LOADER_VERSIONS_H

#include "runtime/loader.h"

struct versions;

struct versions *versions_new(const struct loader_env *env);
void versions_free(struct versions *versions); /* NULL is fine */

/* Takes `config` into force and everything that is on disk now, waiting for versions in the making
 * (5 s at most); publishes. An error leaves all as it was. */
int versions_load(struct versions *versions, struct config *config, struct neap_error *err);
/* Takes what changed and is whole; publishes if anything did. Milliseconds until it wants to look
 * again, or -1. */
int64_t versions_look(struct versions *versions);

/* What the last look saw, and the roots it looked at; valid until the next one. */
const struct source_listing *versions_listing(const struct versions *versions);
const char *const *versions_roots(const struct versions *versions, size_t *count);
size_t versions_broken(const struct versions *versions); /* any thread */

#endif
