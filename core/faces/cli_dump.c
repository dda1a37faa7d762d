/* neap dump: the jobs in the file of a stopped daemon, or in a copy. */
#include "faces/cli.h"

#include "base/buf.h"
#include "faces/cli_output.h"
#include "neap.h"

struct dump { /* main thread */
    struct output output;
    size_t problems;
};

#define FLUSH_BYTES ((size_t)64 * 1024)

static void put_line(struct dump *d, const char *text, size_t len)
{
    struct buf *out = output_buf(&d->output);
    buf_put(out, text, len);
    buf_byte(out, '\n');
    if (out->len >= FLUSH_BYTES)
        output_flush(&d->output);
}

static void put_job(void *user, const char *json, size_t len)
{
    put_line(user, json, len);
}

static void put_problem(void *user, const char *text)
{
    struct dump *d = user;
    buf_format(output_buf(&d->output), "%s\n", text);
    d->problems++;
}

int cli_dump(const struct cli_args *args)
{
    struct dump d = {0};
    struct neap_error err = {0};
    const bool check = cli_has(args, "check");
    if (!args->n_operands)
        return cli_fail(CLI_USAGE, "dump", "which file? Usage: neap dump FILE");
    output_open(&d.output, NULL);
    const char *path = args->operands[0];
    const int rc =
        check ? neap_dump_check(path, &d, put_problem, &err) : neap_dump(path, &d, put_job, &err);
    if (!rc && check && !d.problems)
        buf_text(output_buf(&d.output), "ok\n");
    const int written = output_end(&d.output, "dump");
    if (rc)
        return cli_fail(rc == NEAP_ECONFLICT ? CLI_REFUSED : cli_status_of(rc), "dump", "%s",
                        err.message);
    return written ? written : d.problems ? CLI_DATA : CLI_OK;
}
