/* The end of an executor: drains, closes with calls under way, who is told what. */
#include "executor.h"

#include <setjmp.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_basics(struct executor *x)
{
    executor_write(x, "plugins/t/one.lua", "return function(n) return n end");
    executor_write(x, "plugins/t/nap.lua",
                   "return function(n) require('neap').sleep(n) return 'nap' end");
    executor_write(x, "plugins/t/dies.lua",
                   "return { run = function(n) require('neap').sleep(n) error('no', 0) end,\n"
                   "  on_dead = function(_, _, e) require('neap').sleep('50ms') print('dead', "
                   "e.message) end }");
    executor_write_blocker(x);
}

/* --- calls under way
 * ------------------------------------------------------------------------------ */

enum { CALLERS = 6 };

struct caller {
    neap *n;
    int what, rc;
    atomic_bool begun;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    struct neap_outcome out;
    const struct neap_request request = {.task = "t.one", .queue = "full"};
    atomic_store(&c->begun, true);
    switch (c->what) {
    case 0:
        c->rc = neap_submit(c->n, &request, NULL, NULL);
        break;
    case 1:
        c->rc = neap_wait_idle(c->n, -1);
        break;
    case 2:
    case 3:
        c->rc = neap_next(c->n, &out, -1);
        break;
    case 4:
        c->rc = neap_drain(c->n, 3600000, NULL);
        break;
    default:
        c->rc = neap_reload(c->n, NULL);
    }
    return NULL;
}

static void close_meets_calls_under_way(void **state)
{
    struct executor x;
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini",
                   "[pool default]\nworkers = 2\n[queue full]\ncapacity = 1\npaused = yes\n");
    executor_start(&x, 0);
    const struct neap_request request = {.task = "t.one", .queue = "full"};
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    const struct neap_request nap = {.task = "t.nap", .args = "3600"};
    assert_int_equal(neap_submit(x.n, &nap, NULL, NULL), NEAP_OK);
    EXECUTOR_UNTIL(&x, running, 1);
    executor_write(&x, "plugins/slow.lua", "for i = 1, 3e7 do end return function() end");
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.n = x.n, .what = i, .rc = 1};
        pthread_create(&threads[i], NULL, call, &callers[i]);
        while (!atomic_load(&callers[i].begun))
            usleep(100);
        usleep(20000); /* most likely inside; right in any case but after neap_close has returned */
    }
    neap_close(x.n);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].rc, NEAP_ECLOSED);
    }
    x.n = NULL;
    executor_close(&x);
}

static void closes_at_any_time(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct executor x;
        executor_init(&x);
        write_basics(&x);
        executor_start(&x, i % 2 ? NEAP_SERVICE : 0);
        for (int k = 0; k < i * 20; k++)
            executor_submit(&x, k % 3 ? "t.one" : k % 2 ? "t.nap" : "t.dies", "0.01");
        if (i % 3 == 0)
            usleep(1000u * (unsigned)i);
        executor_close(&x);
    }
}

/* --- drains
 * --------------------------------------------------------------------------------------- */

static void on_dead_runs_in_a_drain(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_start(&x, 0);
    executor_submit(&x, "t.dies", "0.1");
    EXECUTOR_UNTIL(&x, running, 1);
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_OK);
    assert_string_equal(x.printed, "dead\tno\n");
    executor_expect(&x, "no");
    assert_int_equal(neap_wait_idle(x.n, -1), NEAP_OK);
    executor_close(&x);
}

static void a_drained_executor_is_idle_for_good(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_start(&x, 0);
    executor_request(&x, (struct neap_request){.task = "t.one", .delay_ms = 3600000});
    assert_int_equal(neap_wait_idle(x.n, 10), NEAP_ETIME);
    assert_int_equal(neap_drain(x.n, -1, NULL), NEAP_OK);
    assert_int_equal(neap_wait_idle(x.n, -1), NEAP_ECLOSED);
    assert_int_equal(neap_drain(x.n, -1, NULL), NEAP_OK);
    executor_close(&x);
}

struct drainer {
    neap *n;
    int64_t timeout_ms;
    int rc;
};

static void *drain(void *arg)
{
    struct drainer *d = arg;
    d->rc = neap_drain(d->n, d->timeout_ms, NULL);
    return NULL;
}

