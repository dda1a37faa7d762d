#include "stores.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/name.h"

void backend_init(struct backend *b, const char *name, const struct store_ops *ops, size_t window)
{
    *b = (struct backend){.name = name, .ops = ops, .window = window};
    strcpy(b->tree.dir, "/dev/shm/neap-store.XXXXXX"); /* nothing here is about the disk */
    if (!mkdtemp(b->tree.dir))
        tree_init(&b->tree);
    tree_path(&b->tree, "neap.db", b->path);
    b->names = names_new();
    b->gates = gates_new();
    char text[8];
    for (unsigned i = 0; i < QUEUES; i++) {
        snprintf(text, sizeof text, "q%u", i);
        b->queues[i] = gates_intern(b->gates, text);
    }
    for (unsigned i = 0; i < TASKS; i++) {
        snprintf(text, sizeof text, "t%u", i);
        b->tasks[i] = names_intern(b->names, text);
    }
}

void backend_close(struct backend *b)
{
    tree_close(&b->tree);
    names_free(b->names);
    gates_free(b->gates);
}

static struct store *open_at(struct backend *b, const struct store_limits *limits, int64_t now_ms)
{
    struct store *s = NULL;
    struct neap_error err = {0};
    const struct store_env env = {.path = b->path,
                                  .limits = limits ? *limits : (struct store_limits){0},
                                  .window = b->window,
                                  .names = b->names,
                                  .gates = b->gates,
                                  .now_ms = now_ms};
    const int rc = b->ops->open(&s, &env, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.message);
    assert(rc == NEAP_OK);
    for (unsigned q = 0; q < QUEUES; q++)
        index_serve(b->ops->index(s), q, 1 | UINT64_C(2) << q);
    return s;
}

struct store *backend_open(struct backend *b, const struct store_limits *limits)
{
    static const char *const beside[] = {"", "-wal", "-ballast"};
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s%s", b->path, beside[i]);
        unlink(path);
    }
    return open_at(b, limits, T0);
}

struct store *backend_reopen(struct backend *b, int64_t now_ms)
{
    return open_at(b, NULL, now_ms);
}

struct job *backend_job(const struct backend *b, uint64_t id, unsigned queue, int priority,
                        int64_t due_ms)
{
    struct job *job = job_new(NULL, "\x80", 1);
    job->id = id;
    job->gate = b->queues[queue];
    job->task = b->tasks[id % TASKS];
    job->priority = (int8_t)priority;
    job->submitted_ms = T0;
    job->available_ms = due_ms;
    return job;
}
