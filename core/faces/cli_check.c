/* neap check: what is wrong with the configuration and the tasks. */
#include "faces/cli.h"

#include "base/buf.h"
#include "faces/cli_output.h"
#include "faces/cli_session.h"

struct check {              /* main thread */
    struct session session; /* first: on_problem gets it */
    struct output output;
    size_t problems;
};

static void print_problem(void *user, const char *text)
{
    struct check *c = user;
    buf_format(output_buf(&c->output), "%s\n", text);
    c->problems++;
}

static int report(struct check *c)
{
    size_t tasks, plugins;
    if (c->problems || neap_broken(c->session.n))
        return CLI_CONFIG;
    if (!session_count(&c->session, &tasks, &plugins))
        return CLI_INTERNAL;
    buf_format(output_buf(&c->output), "%zu %s in %zu %s, ok\n", tasks,
               tasks == 1 ? "task" : "tasks", plugins, plugins == 1 ? "plugin" : "plugins");
    return CLI_OK;
}

int cli_check(const struct cli_args *args)
{
    struct check c = {0};
    const struct session_plan plan = {.flags = NEAP_SERVICE | NEAP_MEMORY,
                                      .system_config = true,
                                      .operand = args->n_operands ? args->operands[0] : NULL,
                                      .on_problem = print_problem};
    output_open(&c.output, NULL);
    int status = session_open(&c.session, args, &plan);
    if (status == CLI_OK)
        status = report(&c);
    const int written = output_end(&c.output, "check");
    session_close(&c.session, -1);
    return written ? written : status;
}