static void a_second_drain_hurries_the_first(void **state)
{
    struct executor x;
    struct drainer slow;
    pthread_t thread;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_start(&x, 0);
    const struct neap_request request = {.task = "t.nap", .args = "3600"};
    assert_int_equal(neap_submit(x.n, &request, NULL, NULL), NEAP_OK);
    EXECUTOR_UNTIL(&x, running, 1);
    slow = (struct drainer){x.n, 3600000, 1};
    pthread_create(&thread, NULL, drain, &slow);
    for (int left = 4000; neap_submit(x.n, &request, NULL, NULL) == NEAP_OK; executor_pause(&left))
        ;
    assert_int_equal(neap_drain(x.n, 10, NULL), NEAP_ETIME);
    pthread_join(thread, NULL);
    assert_int_equal(slow.rc, NEAP_ETIME);
    executor_close(&x);
}

/* Waits that end by themselves are let go on; those for what will not start are cut short. */
static void a_drain_knows_who_waits_in_vain(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "plugins/t/brief.lua",
                   "local neap = require 'neap'\n"
                   "return function(d) local ok, e = neap.submit('t.one', 1, { delay = '1h' "
                   "}):wait(d) return e.code end");
    executor_start(&x, 0);
    executor_submit(&x, "t.brief", "0.3");
    EXECUTOR_UNTIL(&x, running, 1);
    EXECUTOR_UNTIL(&x, waiting, 1);
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_OK);
    executor_expect(&x, "\"timeout\"");
    executor_close(&x);

    executor_init(&x);
    write_basics(&x);
    executor_write(
        &x, "plugins/t/vain.lua",
        "return function() return require('neap').submit('t.one', 1, { delay = '1h' }):wait() end");
    executor_start(&x, 0);
    executor_submit(&x, "t.vain", NULL);
    EXECUTOR_UNTIL(&x, running, 1);
    EXECUTOR_UNTIL(&x, waiting, 1);
    const int64_t begin = executor_now_ms();
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_ETIME);
    assert_true(executor_now_ms() - begin < 10000);
    assert_int_equal(executor_totals(&x).waiting, 2); /* both are unrun */
    assert_int_equal(executor_totals(&x).cancelled, 0);
    executor_close(&x);
}

static void a_drain_stops_what_computes(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(&x, "neap.ini", "[pool default]\nworkers = 1\n");
    executor_start(&x, 0);
    executor_submit(&x, "t.block", "{}");
    executor_await(&x, "blocked");
    for (int i = 0; i < 10; i++)
        executor_submit(&x, "t.one", "1");
    assert_int_equal(neap_drain(x.n, 10, NULL), NEAP_ETIME);
    assert_int_equal(executor_totals(&x).running, 0);
    assert_int_equal(executor_totals(&x).waiting, 11);          /* it is handed back */
    assert_int_equal(neap_drain(x.n, 20000, NULL), NEAP_ETIME); /* as it was told */
    executor_close(&x);
}

/* --- who is told what
 * ----------------------------------------------------------------------------- */

static void outcomes_come_before_idle(void **state)
{
    struct executor x;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_start(&x, 0);
    for (int i = 0; i < 500; i++) {
        struct neap_outcome out;
        executor_submit(&x, "t.one", "7");
        assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
        struct pollfd fd = {.fd = neap_fd(x.n), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 0), 1);
        assert_int_equal(neap_next(x.n, &out, 0), NEAP_OK);
        neap_outcome_free(&out);
        assert_int_equal(poll(&fd, 1, 0), 0);
    }
    executor_close(&x);
}

