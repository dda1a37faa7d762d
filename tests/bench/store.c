/* Jobs put, claimed and finished a second by the sqlite store, one thread doing nothing else, in
 * batches of 1,000: each commit holds the outcomes of the batch before and the next submissions.
 * And submissions alone in front of a backlog. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "model/name.h"
#include "parts/gate.h"
#include "parts/index.h"
#include "parts/store.h"

#define BATCH 1000
#define T0 INT64_C(1700000000000)

struct bench {
    struct store *s;
    struct names *names;
    struct gates *gates;
    struct gate *gate;
    const struct task_name *task;
    uint64_t id;
    char dir[64], path[96];
};

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void begin(struct bench *b)
{
    struct neap_error err;
    strcpy(b->dir, "store-bench.XXXXXX");
    if (!mkdtemp(b->dir))
        fail("no directory");
    snprintf(b->path, sizeof b->path, "%s/neap.db", b->dir);
    b->names = names_new();
    b->gates = gates_new();
    b->gate = gates_intern(b->gates, "q");
    b->task = names_intern(b->names, "t");
    b->id = (uint64_t)T0 << 22;
    const struct store_env env = {
        .path = b->path, .names = b->names, .gates = b->gates, .now_ms = T0};
    if (store_sqlite.open(&b->s, &env, &err))
        fail(err.message);
    index_serve(store_sqlite.index(b->s), 0, 1);
}

static void finish(struct bench *b)
{
    static const char *const beside[] = {"", "-wal", "-ballast"};
    store_sqlite.close(b->s);
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", b->path, beside[i]);
        unlink(path);
    }
    rmdir(b->dir);
    names_free(b->names);
    gates_free(b->gates);
}

static void put(struct bench *b)
{
    struct job *job = job_new(NULL, "\x81\xa4user\xcd\x12\x34", 9);
    job->id = ++b->id;
    job->gate = b->gate;
    job->task = b->task;
    job->submitted_ms = T0;
    store_sqlite.put(b->s, job, T0);
}

static void commit(struct bench *b)
{
    struct neap_error err;
    if (store_sqlite.commit(b->s, &err))
        fail(err.message);
}

static void run(struct bench *b, size_t jobs, bool keep)
{
    static struct job *claimed[BATCH];
    size_t n = 0;
    const int64_t began_ns = clock_mono_ns();
    for (size_t done = 0; done < jobs; done += BATCH) {
        for (size_t i = 0; i < n; i++)
            store_sqlite.finish(b->s, claimed[i], claimed[i]->token, NEAP_COMPLETED, keep, T0);
        for (size_t i = 0; i < BATCH; i++)
            put(b);
        commit(b);
        for (n = 0; n < BATCH; n++)
            if (!(claimed[n] = store_sqlite.claim(b->s, 0, T0)))
                fail("no job");
    }
    const double s = (double)(clock_mono_ns() - began_ns) / 1e9;
    printf("  %-28s %9.0f jobs/s\n", keep ? "kept at their end" : "deleted at their end",
           (double)jobs / s);
    for (size_t i = 0; i < n; i++)
        store_sqlite.give_back(b->s, claimed[i], T0);
}

static void backlog(struct bench *b, size_t jobs)
{
    for (size_t done = 0; done < jobs;) {
        const size_t part = jobs / 5;
        const int64_t began_ns = clock_mono_ns();
        for (size_t i = 0; i < part; i++) {
            put(b);
            if (i % BATCH == BATCH - 1)
                commit(b);
        }
        done += part;
        struct store_report report;
        store_sqlite.report(b->s, &report);
        printf("  backlog of %8zu: %9.0f submissions/s, %zu in memory, %zu KiB, file %lld MiB\n",
               done, (double)part / ((double)(clock_mono_ns() - began_ns) / 1e9), report.in_memory,
               report.memory_bytes / 1024, (long long)report.file_bytes >> 20);
    }
}

int main(int argc, char **argv)
{
    const size_t jobs = argc > 1 ? strtoul(argv[1], NULL, 10) : 500000;
    for (int what = 0; what < 3; what++) {
        struct bench b = {0};
        begin(&b);
        if (what < 2)
            run(&b, jobs, what == 1);
        else
            backlog(&b, jobs * 2);
        finish(&b);
    }
    return 0;
}
