/* The loader: one thread that owns the plugins. Watches their directories (inotify through libuv, debounced, and a rescan every
 * 2 s because inotify drops events), reads what changed, stages it, and publishes a new catalogue. A version that is broken or half written
 * leaves the last good one in place and is reported once. */
#ifndef RUNTIME_LOADER_H
#define RUNTIME_LOADER_H

#include "model/config.h"
#include "parts/catalogue.h"

struct loader;

struct loader_env {
    struct names *names;
    struct gates *gates;
    bool service;
    struct source_roots roots; /* dirs come from the config in force; task_file is fixed */
    void *user;
    /* On the loader's thread (at first the opener's): a new catalogue, one reference handed over. */
    void (*publish)(void *user, struct catalogue *catalogue);
    void (*problem)(void *user, const char *text); /* one mistake, or a mend ("mail is whole again") */
};

/* Loads everything once, on the caller's thread; publishes the first catalogue. Broken plugins do not fail it. */
int loader_new(struct loader **out, const struct loader_env *env, struct config *config, struct neap_error *err);
/* Starts the thread. It watches if `watch`. */
int loader_start(struct loader *loader, bool watch, struct neap_error *err);
/* Any thread: takes the new config into force, rescans everything now, publishes; returns when that is done (waits; the loader's thread works). */
int loader_reload(struct loader *loader, struct config *config, struct neap_error *err);
size_t loader_broken(struct loader *loader);
void loader_free(struct loader *loader); /* joins the thread */

#endif
