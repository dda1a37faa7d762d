/* A disk that fails, and one that is full: nothing is acknowledged that is not on it. Each executor
 * runs in a process of its own, since the disk is its (tests/support/vfs.h). */
#include "vfs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "executor.h"

#define JOBS 4000
#define LIMIT_S 60

static struct record { /* shared with the processes */
    atomic_uint n_acked, refused, fatal;
    uint64_t acked[JOBS];
    char wrong[400];
} * record;

static struct executor x;

static void wrong(const char *text)
{
    snprintf(record->wrong, sizeof record->wrong, "%s", text);
    _exit(1);
}

static void write_world(void)
{
    char text[200];
    executor_init(&x);
    memset(record, 0, sizeof *record);
    snprintf(text, sizeof text, "[store]\nurl = sqlite:%s/neap.db\n[pool default]\nworkers = 1\n",
             x.dir);
    executor_write(&x, "neap.ini", text);
    executor_write(&x, "plugins/p/work.lua", "return function(args) return args end\n");
}

static void on_fatal(void *user, const char *text)
{
    (void)user;
    (void)text;
    atomic_fetch_add(&record->fatal, 1);
}

static int open_executor(void)
{
    static char ini[128];
    struct neap_error err = {0};
    snprintf(ini, sizeof ini, "%s/neap.ini", x.dir);
    const struct neap_options options = {
        .size = sizeof options, .config_file = ini, .on_fatal = on_fatal};
    int rc = neap_open(&x.n, &options, &err);
    if (!rc)
        rc = neap_start(x.n, &err);
    if (rc)
        snprintf(record->wrong, sizeof record->wrong, "open: %.200s", err.message);
    return rc;
}

static int submit(void)
{
    uint64_t id;
    struct neap_error err;
    const struct neap_request request = {.task = "p.work", .args = "[\"some text for the row\"]"};
    const int rc = neap_submit(x.n, &request, &id, &err);
    if (rc)
        return rc;
    const unsigned at = atomic_fetch_add(&record->n_acked, 1);
    if (at < JOBS)
        record->acked[at] = id;
    return NEAP_OK;
}

static void *submit_until_refused(void *unused)
{
    (void)unused;
    while (atomic_load(&record->n_acked) < JOBS - 10 && submit() == NEAP_OK)
        ;
    /* Nothing is taken any more. */
    for (int i = 0; i < 20; i++)
        if (submit() == NEAP_OK)
            wrong("acknowledged after a failed sync");
    atomic_fetch_add(&record->refused, 1);
    return NULL;
}

enum { SUBMITTERS = 4 };

static void fail_syncs(long at)
{
    pthread_t threads[SUBMITTERS];
    alarm(LIMIT_S);
    vfs_install(&(struct vfs_plan){.sync_fails_at = at, .seed = (uint64_t)at * 977 + 1});
    if (open_executor() == NEAP_OK) {
        for (int i = 0; i < SUBMITTERS; i++)
            pthread_create(&threads[i], NULL, submit_until_refused, NULL);
        for (int i = 0; i < SUBMITTERS; i++)
            pthread_join(threads[i], NULL);
        if (atomic_load(&record->fatal) != 1)
            wrong("on_fatal was not called, or more than once");
    }
    if (at % 2)
        neap_close(x.n); /* which leaves the disk alone */
    vfs_cut_power();
}

static void come_back(void)
{
    alarm(LIMIT_S);
    if (open_executor())
        _exit(1);
    if (neap_wait_idle(x.n, 30000))
        wrong("never idle");
    const unsigned acked = atomic_load(&record->n_acked);
    for (unsigned i = 0; i < acked && i < JOBS; i++) {
        struct neap_job job;
        struct neap_error err;
        if (neap_get(x.n, record->acked[i], &job, &err))
            wrong("a job that was acknowledged is lost");
        neap_job_free(&job);
    }
    neap_close(x.n);
    _exit(0);
}

static void expect_exit(pid_t pid, int want)
{
    int status;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != want)
        fail_msg("status %x: %s (files in %s)", (unsigned)status, record->wrong, x.dir);
}

