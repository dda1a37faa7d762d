/* neap_test: the specs beside the tasks. */
#include "neap_private.h"

#include "base/error.h"
#include "base/mem.h"
#include "runtime/spec.h"

#include <stdlib.h>

static int find_all(neap *n, const struct neap_test_options *options, struct spec_list *list,
                    struct neap_error *err)
{
    int rc = NEAP_OK;
    for (size_t i = 0; !rc && i < options->n_paths; i++)
        rc = spec_find(options->paths[i], list, err);
    if (options->n_paths)
        return rc;
    struct config *config = host_config(n);
    for (char **dir = config->plugins; !rc && dir && *dir; dir++) {
        rc = spec_find(*dir, list, err);
        if (rc == NEAP_ENOENT) /* the default one may be missing */
            rc = NEAP_OK;
    }
    config_unref(config);
    return rc;
}

int neap_test(neap *n, const struct neap_test_options *options, struct neap_error *err)
{
    struct spec_list list = {0};
    const struct spec_env env = {.preloads = n->preloads, .options = options};
    if (options->size != sizeof *options)
        return error_set(err, NEAP_EINVAL, "options of another size");
    int rc = options->filter ? spec_check_filter(options->filter, err) : NEAP_OK;
    if (!rc)
        rc = find_all(n, options, &list, err);
    if (!rc && list.count == 0)
        rc = error_set(err, NEAP_ENOENT, "no specs (*_test.lua)");
    for (size_t i = 0; !rc && i < list.count; i++)
        rc = spec_run(list.paths[i], &env, err);
    spec_list_close(&list);
    return rc;
}
