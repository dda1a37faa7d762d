/* The specs of one file, *_test.lua, run in a Lua state of their own (scripts/neap/test). Called on
 * any thread; nothing outlives the call. */
#ifndef RUNTIME_SPEC_H
#define RUNTIME_SPEC_H

#include <stdint.h>

#include "neap.h"
#include "runtime/preload.h"

struct spec_env {
    const struct preload *preloads;          /* the host's C modules */
    const struct neap_test_options *options; /* filter, limit_ms and the callbacks */
};

/* Runs a file; each test, and what kept tests from running, goes to on_result. */
int spec_run(const char *path, const struct spec_env *env, struct neap_error *err);

/* Is it a Lua pattern? NEAP_EINVAL: no, and why. */
int spec_check_filter(const char *filter, struct neap_error *err);

/* The spec files that `path` is or has below it, in order of name, added to `list`, which ends in
 * NULL. NEAP_ENOENT, NEAP_EIO: the path. */
struct spec_list { /* owned by one thread; zeroed is empty */
    char **paths;
    size_t count;
};
int spec_find(const char *path, struct spec_list *list, struct neap_error *err);
void spec_list_close(struct spec_list *list);

#endif
