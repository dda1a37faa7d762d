/* neap test: runs the specs beside tasks and prints what came of each test. */
#include "faces/cli.h"

#include "base/buf.h"
#include "base/mem.h"
#include "faces/cli_output.h"
#include "faces/cli_session.h"

#include <stdlib.h>
#include <string.h>

struct test {               /* main thread */
    struct session session; /* first: the session's callbacks get it */
    struct output output;
    bool tap;
    char *file;              /* whose tests are being printed; owned */
    size_t counts[4], total; /* by enum neap_test_kind */
};

static const char *const labels[] = {"ok", "FAILED", "pending", "ERROR"};

/* Text with `indent` before each line. */
static void put_lines(struct buf *out, const char *indent, const char *text)
{
    while (text && *text) {
        const size_t len = strcspn(text, "\n");
        buf_text(out, indent);
        buf_put(out, text, len);
        buf_byte(out, '\n');
        text += len + (text[len] == '\n');
    }
}

static void put_plain(struct test *t, struct buf *out, const struct neap_test_result *r)
{
    if (!t->file || strcmp(t->file, r->file) != 0) {
        free(t->file);
        t->file = mem_text(r->file);
        buf_format(out, "%s\n", r->file);
    }
    buf_format(out, "  %-8s%s", labels[r->kind], *r->name ? r->name : "(the file)");
    buf_text(out, r->took_ms >= 1000 ? "" : "\n");
    if (r->took_ms >= 1000)
        buf_format(out, " (%.1f s)\n", (double)r->took_ms / 1000);
    put_lines(out, "          ", r->message);
    put_lines(out, "            ", r->traceback);
}

static void put_tap(const struct test *t, struct buf *out, const struct neap_test_result *r)
{
    const bool bad = r->kind == NEAP_TEST_FAILED || r->kind == NEAP_TEST_ERROR;
    buf_format(out, "%s %zu - %s: ", bad ? "not ok" : "ok", t->total, r->file);
    put_lines(out, "", *r->name ? r->name : "(the file)");
    if (r->kind == NEAP_TEST_PENDING) {
        out->len--; /* the directive stands in the same line */
        buf_text(out, " # SKIP pending\n");
    }
    put_lines(out, "# ", r->message);
    put_lines(out, "#   ", r->traceback);
}

static void on_result(void *user, const struct neap_test_result *result)
{
    struct test *t = user;
    struct buf *out = output_buf(&t->output);
    t->counts[result->kind]++;
    t->total++;
    if (t->tap)
        put_tap(t, out, result);
    else
        put_plain(t, out, result);
    output_flush(&t->output);
}

/* In TAP what a spec prints is a comment. */
static void on_print(void *user, const char *text, size_t len)
{
    struct test *t = user;
    struct buf *out = output_buf(&t->output);
    if (t->tap)
        put_lines(out, "# ", text);
    else
        buf_put(out, text, len);
}

static size_t bad(const struct test *t)
{
    return t->counts[NEAP_TEST_FAILED] + t->counts[NEAP_TEST_ERROR];
}

static void put_summary(struct test *t)
{
    struct buf *out = output_buf(&t->output);
    if (t->tap)
        buf_format(out, "1..%zu\n# ", t->total);
    buf_format(out, "%zu passed, %zu failed", t->counts[NEAP_TEST_PASSED], bad(t));
    if (t->counts[NEAP_TEST_PENDING])
        buf_format(out, ", %zu pending", t->counts[NEAP_TEST_PENDING]);
    buf_byte(out, '\n');
}

static int run_specs(struct test *t, const struct cli_args *args)
{
    struct neap_error err = {0};
    const struct neap_test_options options = {
        .size = sizeof options,
        .paths = args->operands,
        .n_paths = args->n_operands,
        .filter = cli_value(args, "filter"),
        .user = t,
        .on_result = on_result,
        .on_print = on_print,
    };
    const int rc = neap_test(t->session.n, &options, &err);
    if (rc == NEAP_EINVAL)
        return cli_fail(CLI_USAGE, "test", "--%s", err.message);
    if (rc != NEAP_OK)
        return cli_fail(cli_status_of(err.code), "test", "%s", err.message);
    put_summary(t);
    return bad(t) ? CLI_FAILED : CLI_OK;
}

int cli_test(const struct cli_args *args)
{
    struct test t = {.tap = cli_value(args, "output") != NULL};
    const struct session_plan plan = {.flags = NEAP_MEMORY};
    output_open(&t.output, NULL);
    int status = session_open(&t.session, args, &plan);
    if (status == CLI_OK)
        status = run_specs(&t, args);
    const int written = output_end(&t.output, "test");
    session_close(&t.session, -1);
    free(t.file);
    return written ? written : status;
}