static void a_sync_fails(void **state)
{
    (void)state;
    unsigned acked = 0;
    for (long at = 1; at < 1000; at += at / 2 + 1) {
        write_world();
        pid_t pid = fork();
        if (pid == 0)
            fail_syncs(at);
        expect_exit(pid, VFS_POWER);
        if ((pid = fork()) == 0)
            come_back();
        expect_exit(pid, 0);
        acked += atomic_load(&record->n_acked);
        executor_close(&x);
    }
    printf("# %u jobs acknowledged before it\n", acked);
}

/* A full disk. */

static atomic_uint answers;
static atomic_uint taken, no_room, other;
static uint64_t last_taken;

static void on_answer(void *user, const struct neap_submitted *answer)
{
    (void)user;
    if (answer->code == NEAP_OK) {
        last_taken = answer->id;
        const unsigned at = atomic_fetch_add(&record->n_acked, 1);
        if (at < JOBS)
            record->acked[at] = answer->id;
        atomic_fetch_add(&taken, 1);
    } else {
        atomic_fetch_add(answer->code == NEAP_ENOSPC ? &no_room : &other, 1);
    }
    atomic_fetch_add(&answers, 1);
}

/* Many at once, so that some share a commit; all with the same key, so that all but one are told
 * that the job is there already: which must be true. */
static void submit_same(int round, int count)
{
    char key[20];
    struct neap_error err;
    snprintf(key, sizeof key, "round %d", round);
    const struct neap_unique unique = {.key = key};
    const struct neap_request request = {
        .task = "p.work", .args = "{}", .delay_ms = 3600000, .unique = &unique};
    const unsigned before = atomic_load(&answers);
    for (int i = 0; i < count; i++)
        if (neap_submit_start(x.n, &request, 0, NULL, on_answer, &err))
            wrong(err.message);
    for (int left = 5000; atomic_load(&answers) < before + (unsigned)count; left--) {
        if (!left)
            wrong("no answer");
        usleep(1000);
    }
}

static void fill_disk(void)
{
    alarm(LIMIT_S);
    vfs_install(&(struct vfs_plan){.seed = 5});
    if (open_executor())
        _exit(1);
    for (int round = 0; round < 20; round++)
        submit_same(round, 10);
    if (atomic_load(&taken) != 200)
        wrong("not taken while there is room");
    vfs_fill(true);
    for (int round = 20; round < 120; round++)
        submit_same(round, 10);
    if (atomic_load(&other) || !atomic_load(&no_room))
        wrong("a full disk is told otherwise than by NEAP_ENOSPC");
    if (atomic_load(&record->fatal))
        wrong("a full disk is fatal");
    vfs_fill(false);
    const unsigned before = atomic_load(&taken);
    for (int round = 120, left = 100; atomic_load(&taken) == before; round++, left--) {
        if (!left)
            wrong("takes no jobs though there is room");
        submit_same(round, 10);
        usleep(100000);
    }
    vfs_cut_power();
}

static void look_for_all(void)
{
    alarm(LIMIT_S);
    if (open_executor())
        _exit(1);
    const unsigned acked = atomic_load(&record->n_acked);
    for (unsigned i = 0; i < acked && i < JOBS; i++) {
        struct neap_job job;
        struct neap_error err;
        if (neap_get(x.n, record->acked[i], &job, &err))
            wrong("a job that was acknowledged, or said to be there, is lost");
        neap_job_free(&job);
    }
    neap_close(x.n);
    _exit(0);
}

static void the_disk_is_full(void **state)
{
    (void)state;
    write_world();
    pid_t pid = fork();
    if (pid == 0)
        fill_disk();
    expect_exit(pid, VFS_POWER);
    if ((pid = fork()) == 0)
        look_for_all();
    expect_exit(pid, 0);
    printf("# %u jobs acknowledged\n", atomic_load(&record->n_acked));
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_fails),
        cmocka_unit_test(the_disk_is_full),
    };
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return record == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