static void a_job_can_be_looked_at(void **state)
{
    struct executor x;
    struct neap_job job;
    struct neap_error err;
    char *log;
    size_t len;
    (void)state;
    executor_init(&x);
    write_basics(&x);
    executor_write(
        &x, "plugins/t/talks.lua",
        "local neap = require 'neap'\n"
        "return { retry = { max = 1, base = '1ms' }, run = function(_, ctx)\n"
        "  print('attempt', ctx.attempt)\n"
        "  ctx:progress(0.25, 'a quarter')\n"
        "  while not neap.shared('x'):get('go' .. ctx.attempt) do neap.sleep('5ms') end\n"
        "  error('oh no', 0) end }");
    executor_write(&x, "plugins/t/go.lua",
                   "return function(n) require('neap').shared('x'):set('go' .. n, 1) end");
    executor_start(&x, 0);
    uint64_t id;
    assert_int_equal(
        neap_submit(x.n,
                    &(struct neap_request){.task = "t.talks", .priority_set = 1, .priority = 7},
                    &id, &err),
        NEAP_OK);
    for (int left = 4000;; executor_pause(&left)) {
        assert_int_equal(neap_get(x.n, id, &job, &err), NEAP_OK);
        if (job.progress >= 0)
            break;
        neap_job_free(&job);
    }
    assert_true(job.id == id && job.parent == 0 && job.priority == 7 && job.attempt == 1);
    assert_int_equal(job.state, NEAP_RUNNING);
    assert_true(job.progress == 0.25);
    assert_string_equal(job.progress_text, "a quarter");
    assert_string_equal(job.task, "t.talks");
    assert_string_equal(job.queue, "default");
    assert_null(job.message);
    assert_null(job.held);
    neap_job_free(&job);
    assert_int_equal(neap_job_log(x.n, id, &log, &len, &err), NEAP_OK);
    assert_int_equal(len, 0);
    assert_string_equal(log, "");
    free(log);
    executor_submit(&x, "t.go", "1");
    executor_submit(&x, "t.go", "2");
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    assert_int_equal(neap_get(x.n, id, &job, &err), NEAP_OK);
    assert_int_equal(job.state, NEAP_DEAD);
    assert_int_equal(job.attempt, 2);
    assert_true(job.progress < 0);
    assert_null(job.progress_text);
    assert_string_equal(job.message, "oh no");
    neap_job_free(&job);
    assert_int_equal(neap_job_log(x.n, id, &log, &len, &err), NEAP_OK);
    assert_string_equal(log, "attempt\t1\nattempt\t2\n");
    assert_int_equal(len, strlen(log));
    free(log);
    assert_int_equal(neap_cancel(x.n, id, &err), NEAP_EINVAL);
    assert_string_equal(err.message, "the job has ended");
    assert_int_equal(neap_get(x.n, 12345, &job, &err), NEAP_ENOENT);
    assert_int_equal(neap_job_log(x.n, 12345, &log, &len, &err), NEAP_ENOENT);
    executor_close(&x);
}

/* Once it has expired it is not tried again, whatever it did before. */
static void expiry_also_ends_retries(void **state)
{
    struct executor x;
    char text[64];
    (void)state;
    executor_init(&x);
    executor_write(&x, "plugins/t/fail.lua",
                   "return { retry = { max = 9, base = '1h', jitter = 0 }, run = function(s) "
                   "require('neap').sleep(s) error('no', 0) end }");
    executor_start(&x, 0);
    executor_request(
        &x, (struct neap_request){.task = "t.fail",
                                  .args = "0",
                                  .expires_ms = executor_now_ms() + 1000}); /* while it waits */
    executor_request(
        &x, (struct neap_request){.task = "t.fail",
                                  .args = "1.2",
                                  .expires_ms = executor_now_ms() + 1000}); /* while it runs */
    for (int i = 0; i < 2; i++) {
        const struct neap_outcome out = executor_next(&x, text, sizeof text);
        assert_int_equal(out.state, NEAP_CANCELLED);
        assert_int_equal(out.attempt, 1);
        assert_string_equal(text, "no");
    }
    assert_int_equal(neap_wait_idle(x.n, 20000), NEAP_OK);
    executor_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_meets_calls_under_way),
        cmocka_unit_test(closes_at_any_time),
        cmocka_unit_test(on_dead_runs_in_a_drain),
        cmocka_unit_test(a_drained_executor_is_idle_for_good),
        cmocka_unit_test(a_second_drain_hurries_the_first),
        cmocka_unit_test(a_drain_knows_who_waits_in_vain),
        cmocka_unit_test(a_drain_stops_what_computes),
        cmocka_unit_test(outcomes_come_before_idle),
        cmocka_unit_test(a_job_can_be_looked_at),
        cmocka_unit_test(expiry_also_ends_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
