/* Staging: compiles and trial-runs a plugin's files in a Lua state of its own, under a deadline and
 * a memory limit, and reads off what its tasks declare. Never runs a task. Called on the loader's
 * thread (or the opener's). */
#ifndef RUNTIME_STAGE_H
#define RUNTIME_STAGE_H

#include "parts/catalogue.h"
#include "runtime/preload.h"
#include "runtime/tried.h"

struct stage_env {
    const struct config *config;
    struct names *names;
    struct gates *gates;
    int64_t limit_ms;               /* CPU time of a trial run; 0: 2 s */
    const struct preload *preloads; /* the host's C modules */
    tried_slot *keep;               /* for the state of a FILE that is good; NULL: none is kept */
    bool service; /* defaults: 20 retries and a timeout of 1 h, else none of both */
    void *user;
    void (*problem)(void *user, const char *text); /* every mistake: FILE:LINE: ... */
};

/* One file of the plugin broken: the whole version is refused (NEAP_ECONFIG), every mistake having
 * gone to problem(). */
int stage_plugin(struct source *source, unsigned generation, const struct stage_env *env,
                 struct plugin **out, struct neap_error *err);

#endif
