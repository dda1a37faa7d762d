/* A program with neap inside: runs a task file once for each argument and prints what it returns.
 *
 *     build/release/embed examples/hello.lua '{"name": "Ada"}' '{"name": "Grace"}'
 *     cc embed.c $(pkg-config --cflags --libs neap)      # once it is installed: ./dev install
 */
#include <neap.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void print_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

/* Any of neap's threads, several at once. */
static void print_log(void *user, const struct neap_log_record *record)
{
    (void)user;
    fprintf(stderr, "%s: %.*s\n", record->task ? record->task : "neap", (int)record->text_len,
            record->text);
}

static int submit(neap *n, const char *args, uint64_t tag, struct neap_error *err)
{
    const struct neap_request request = {
        .task = neap_file_task(n),
        .args = args, /* JSON, copied */
        .tag = tag,   /* comes back in the outcome */
        .flags = NEAP_DELIVER,
    };
    return neap_submit(n, &request, NULL, err);
}

static void print_outcome(const struct neap_outcome *out, char **arguments)
{
    if (out->state != NEAP_COMPLETED) {
        fprintf(stderr, "%s: %s: %s\n", arguments[out->tag], neap_state_name(out->state),
                out->message ? out->message : "");
        return;
    }
    char *json = out->result ? neap_to_json(out->result, out->result_len) : NULL;
    printf("%s: %s\n", arguments[out->tag], json ? json : "nothing");
    free(json);
}

static int print_stats(neap *n, struct neap_error *err)
{
    struct neap_stats stats;
    const int rc = neap_stats(n, &stats, err);
    if (rc)
        return rc;
    fprintf(stderr, "%" PRIu64 " completed, %" PRIu64 " dead, %zu workers, %.3f s of work\n",
            stats.total.completed, stats.total.dead, stats.n_workers, stats.total.run_sum_s);
    neap_stats_free(&stats);
    return NEAP_OK;
}

/* 0 where every job completed. */
static int run(neap *n, char **arguments, int count, int *failed, struct neap_error *err)
{
    for (int i = 0; i < count; i++) {
        const int rc = submit(n, arguments[i], (uint64_t)i, err);
        if (rc)
            return rc;
    }
    for (int i = 0; i < count; i++) {
        struct neap_outcome out;
        const int rc = neap_next(n, &out, -1); /* in order of completion */
        if (rc)
            return rc;
        print_outcome(&out, arguments);
        *failed += out.state != NEAP_COMPLETED;
        neap_outcome_free(&out);
    }
    neap_wait_idle(n, -1); /* also what the jobs submitted */
    return print_stats(n, err);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: embed FILE.lua JSON...\n");
        return 64;
    }
    const struct neap_options options = {
        .size = sizeof options,
        .task_file = argv[1],
        .on_problem = print_problem,
        .on_log = print_log,
    };
    struct neap_error err = {0};
    int failed = 0;
    neap *n = NULL;
    int rc = neap_open(&n, &options, &err);
    if (rc == NEAP_OK)
        rc = neap_start(n, &err);
    if (rc == NEAP_OK)
        rc = run(n, argv + 2, argc - 2, &failed, &err);
    neap_close(n);
    if (rc)
        fprintf(stderr, "embed: %s\n", err.message);
    return rc || failed ? 1 : 0;
}
