/* The table of child processes: places in order, groups killed with their owner, nobody left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "parts/children.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int alice, bob; /* two owners */

static void count(void *user)
{
    atomic_fetch_add((atomic_int *)user, 1);
}

static struct child *take(struct children *t, const void *owner, atomic_int *told, bool *placed)
{
    const struct child_request request = {.owner = owner, .job = 7, .granted = count, .user = told};
    return children_take(t, &request, placed);
}

static pid_t spawn(const char *command)
{
    pid_t pid;
    posix_spawnattr_t attr;
    char *const args[] = {"sh", "-c", (char *)command, NULL};
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, &attr, args, environ), 0);
    posix_spawnattr_destroy(&attr);
    return pid;
}

static bool group_lives(pid_t pid)
{
    return kill(-pid, 0) == 0;
}

static void until_gone(pid_t pid)
{
    for (int left = 4000; group_lives(pid); left--) {
        assert_true(left > 0);
        usleep(5000);
    }
}

static int until_ended(struct child *child)
{
    int status;
    for (int left = 4000; !child_ended(child, &status); left--) {
        assert_true(left > 0);
        usleep(5000);
    }
    return status;
}

static void no_child_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void places_go_round_in_order(void **state)
{
    bool placed;
    atomic_int told[4] = {0};
    struct child *c[4];
    (void)state;
    struct children *t = children_new(2);
    for (int i = 0; i < 4; i++) {
        c[i] = take(t, i % 2 ? &alice : &bob, &told[i], &placed);
        assert_int_equal(placed, i < 2);
    }
    struct children_counts counts = children_counts(t);
    assert_int_equal(counts.running, 2);
    assert_int_equal(counts.waiting, 2);
    assert_false(child_free(c[1]));
    assert_int_equal(told[2], 1);
    assert_int_equal(told[3], 0);
    assert_false(child_free(c[2])); /* told, never started */
    assert_int_equal(told[3], 1);
    assert_false(child_free(c[3]));
    assert_false(child_free(c[0]));
    counts = children_counts(t);
    assert_int_equal(counts.running + counts.waiting, 0);
    assert_int_equal(counts.most, 2);
    children_free(t);
}

static void one_that_waits_can_leave(void **state)
{
    bool placed;
    atomic_int told[3] = {0};
    struct child *c[3];
    (void)state;
    struct children *t = children_new(0); /* at least one */
    for (int i = 0; i < 3; i++)
        c[i] = take(t, &alice, &told[i], &placed);
    assert_true(child_free(c[1]));
    assert_false(child_free(c[0]));
    assert_int_equal(told[1], 0);
    assert_int_equal(told[2], 1);
    child_free(c[2]);
    children_free(t);
}

static void a_program_ends(void **state)
{
    bool placed;
    int status;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    assert_true(child_started(c, spawn("read x; exit 3")));
    assert_int_equal(WEXITSTATUS(until_ended(c)), 3);
    assert_true(child_ended(c, &status)); /* as often as one asks */
    assert_int_equal(WEXITSTATUS(status), 3);
    child_free(c);
    no_child_is_left();
    assert_int_equal(children_counts(t).started, 1);
    assert_int_equal(children_counts(t).killed, 0);
    children_free(t);
}

static void a_group_dies_as_one(void **state)
{
    bool placed;
    int status;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    const pid_t pid = spawn("sleep 100 & sleep 100");
    assert_true(child_started(c, pid));
    assert_false(child_ended(c, &status));
    child_kill(c);
    child_kill(c);
    assert_int_equal(WTERMSIG(until_ended(c)), SIGKILL);
    child_free(c);
    until_gone(pid);
    no_child_is_left();
    assert_int_equal(children_counts(t).killed, 1);
    children_free(t);
}

/* The leader has ended by itself: what it left in its group goes with its place. */
static void what_a_leader_left_dies_too(void **state)
{
    bool placed;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    const pid_t pid = spawn("sleep 100 & exit 0");
    assert_true(child_started(c, pid));
    assert_int_equal(until_ended(c), 0);
    assert_true(group_lives(pid));
    child_free(c);
    until_gone(pid);
    no_child_is_left();
    children_free(t);
}

static void freed_while_it_runs(void **state)
{
    bool placed;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    const pid_t pid = spawn("sleep 100");
    assert_true(child_started(c, pid));
    child_free(c);
    children_free(t); /* reaps it */
    until_gone(pid);  /* where the shell has not become it, the system reaps that */
    no_child_is_left();
}

