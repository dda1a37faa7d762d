/* latency start|stored PLUGINS JOBS [SETTING...]: a host that submits one job a millisecond to an
 * executor that has nothing else to do. Prints nanoseconds, a line a job: from neap_submit to the
 * first line of the task (bench.clock tells), or until neap_submit returned. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "neap.h"

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void print_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

static void check(int rc, const struct neap_error *err)
{
    if (rc == NEAP_OK)
        return;
    fprintf(stderr, "latency: %s\n", err->message);
    exit(1);
}

/* When the job started. */
static double outcome_ns(neap *n)
{
    struct neap_outcome out;
    struct neap_error err = {.message = "no outcome"};
    check(neap_next(n, &out, 10000), &err);
    assert(out.state == NEAP_COMPLETED);
    char *json = neap_to_json(out.result, out.result_len);
    const double at = strtod(json, NULL);
    free(json);
    neap_outcome_free(&out);
    return at;
}

static void measure(neap *n, int jobs, int stored)
{
    const struct neap_request request = {.task = "bench.clock", .flags = NEAP_DELIVER};
    const struct timespec pause = {.tv_nsec = 1000000};
    struct neap_error err;
    for (int i = 0; i < jobs; i++) {
        nanosleep(&pause, NULL);
        const double began = now_ns();
        check(neap_submit(n, &request, NULL, &err), &err);
        const double returned = now_ns(), started = outcome_ns(n);
        printf("%.0f\n", (stored ? returned : started) - began);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: latency start|stored PLUGINS JOBS [SETTING...]\n");
        return 64;
    }
    const int stored = strcmp(argv[1], "stored") == 0;
    const char *const plugins[] = {argv[2]};
    const struct neap_options options = {
        .size = sizeof options,
        .flags = stored ? 0 : NEAP_MEMORY,
        .plugins = plugins,
        .n_plugins = 1,
        .settings = (const char *const *)argv + 4,
        .n_settings = (size_t)argc - 4,
        .on_problem = print_problem,
    };
    struct neap_error err;
    neap *n = NULL;
    check(neap_open(&n, &options, &err), &err);
    check(neap_start(n, &err), &err);
    measure(n, atoi(argv[3]), stored);
    neap_close(n);
    return 0;
}
