/* What the configuration and the tasks say of each other. */
#include "neap_private.h"

#include "base/mem.h"

#include <stdlib.h>

struct names_check {
    neap *n;
    struct catalogue *catalogue;
};

static void check_name(void *user, const char *where, const char *task)
{
    const struct names_check *check = user;
    const struct neap_options *options = &check->n->options;
    const struct task_name *name = names_find(check->n->names, task);
    struct neap_error err;
    if (name && catalogue_task(check->catalogue, name))
        return;
    catalogue_no_task(check->catalogue, task, &err);
    char *text = mem_format("%s: %s", where, err.message);
    options->on_problem(options->user, text);
    free(text);
}

void host_check_names(neap *n, const struct config *config)
{
    if (!n->options.on_problem || !(n->options.flags & NEAP_SERVICE))
        return;
    struct names_check check = {n, host_catalogue(n)};
    pthread_mutex_lock(&n->problem_lock);
    config_each_task_name(config, &check, check_name);
    pthread_mutex_unlock(&n->problem_lock);
    catalogue_unref(check.catalogue);
}