/* A worker that is stuck: its groups die, its places go to others; it may still come back. */
static void a_lost_owner_keeps_nothing(void **state)
{
    bool placed;
    int status;
    atomic_int told[5] = {0};
    struct child *c[5];
    (void)state;
    struct children *t = children_new(3);
    for (int i = 0; i < 5; i++)
        c[i] = take(t, i < 4 ? &alice : &bob, &told[i], &placed);
    const pid_t pids[2] = {spawn("sleep 100 & sleep 100"), spawn("sleep 100")};
    assert_true(child_started(c[0], pids[0]));
    assert_true(child_started(c[1], pids[1]));
    assert_int_equal(children_kill_owner(t, &alice), 2);
    assert_int_equal(told[3], 0); /* waited: forgotten */
    assert_int_equal(told[4], 1);
    assert_int_equal(children_counts(t).running, 1);
    child_free(c[4]);
    for (int left = 4000; group_lives(pids[0]) || group_lives(pids[1]); left--) {
        assert_true(left > 0);
        usleep(5000);
        children_counts(t); /* reaps */
    }
    /* it comes back */
    const pid_t late = spawn("sleep 100");
    assert_false(child_started(c[2], late));
    child_kill(c[0]);
    assert_int_equal(WTERMSIG(until_ended(c[0])), SIGKILL);
    for (int i = 0; i < 3; i++)
        child_free(c[i]);
    assert_true(child_ended(c[3], &status));
    child_free(c[3]);
    assert_int_equal(children_kill_owner(t, &alice), 0);
    children_free(t);
    until_gone(late);
    no_child_is_left();
}

/* A lost worker that never comes back: the table stays with what it holds. */
static void the_table_outlives_a_lost_owner(void **state)
{
    bool placed;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    assert_true(child_started(c, spawn("sleep 100")));
    assert_int_equal(children_kill_owner(t, &alice), 1);
    children_free(t);
    no_child_is_left();
    child_free(c); /* it has come back after all */
}

/* Somebody else reaps our children: then nothing is known, and nothing killed. */
static void reaped_by_a_host(void **state)
{
    bool placed;
    atomic_int told = 0;
    (void)state;
    struct children *t = children_new(1);
    struct child *c = take(t, &alice, &told, &placed);
    const pid_t pid = spawn("exit 0");
    assert_true(child_started(c, pid));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(until_ended(c), -1);
    child_kill(c);
    child_free(c);
    children_free(t);
}

#define THREADS 4
#define ROUNDS 2000

struct player {
    pthread_t thread;
    struct children *t;
    atomic_int told;
    unsigned seed;
};

/* Takes places, leaves while it waits, at random; as a worker does, all on its own thread. */
static void *play(void *arg)
{
    struct player *p = arg;
    int due = 0; /* how often it must have been told in the end */
    for (int i = 0; i < ROUNDS; i++) {
        bool placed;
        struct child *child = take(p->t, p, &p->told, &placed);
        if (!placed && rand_r(&p->seed) % 2) /* waits */
            while (atomic_load(&p->told) == due)
                sched_yield();
        due += !child_free(child) && !placed;
        if (atomic_load(&p->told) != due)
            return (void *)"told when it had left, or not told";
    }
    return NULL;
}

static void threads_share_places(void **state)
{
    struct player players[THREADS];
    (void)state;
    struct children *t = children_new(2);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){.t = t, .seed = i};
        pthread_create(&players[i].thread, NULL, play, &players[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(players[i].thread, &wrong);
        if (wrong)
            fail_msg("%s", (const char *)wrong);
    }
    const struct children_counts counts = children_counts(t);
    assert_int_equal(counts.running + counts.waiting, 0);
    assert_true(counts.most <= 2);
    children_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_go_round_in_order),
        cmocka_unit_test(one_that_waits_can_leave),
        cmocka_unit_test(a_program_ends),
        cmocka_unit_test(a_group_dies_as_one),
        cmocka_unit_test(what_a_leader_left_dies_too),
        cmocka_unit_test(freed_while_it_runs),
        cmocka_unit_test(a_lost_owner_keeps_nothing),
        cmocka_unit_test(the_table_outlives_a_lost_owner),
        cmocka_unit_test(reaped_by_a_host),
        cmocka_unit_test(threads_share_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
