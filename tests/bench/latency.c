/* latency start|stored PLUGINS JOBS [SETTING...]: a host that submits one job a millisecond to an
 * executor that has nothing else to do. Prints nanoseconds, a line a job: from neap_submit to the
 * first line of the task (bench.clock tells), or until neap_submit returned.
 *
 * latency threads JOBS: the same way with nothing on it, as the limit: one thread wakes a second
 * (the engine's place), which wakes a third (the worker's). */
#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
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

/* A thread that waits for `wake`, notes when, and posts the next one's. */
struct stage {
    sem_t wake;
    sem_t *next;
    int rounds;
    double woken_ns;
};

static void *stage_main(void *arg)
{
    struct stage *stage = arg;
    for (int i = 0; i < stage->rounds; i++) {
        sem_wait(&stage->wake);
        stage->woken_ns = now_ns();
        sem_post(stage->next);
    }
    return NULL;
}

static void measure_threads(int rounds)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    struct stage worker = {.rounds = rounds}, engine = {.rounds = rounds, .next = &worker.wake};
    pthread_t threads[2];
    sem_t ended;
    sem_init(&ended, 0, 0);
    sem_init(&engine.wake, 0, 0);
    sem_init(&worker.wake, 0, 0);
    worker.next = &ended;
    pthread_create(&threads[0], NULL, stage_main, &engine);
    pthread_create(&threads[1], NULL, stage_main, &worker);
    for (int i = 0; i < rounds; i++) {
        nanosleep(&pause, NULL);
        const double began = now_ns();
        sem_post(&engine.wake);
        sem_wait(&ended);
        printf("%.0f\n", worker.woken_ns - began);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "threads") == 0) {
        measure_threads(atoi(argv[2]));
        return 0;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: latency start|stored PLUGINS JOBS [SETTING...]\n"
                        "       latency threads JOBS\n");
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
