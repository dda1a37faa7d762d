#include "parts/running.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
    char dir[64], path[96];
};

static int make_place(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->dir, "/tmp/neap-running.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/running", p->dir);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    rmdir(p->dir);
    free(p);
    return 0;
}

struct seen {
    size_t count;
    uint64_t sum;
};

static void see(void *user, uint64_t id)
{
    struct seen *seen = user;
    seen->count++;
    seen->sum += id;
}

static struct seen look(const struct running *r)
{
    struct seen seen = {0};
    running_each(r, &seen, see);
    return seen;
}

static struct running *open_table(const struct place *p)
{
    struct running *r = NULL;
    struct neap_error err = {0};
    assert_int_equal(running_open(&r, p->path, &err), NEAP_OK);
    return r;
}

static void notes_and_forgets(void **state)
{
    struct running *r = open_table(*state);
    struct stat st;
    assert_int_equal(stat(((struct place *)*state)->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_blocks * 512 >= RUNNING_SLOTS * 8);
    const uint32_t a = running_begin(r, 7, 100), b = running_begin(r, 8, 100);
    assert_int_equal(a, 100);
    assert_int_equal(b, 101);
    assert_int_equal(look(r).sum, 15);
    running_end(r, a);
    assert_int_equal(look(r).sum, 8);
    assert_int_equal(running_begin(r, 9, 100), 100);
    running_end(r, RUNNING_NONE);
    running_clear(r);
    assert_int_equal(look(r).count, 0);
    running_close(r);
}

static void goes_round_the_end(void **state)
{
    struct running *r = open_table(*state);
    assert_int_equal(running_begin(r, 1, RUNNING_SLOTS - 1), RUNNING_SLOTS - 1);
    assert_int_equal(running_begin(r, 2, RUNNING_SLOTS - 1), 0);
    assert_int_equal(running_begin(r, 3, UINT32_MAX), 1);
    running_close(r);
}

static void a_full_table_notes_nothing(void **state)
{
    struct running *r = open_table(*state);
    for (uint32_t i = 0; i < RUNNING_SLOTS; i++)
        assert_int_equal(running_begin(r, i + 1, i), i);
    assert_int_equal(running_begin(r, 1, 5), RUNNING_NONE);
    running_end(r, 17);
    assert_int_equal(running_begin(r, 1, 5), 17);
    running_close(r);
}

static void survives_a_kill(void **state)
{
    const pid_t pid = fork();
    if (!pid) {
        struct running *r = open_table(*state);
        running_begin(r, 1000, 0);
        running_end(r, running_begin(r, 1, 0));
        running_begin(r, 337, 9);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    struct running *r = open_table(*state);
    assert_int_equal(look(r).count, 2);
    assert_int_equal(look(r).sum, 1337);
    running_clear(r);
    running_close(r);
    r = open_table(*state);
    assert_int_equal(look(r).count, 0);
    running_close(r);
}

static void leaves_other_files_alone(void **state)
{
    const struct place *p = *state;
    struct neap_error err = {0};
    struct running *r = NULL;
    FILE *f = fopen(p->path, "w");
    fputs("precious", f);
    fclose(f);
    assert_int_equal(running_open(&r, p->path, &err), NEAP_EIO);
    assert_non_null(strstr(err.message, p->path));
    struct stat st;
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(truncate(p->path, RUNNING_SLOTS * 8 + 64), 0); /* the size alone is not it */
    assert_int_equal(running_open(&r, p->path, &err), NEAP_EIO);
    assert_int_equal(running_open(&r, p->dir, &err), NEAP_EIO);
    unlink(p->path);
    assert_int_equal(symlink("/etc/passwd", p->path), 0);
    assert_int_equal(running_open(&r, p->path, &err), NEAP_EIO);
    assert_null(r);
}

#define THREADS 4
#define ROUNDS 20000

struct worker {
    struct running *r;
    unsigned number;
    pthread_t thread;
};

static void *work(void *arg)
{
    const struct worker *w = arg;
    uint32_t slots[8] = {0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < 8; i++)
            slots[i] = running_begin(w->r, (uint64_t)w->number * 100 + i + 1, slots[i]);
        for (unsigned i = 0; i < 8; i++)
            running_end(w->r, slots[i]);
    }
    for (unsigned i = 0; i < 8; i++)
        running_begin(w->r, (uint64_t)w->number * 100 + i + 1, 0);
    return NULL;
}

static void workers_share_it(void **state)
{
    struct running *r = open_table(*state);
    struct worker workers[THREADS];
    uint64_t sum = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.r = r, .number = i};
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        sum += i * 800 + 36;
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    assert_int_equal(look(r).count, THREADS * 8); /* none was overwritten, none left behind */
    assert_int_equal(look(r).sum, sum);
    running_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_and_forgets, make_place, drop_place),
        cmocka_unit_test_setup_teardown(goes_round_the_end, make_place, drop_place),
        cmocka_unit_test_setup_teardown(a_full_table_notes_nothing, make_place, drop_place),
        cmocka_unit_test_setup_teardown(survives_a_kill, make_place, drop_place),
        cmocka_unit_test_setup_teardown(leaves_other_files_alone, make_place, drop_place),
        cmocka_unit_test_setup_teardown(workers_share_it, make_place, drop_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
