/* The loader: one thread that owns the plugins. It watches their directories (inotify through
 * libuv, debounced, and a look every 2 s because inotify drops events), reads what changed, stages
 * it, and publishes a new catalogue. A version that is broken leaves the last good one in place and
 * is reported once; one in the making is left alone until it is whole. */
#ifndef RUNTIME_LOADER_H
#define RUNTIME_LOADER_H

#include "model/config.h"
#include "parts/catalogue.h"
#include "runtime/preload.h"
#include "runtime/tried.h"

struct loader;

struct loader_env {
    struct names *names;
    struct gates *gates;
    const struct preload *const
        *preloads;    /* where their list begins; NULL: none. Fixed once the thread has started */
    tried_slot *keep; /* for the state in which a FILE was tried first; or NULL */
    bool service;
    struct source_roots roots; /* only task_file counts, it is copied; dirs come from the config */
    void *user;
    /* On the loader's thread (at first the opener's): a new catalogue, one reference handed over.
     */
    void (*publish)(void *user, struct catalogue *catalogue);
    /* One mistake, or a mend ("mail is whole again"). Same threads. */
    void (*problem)(void *user, const char *text);
};

/* Loads everything once, on the caller's thread, and publishes the first catalogue. Broken plugins
 * do not fail it; a root or a FILE that is missing does. Takes a reference of its own to `config`.
 */
int loader_new(struct loader **out, const struct loader_env *env, struct config *config,
               struct neap_error *err);
/* Starts the thread, which watches. Without it, who reloads does the work. */
int loader_start(struct loader *loader, struct neap_error *err);
/* Any thread: takes the new config into force (a reference of its own), looks at everything now,
 * publishes; returns when that is done. All or nothing: a plugin that is good now and would not be
 * with the new config refuses it (NEAP_ECONFIG, after problem()). */
int loader_reload(struct loader *loader, struct config *config, struct neap_error *err);
size_t loader_broken(struct loader *loader); /* any thread */
void loader_free(struct loader *loader);     /* joins the thread; NULL is fine */

#endif
